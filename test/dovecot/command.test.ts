/** doveadm as a program: what reaches it, and what becomes of one that misbehaves. */
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { doveadmCommand } from '../../src/dovecot/command.ts'
import { targetOf, type Target } from '../../src/dovecot/doveadm.ts'

const NEVER = new AbortController().signal

function target(name: string): Target {
  const found = targetOf(name)
  if (found === undefined) throw new Error(`${name} is no target`)
  return found
}

/** A program of this shell text, and where it may write. */
function program(t: Test, text: string) {
  const dir = mkdtempSync(join(tmpdir(), 'mailpassd-doveadm-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const path = join(dir, 'doveadm')
  writeFileSync(path, `#!/bin/sh\ncd ${dir}\n${text}\n`)
  chmodSync(path, 0o755)
  const read = (name: string) => readFileSync(join(dir, name), 'utf8')
  return { dir, path, read, exists: (name: string) => existsSync(join(dir, name)) }
}

function run(command: readonly string[], name = 'jane@example.org', timeoutMs = 20_000) {
  return doveadmCommand({ name: 'mx1', command, timeoutMs }).run('kick', target(name), NEVER)
}

t.test('names that are none of one mailbox reach nobody', async (t) => {
  const refused =
    '*|*@example.org|jane@*|?ane@example.org|%@example.org|jane@example.org/|Jane@example.org|jane|jane @example.org||192.0.2.0/24|a\\b@example.org|jane@example.org\n|@example.org|--help'
  for (const name of refused.split('|')) t.equal(targetOf(name), undefined, JSON.stringify(name))
  for (const name of ["o'hara@example.org", '-x@example.org', 'a&b+c=d@example.org'])
    t.equal(targetOf(name), name)
})

t.test('arguments come as they are: no shell, the name behind --', async (t) => {
  const { path, read, exists } = program(t, 'printf "%s\\n" "$@" > arguments')
  const names = [
    '-x@example.org',
    "o'hara@example.org",
    'a;>owned;@example.org',
    '$(id>owned)`id>owned`&@example.org',
  ]
  for (const name of names) {
    await run([path, 'exec', 'a b', "c'd", '*'], name)
    t.same(read('arguments').split('\n'), ['exec', 'a b', "c'd", '*', 'kick', '--', name, ''])
  }
  t.notOk(exists('owned'))
  await doveadmCommand({ name: 'mx1', command: [path], timeoutMs: 20_000 }).run(
    'flush_auth_cache',
    target('jane@example.org'),
    NEVER,
  )
  t.same(read('arguments'), 'auth\ncache\nflush\n--\njane@example.org\n')
})

t.test('it sees nothing of our environment but what it needs', async (t) => {
  process.env['MAILPASSD_TEST_ONLY_SECRET'] = 'swordfish'
  t.teardown(() => delete process.env['MAILPASSD_TEST_ONLY_SECRET'])
  const { path, read } = program(t, 'env > environment')
  await run([path])
  t.match(read('environment'), /^PATH=/m)
  t.notMatch(read('environment'), /swordfish/)
})

t.test('nobody was logged in: done; any other exit code is told with what it said', async (t) => {
  await run([program(t, 'echo "no users kicked" >&2; exit 68').path])
  await t.rejects(
    run([program(t, 'printf "\\033[31mFatal: no such socket\\nsecond line" >&2; exit 75').path]),
    {
      code: 'consumer_failed',
      message: 'Dovecot mx1 (doveadm): kick: exit code 75: ?[31mFatal: no such socket',
    },
  )
  await t.rejects(run([program(t, 'kill -9 $$').path]), { message: /kick: exit code SIGKILL$/ })
  const flush = doveadmCommand({ name: 'mx1', command: [program(t, 'exit 68').path], timeoutMs: 20_000 })
  await t.rejects(flush.run('flush_auth_cache', target('jane@example.org'), NEVER), {
    message: /auth cache flush: exit code 68/,
  })
})

t.test('a program that is not there, or may not be run, is named', async (t) => {
  await t.rejects(run(['/nowhere/doveadm']), {
    code: 'consumer_failed',
    message: 'Dovecot mx1 (doveadm): kick: cannot be run (ENOENT)',
  })
  const { path } = program(t, '')
  chmodSync(path, 0o644)
  await t.rejects(run([path]), { message: /cannot be run \(EACCES\)/ })
})

t.test('no file descriptor is left: it failed, and the process goes on', async (t) => {
  const script = join(import.meta.dirname, 'no-descriptors.ts')
  const limited = ['-c', 'ulimit -n 64; exec "$0" "$1"', process.execPath, script]
  const { stdout, code } = await new Promise<{ stdout: string; code: unknown }>((resolve) => {
    execFile('/bin/sh', limited, (error, text) => resolve({ stdout: text, code: error?.code ?? 0 }))
  })
  t.match(stdout, /Dovecot mx1 \(true\): kick: cannot be run \(EMFILE\)/)
  t.equal(code, 0)
})

t.test('one that hangs is ended, with all that it started, even if it does not want to', async (t) => {
  const { path, read } = program(t, "trap '' TERM\nsleep 1000 &\necho $! > child\nwait\nsleep 1000")
  await t.rejects(run([path], 'jane@example.org', 500), { message: /kick: did not end in time/ })
  const child = Number(read('child'))
  const until = Date.now() + 20_000
  const isAlive = () => {
    try {
      process.kill(child, 0)
      return !readFileSync(`/proc/${child}/stat`, 'utf8').includes(') Z ')
    } catch {
      return false
    }
  }
  while (isAlive() && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50))
  t.notOk(isAlive())
})

t.test('one that was given up before it began is not started', async (t) => {
  const { path, exists } = program(t, 'touch started')
  const doveadm = doveadmCommand({ name: 'mx1', command: [path], timeoutMs: 20_000 })
  await t.rejects(doveadm.run('kick', target('jane@example.org'), AbortSignal.abort()), {
    message: /in time/,
  })
  t.notOk(exists('started'))
})

t.test('one that floods is ended', async (t) => {
  for (const stream of ['', '>&2'])
    await t.rejects(run([program(t, `yes ${stream}`).path]), { message: /kick: wrote more than 65536 bytes/ })
})
