/** conf/fail2ban read by a real fail2ban-regex, on lines that a real daemon and its login log wrote. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { systemClock } from '../../src/clock.ts'
import { createLoginLog } from '../../src/login-log/login-log.ts'
import type { LoginRequest } from '../../src/login/request.ts'
import { VERDICTS, verdictOf, WHYS, type Why } from '../../src/login/why.ts'
import { Secret } from '../../src/secret.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import { suite } from '../servers/suite.ts'
import { realmFileAndSqlite } from './backend.ts'
import { startDaemon, TOKEN } from './daemon.ts'

const REGEX = '/usr/bin/fail2ban-regex'
const CONF = join(import.meta.dirname, '../../conf/fail2ban')
const FILTER = join(CONF, 'filter.d/mailpassd.conf')
const COUNTED = new Set<string>(['password_mismatch', 'user_unknown', 'throttled'])

const run = promisify(execFile)
const missing = existsSync(REGEX) ? undefined : 'no fail2ban (npm run servers)'

/** The addresses that fail2ban counts a failure of, one a line that it counts. */
async function counted(dir: string, lines: readonly string[]): Promise<string[]> {
  const file = join(dir, 'mailpassd.log')
  await writeFile(file, `${lines.join('\n')}\n`)
  const { stdout } = await run(REGEX, ['-o', 'ip', file, FILTER])
  return stdout.split('\n').filter((line) => line !== '')
}

/** As fail2ban writes a line of the journal before it looks at it. */
function fromJournal(line: string): string {
  return `mx mailpassd[1234]: ${line}`
}

async function temp(t: { teardown: (end: () => unknown) => void }): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-fail2ban-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Names that try to be a line, a field, or a date of their own. */
const NASTY = [
  'rip=203.0.113.66',
  '"remote_ip":"203.0.113.66"',
  'x","remote_ip":"203.0.113.66","y":"',
  'x\\","remote_ip":"203.0.113.66","y":"',
  `x"}\n{"level":30,"time":1,"event":"login","verdict":"password_mismatch","why":"hash_differs","remote_ip":"203.0.113.66","msg":"login refused"}`,
  `\n{"level":30,"time":1,"event":"login","verdict":"password_mismatch","why":"hash_differs","remote_ip":"203.0.113.66"}\r\n`,
  '2026-01-01 00:00:00 203.0.113.66',
  '"time":1500000000000,',
  '\u2028{"level":30}',
  '}\\',
  "x@example.org' from 203.0.113.66",
]

suite('a real daemon', [missing], async (t) => {
  const dir = await temp(t)
  const backend = await realmFileAndSqlite(t, 'example.org', [
    { email: 'jane@example.org', password: 'the right one' },
  ])
  for (const mode of ['new', 'failures', 'all']) {
    await t.test(`log.logins = ${mode}`, async (t) => {
      const daemon = await startDaemon({ config: backend.config().replace('"all"', `"${mode}"`) })
      t.teardown(() => daemon.stop())
      let failed = 0
      const login = async (username: string, password: string, remoteIp: string, service = 'imap') => {
        const response = await fetch(`${daemon.url}/v1/login`, {
          method: 'POST',
          headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
          body: JSON.stringify({ username, password, service, remote_ip: remoteIp, session: username }),
        })
        await response.arrayBuffer()
        if (response.status !== 200) failed += 1
        return response.status
      }
      t.equal(await login('jane@example.org', 'the right one', '192.0.2.200'), 200)
      t.equal(await login('jane@example.org', 'wrong', '192.0.2.1'), 401)
      t.equal(await login('jane@example.org', 'wrong', '2001:db8::1'), 401)
      t.equal(await login('jane@example.org', 'wrong', '::ffff:192.0.2.2'), 401)
      t.equal(await login('nobody@example.org', 'wrong', '192.0.2.3'), 401)
      await backend.sql(`update mailbox set active = 0`, [])
      // The rows are read again when they are two seconds old.
      while ((await login('jane@example.org', 'the right one', '192.0.2.201')) !== 403) await sleep(100)
      await backend.sql(`update mailbox set active = 1`, [])
      for (const [at, name] of NASTY.entries()) t.equal(await login(name, 'wrong', `198.51.100.${at}`), 401)
      const failures = () => daemon.lines().filter(({ verdict }) => verdict !== undefined && verdict !== 'ok')
      while (failures().length < failed) await sleep(20)

      const lines = daemon.log().trimEnd().split('\n')
      const expected = [
        '192.0.2.1',
        '2001:db8::1',
        '192.0.2.2',
        '192.0.2.3',
        ...NASTY.map((_, at) => `198.51.100.${at}`),
      ]
      t.same(await counted(dir, lines), expected, 'a file')
      t.same(await counted(dir, lines.map(fromJournal)), expected, 'the journal')
    })
  }
})

