/** explain, log and status as an operator runs them: processes of their own beside a running daemon, and without it. */
import { spawn } from 'node:child_process'
import t, { type Test } from 'tap'
import { isRecord } from './json.ts'
import { realmFileAndSqlite } from './backend.ts'
import { httpLogin, MAILPASSD, startDaemon, type RunningDaemon } from './daemon.ts'

const JANE = 'jane@example.org'

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A command while it runs. */
function start(t: Test, command: string, args: readonly string[]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const seen = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (seen.out += chunk.toString('utf8')))
  child.stderr.on('data', (chunk: Buffer) => (seen.err += chunk.toString('utf8')))
  const ended = new Promise<Ran>((resolve) => child.on('close', (code) => resolve({ code, ...seen })))
  const until = async (happened: () => boolean) => {
    const lastMs = Date.now() + 60_000
    while (!happened()) {
      if (Date.now() > lastMs) throw new Error(`it did not happen within a minute: ${seen.out} ${seen.err}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  return { seen, ended, until, signal: (name: NodeJS.Signals) => child.kill(name) }
}

async function house(t: Test) {
  const backend = await realmFileAndSqlite(t, 'example.org', [{ email: JANE, password: 'right' }])
  const daemon = await startDaemon({ config: backend.config() })
  const where = ['--config', daemon.configFile, '--data-dir', daemon.dataDir]
  const run = (...words: string[]) => start(t, MAILPASSD, [...words, ...where]).ended
  return { backend, daemon, where, run }
}

async function logIn(daemon: RunningDaemon, password: string) {
  return (await httpLogin(daemon.url, JANE, password)).body['verdict']
}

t.test('beside a running daemon', async (t) => {
  const { backend, daemon, run, where } = await house(t)
  t.teardown(() => daemon.stop())
  t.equal(await logIn(daemon, 'right'), 'ok')
  t.equal(await logIn(daemon, 'wrong'), 'password_mismatch')

  const before = await backend.rowsOf(JANE)
  const explained = await run('explain', JANE, '--service', 'imap', '--json')
  t.match(explained, { code: 0, err: '' }, 'the daemon is asked')
  const told: unknown = JSON.parse(explained.out)
  t.match(isRecord(told) ? told['attempts'] : undefined, [
    { why: 'hash_differs', count: 1, network: '192.0.2.0/24' },
    { why: 'verified', count: 1 },
  ])
  t.strictSame(await backend.rowsOf(JANE), before, 'nothing is written')

  const status = await run('status')
  t.match(status, { code: 0, err: '', out: /state: +ready\n/ })
  t.match(status.out, /logins, since start: 1 ok, 1 password_mismatch\n/)
  t.match(status.out, new RegExp(`pid ${daemon.pid},`))

  // What is flushed each second is in the log soon.
  let log = await run('log', '--address', JANE, '--ip', '192.0.2.200')
  for (let tries = 0; tries < 30 && log.out.split('\n').length < 4; tries += 1)
    log = await run('log', '--address', JANE, '--ip', '192.0.2.200')
  t.match(log, { code: 0, err: '', out: /verified.*jane@example\.org\n.*hash_differs/ }, 'newest last')
  t.match(await run('log', '--ip', '198.51.100.1'), { code: 0, out: '', err: /no login in the log/ })
  t.match(await run('log', '--since', 'soon'), { code: 64, err: /--since: expected/ })

  await t.test('follow: shows what comes, ends with SIGINT', async (t) => {
    const following = start(t, MAILPASSD, ['log', '--follow', '--json', ...where])
    await following.until(() => following.seen.out.split('\n').length > 2)
    const shown = following.seen.out.length
    await logIn(daemon, 'wrong')
    await following.until(() => following.seen.out.length > shown)
    const line: unknown = JSON.parse(following.seen.out.slice(shown).split('\n')[0] ?? '')
    t.match(line, { why: 'hash_differs', count: 1 }, 'with the number of logins that are new')
    following.signal('SIGINT')
    t.match(await following.ended, { code: 0, err: '' })
  })

  await t.test('follow: ends when nobody reads it any more', async (t) => {
    const words = where.map((word) => `'${word}'`).join(' ')
    // The two lines at the beginning are all that head wants; the next one finds nobody.
    const piped = start(t, '/bin/sh', ['-c', `'${MAILPASSD}' log --follow --json ${words} | head -n 2`])
    const state = { isEnded: false }
    void piped.ended.then(() => (state.isEnded = true))
    while (!state.isEnded) {
      await logIn(daemon, 'wrong')
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    const { code, out, err } = await piped.ended
    t.equal(code, 0)
    t.equal(err, '')
    t.equal(out.trim().split('\n').length, 2)
  })
})

t.test('the daemon ends while somebody follows; commands without one', async (t) => {
  const { daemon, run, where } = await house(t)
  t.equal(await logIn(daemon, 'right'), 'ok')
  const following = start(t, MAILPASSD, ['log', '--follow', ...where])
  await following.until(() => following.seen.out.includes('verified'))
  await daemon.kill()
  await following.until(() => /reading the database myself/.test(following.seen.err))
  following.signal('SIGTERM')
  t.equal((await following.ended).code, 0)

  t.match(await run('status'), { code: 69, err: /no daemon answers/, out: /daemon: +does not answer\n/ })
  const json = await run('status', '--json')
  t.match(JSON.parse(json.out), { running: false, store: { up: true, last_change_id: Number } })
  t.match(await run('log', '--address', JANE), {
    code: 0,
    err: /reading the database myself/,
    out: /verified/,
  })
  t.match(await run('explain', JANE), { code: 0, err: /opening the database and the directory myself/ })
  await daemon.stop()
})
