/** The command line: help of every command, mistakes with their way out, exit codes. */
import t from 'tap'
import { execFile, spawn } from 'node:child_process'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArguments } from '../../src/cli/args.ts'
import { COMMANDS } from '../../src/cli/commands.ts'
import { runCli, version, type CommandTable } from '../../src/cli/run.ts'
import { EXIT, MailpassdError } from '../../src/errors.ts'
import { recordedIo } from './recorded-io.ts'

async function run(
  args: readonly string[],
  table: CommandTable = COMMANDS,
  env: Record<string, string> = {},
) {
  const io = recordedIo('', env)
  const code = await runCli(table, args, io)
  return { code, ...io.seen }
}

t.test('every command is in the overview and has help that says how it is called', async (t) => {
  const { code, out, err } = await run(['--help'])
  t.equal(code, EXIT.ok)
  t.equal(err, '')
  for (const [name, load] of COMMANDS) {
    const command = await load()
    t.equal(command.name, name)
    t.notMatch(command.summary, /\n/)
    t.ok(command.summary.length <= 70, `${name}: the summary fits a line`)
    t.match(out, `  ${name}  `)
    t.match(command.help, `Usage: mailpassd ${name}`)
    for (const line of command.help.split('\n'))
      t.ok(line.length <= 130, `${name}: a line of the help fits a terminal`)
    for (const args of [
      [...name.split(' '), '--help'],
      ['help', ...name.split(' ')],
      [...name.split(' '), '-h'],
    ])
      t.same(await run(args), { code: EXIT.ok, out: command.help, err: '' }, args.join(' '))
    t.equal(
      (await run([...name.split(' '), '--no-such-option', 'x'])).code,
      EXIT.usage,
      `${name}: unknown option`,
    )
  }
  t.same(await run(['help']), { code, out, err })
  t.same(await run(['-h']), { code, out, err })
})

t.test('no arguments: the overview as a mistake', async (t) => {
  const { code, out, err } = await run([])
  t.equal(code, EXIT.usage)
  t.equal(out, '')
  t.match(err, 'Usage: mailpassd COMMAND')
})

t.test('a group of commands', async (t) => {
  t.match(await run(['help', 'hash']), { code: EXIT.ok, out: /hash make .*\n.*hash verify/ })
  t.match(await run(['domain', '--help']), { code: EXIT.ok, out: /domain add/ })
  t.same(await run(['hash']), {
    code: EXIT.usage,
    out: '',
    err: 'mailpassd: hash needs one more word: hash make, hash verify; see: mailpassd --help\n',
  })
})

t.test('unknown commands name the nearest', async (t) => {
  const cases: [args: string[], err: string][] = [
    [['serv'], 'unknown command "serv" (did you mean serve?); see: mailpassd --help'],
    [['chekc', '--json'], 'unknown command "chekc" (did you mean check?); see: mailpassd --help'],
    [['hash', 'mak'], 'unknown command "hash mak": hash make, hash verify; see: mailpassd --help'],
    [['xyzzy'], 'unknown command "xyzzy"; see: mailpassd --help'],
    [['--verbose'], 'unknown option --verbose; see: mailpassd --help'],
    [['help', 'serv'], 'unknown command "serv" (did you mean serve?); see: mailpassd --help'],
  ]
  for (const [args, err] of cases)
    t.same(await run(args), { code: EXIT.usage, out: '', err: `mailpassd: ${err}\n` }, args.join(' '))
})

t.test('the version', async (t) => {
  t.match(version(), /^\d+\.\d+\.\d+$/)
  t.same(await run(['--version']), { code: EXIT.ok, out: `mailpassd ${version()}\n`, err: '' })
})

t.test('what a command throws becomes a line, a way out and the exit code', async (t) => {
  const table = (thrown: unknown): CommandTable =>
    new Map([
      [
        'fail',
        async () => ({ name: 'fail', summary: '', help: '', run: async () => Promise.reject(thrown) }),
      ],
    ])
  t.same(await run(['fail'], table(new MailpassdError('listen_failed', 'the port is taken'))), {
    code: EXIT.cantCreate,
    out: '',
    err: 'mailpassd: the port is taken\n',
  })
  t.match(await run(['fail'], table(new MailpassdError('store_unavailable', 'no database'))), {
    code: EXIT.unavailable,
    err: 'mailpassd: no database\nmailpassd: `mailpassd check --live` tries the database step by step.\n',
  })
  const odd = await run(['fail'], table(new TypeError('odd')))
  t.match(odd, { code: EXIT.software, err: /^mailpassd: odd\nmailpassd: Set MAILPASSD_TRACE=1/ })
  t.notMatch(odd.err, 'at ')
  const traced = await run(['fail'], table(new TypeError('odd')), { MAILPASSD_TRACE: '1' })
  t.match(traced.err, /caused by TypeError: odd\n\s+at /)
})