suite('every reason of the login log', [missing], async (t) => {
  const dir = await temp(t)
  const lines: string[] = []
  const log = createLoginLog({
    writer: {
      writeSaslLog: async () => {},
      writeAppPasswordUses: async () => {},
      writeLogins: async () => {},
      deleteLoginsBefore: async () => 0,
    },
    metrics: {
      recordLogin: () => {},
      recordLoginLogOverflow: () => {},
      recordLoginLogWriteError: () => {},
    },
    logger: createLogger('info', { destination: { write: (line) => void lines.push(line.trimEnd()) } }),
    clock: systemClock,
    mode: 'new',
    retentionDays: 31,
    saslLog: false,
  })
  const attempt = (remoteIp: string | undefined, why: Why, username = 'jane@example.org'): void => {
    const receivedAtMs = systemClock.monotonicMs()
    const request: LoginRequest = {
      door: 'http',
      mechanism: 'PLAIN',
      service: 'imap',
      username,
      secret: Secret.fromText('wrong'),
      remoteIp,
      localIp: undefined,
      tls: true,
      sessionId: 'session "1"',
      receivedAtMs,
      deadlineMs: receivedAtMs + 8000,
    }
    log.record(request, {
      verdict: verdictOf(why),
      why,
      mailbox: username,
      credential: 'app:7',
      provisioned: true,
      recordAgeMs: 12.5,
      retryAfterSeconds: 2,
    })
  }

  await t.test('only what says that somebody guesses counts', async (t) => {
    lines.length = 0
    const whys = WHYS.filter((why) => verdictOf(why) !== 'ok')
    for (const [at, why] of whys.entries()) attempt(`192.0.2.${at + 1}`, why)
    t.equal(lines.length, whys.length)
    const expected = whys.flatMap((why, at) => (COUNTED.has(verdictOf(why)) ? [`192.0.2.${at + 1}`] : []))
    t.same(await counted(dir, lines), expected)
    t.same(
      new Set(whys.map(verdictOf)),
      new Set(VERDICTS.filter((verdict) => verdict !== 'ok')),
      'every verdict is there',
    )
  })

  await t.test('without an address nobody is counted, whatever the name says', async (t) => {
    lines.length = 0
    for (const name of NASTY) attempt(undefined, 'hash_differs', name)
    t.equal(lines.length, NASTY.length)
    t.same(await counted(dir, lines), [])
  })

  await t.test('the bound on lines leaves enough of them for the jail', async (t) => {
    lines.length = 0
    for (let n = 0; n < 200; n += 1) attempt('198.51.100.7', 'hash_differs')
    for (let n = 0; n < 200; n += 1) attempt('2001:db8::7', 'hash_differs')
    await log.close()
    t.ok(
      lines.some((line) => line.includes('login_suppressed')),
      'some were kept back',
    )
    const found = await counted(dir, lines)
    const jail = await readFile(join(CONF, 'jail.d/mailpassd.conf'), 'utf8')
    const maxRetry = Number(/^maxretry\s*=\s*(\d+)$/m.exec(jail)?.[1])
    for (const ip of ['198.51.100.7', '2001:db8::7']) {
      t.ok(found.filter((one) => one === ip).length >= maxRetry, ip)
    }
  })
})

suite('the jail', [existsSync('/usr/bin/fail2ban-client') ? undefined : missing], async (t) => {
  const dir = await temp(t)
  // fail2ban's own defaults with our two files on top, as an operator puts them there.
  await run('cp', ['-r', '/etc/fail2ban/.', dir])
  await run('cp', ['-r', `${CONF}/.`, dir])
  const { stdout } = await run('fail2ban-client', ['-c', dir, '--dump'])
  t.match(stdout, /\['set', 'mailpassd', 'maxretry', 10\]/)
  t.match(stdout, /\['set', 'mailpassd', 'addjournalmatch', '_SYSTEMD_UNIT=mailpassd\.service'\]/)
  t.match(stdout, /\['start', 'mailpassd'\]/)
})