t.test('arguments', async (t) => {
  const spec = {
    text: ['config', 'scheme'],
    flags: ['json'],
    short: { s: 'scheme' },
    positionals: ['ADDRESS', 'NAME?'],
  } as const
  const parse = (...args: string[]) => parseArguments('demo', args, spec)

  const given = parse('--config', 'f', '--json', '-s', 'X', 'a@b', '--', '--name')
  t.equal(given.text('config'), 'f')
  t.equal(given.text('scheme'), 'X')
  t.equal(given.flag('json'), true)
  t.same(given.positionals, ['a@b', '--name'])
  const few = parse('a@b', '--config=g=h')
  t.equal(few.text('config'), 'g=h')
  t.equal(few.text('scheme'), undefined)
  t.equal(few.flag('json'), false)

  const mistakes: [args: string[], text: string][] = [
    [[], 'ADDRESS is missing'],
    [['a', 'b', 'hunter2'], 'too many arguments'],
    [['a', '--confg', 'f'], 'unknown option --confg (did you mean --config?)'],
    [['a', '--password=hunter2'], 'unknown option --password'],
    [['a', '-x'], 'unknown option -x'],
    [['a', '--config'], '--config needs a value'],
    [['a', '--config='], '--config needs a value'],
    [['a', '--config', '--json'], '--config needs a value'],
    [['a', '--json=yes'], '--json takes no value'],
    [['a', '--json', '--json'], '--json is given twice'],
    [['a', '-s', 'X', '--scheme', 'Y'], '--scheme is given twice'],
  ]
  for (const [args, text] of mistakes)
    t.throws(() => parse(...args), { code: 'usage', message: `demo: ${text}; see: mailpassd demo --help` })
})

t.test('the executable: stdout, stderr and exit codes of a process', async (t) => {
  const program = join(import.meta.dirname, '../../mailpassd')
  const start = async (...args: string[]) => {
    const { promise, resolve } = Promise.withResolvers<{ code: number; out: string; err: string }>()
    execFile(program, args, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, out, err })
    })
    return promise
  }
  t.same(await start('--version'), { code: 0, out: `mailpassd ${version()}\n`, err: '' })
  t.same(await start('serv'), {
    code: 64,
    out: '',
    err: 'mailpassd: unknown command "serv" (did you mean serve?); see: mailpassd --help\n',
  })
  t.match(await start('check', '--config', '/nowhere/mailpassd.toml'), {
    code: 66,
    err: 'mailpassd: configuration file /nowhere/mailpassd.toml is not there\n',
  })
})

t.test('who closes our output early does not change the exit code', async (t) => {
  const program = join(import.meta.dirname, '..', '..', 'mailpassd')
  /** The exit code of `hash verify` with nobody at its stdout and stderr. */
  const verify = (hash: string): Promise<number | null> => {
    const { promise, resolve, reject } = Promise.withResolvers<number | null>()
    const child = spawn(program, ['hash', 'verify', hash], { stdio: 'pipe' })
    child.once('error', reject)
    child.once('exit', resolve)
    child.stdout.destroy()
    child.stderr.destroy()
    child.stdin.end('wrong\n')
    return promise
  }
  t.equal(await verify('{PLAIN}right'), EXIT.failed)
  t.equal(await verify('{NONE}right'), EXIT.data)
})

t.test('without `npm ci`, on a machine whose Node is too old, the launcher says what to do', async (t) => {
  const dir = t.testdir({ bin: {} })
  const program = join(dir, 'mailpassd')
  copyFileSync(join(import.meta.dirname, '..', '..', 'mailpassd'), program)
  // What an old Node answers to the question for its version.
  writeFileSync(join(dir, 'bin', 'node'), '#!/bin/sh\necho false\n', { mode: 0o755 })
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; err: string }>()
  const env = { PATH: `${join(dir, 'bin')}:/usr/bin:/bin` }
  execFile(program, ['--version'], { env }, (error, _out, err) => resolve({ code: error?.code, err }))
  t.match(await promise, { code: EXIT.unavailable, err: /no Node 24 or newer found; run 'npm ci' in / })
})
