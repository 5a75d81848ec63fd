import t from 'tap'
import fc from 'fast-check'
import { MailpassdError } from '../../src/errors.ts'
import { cleanName } from '../../src/login-log/clean-name.ts'
import type {
  AppPasswordUse,
  LoginLogEntry,
  LoginLogWriter,
  SaslLogEntry,
} from '../../src/login-log/event.ts'
import { createLoginLog, type LoginLogOptions } from '../../src/login-log/login-log.ts'
import type { Outcome, Why } from '../../src/login/outcome.ts'
import { verdictOf } from '../../src/login/why.ts'
import type { LoginRequest } from '../../src/login/request.ts'
import { networkOf } from '../../src/policy/network.ts'
import { Secret } from '../../src/secret.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import type { LoginMetrics } from '../../src/telemetry/metrics.ts'
import { FakeClock, settle } from '../fakes/clock.ts'

type Line = Record<string, unknown>

function parseLine(line: string): Line {
  const parsed: object = JSON.parse(line)
  return { ...parsed }
}

/** A store in memory: rows merged as the real one merges them. Fails while `isDown`. */
class MemoryWriter implements LoginLogWriter {
  isDown = false
  readonly saslWrites: SaslLogEntry[][] = []
  readonly useWrites: AppPasswordUse[][] = []
  readonly loginWrites: LoginLogEntry[][] = []
  readonly deletedBefore: number[] = []
  tries = 0

  #check() {
    this.tries += 1
    if (this.isDown) throw new MailpassdError('store_unavailable', 'down')
  }

  async writeSaslLog(entries: readonly SaslLogEntry[]): Promise<void> {
    this.#check()
    this.saslWrites.push([...entries])
  }

  async writeAppPasswordUses(uses: readonly AppPasswordUse[]): Promise<void> {
    this.#check()
    this.useWrites.push([...uses])
  }

  async writeLogins(entries: readonly LoginLogEntry[]): Promise<void> {
    this.#check()
    this.loginWrites.push([...entries])
  }

  async deleteLoginsBefore(atMs: number): Promise<number> {
    this.#check()
    this.deletedBefore.push(atMs)
    return 0
  }

  get logins(): number {
    return this.loginWrites.flat().reduce((sum, { count }) => sum + count, 0)
  }
}

function setUp(options: Partial<LoginLogOptions> = {}) {
  const clock = new FakeClock()
  const writer = new MemoryWriter()
  const lines: Line[] = []
  const counted = { logins: 0, overflow: 0, writeErrors: 0 }
  const metrics: LoginMetrics = {
    recordLogin: () => void (counted.logins += 1),
    recordLoginLogOverflow: (count) => void (counted.overflow += count),
    recordLoginLogWriteError: () => void (counted.writeErrors += 1),
  }
  const logger = createLogger('trace', {
    destination: { write: (line) => void lines.push(parseLine(line)) },
  })
  const log = createLoginLog({
    writer,
    metrics,
    logger,
    clock,
    mode: 'new',
    retentionDays: 31,
    saslLog: true,
    ...options,
  })
  const request = (fields: Partial<LoginRequest> = {}): LoginRequest => ({
    door: 'sasl',
    mechanism: 'PLAIN',
    service: 'imap',
    username: 'jane@example.org',
    secret: Secret.fromText('password-canary'),
    remoteIp: '192.0.2.7',
    localIp: undefined,
    tls: true,
    sessionId: 'abc123',
    receivedAtMs: clock.monotonicMs() - 12.34,
    deadlineMs: clock.monotonicMs() + 8000,
    ...fields,
  })
  const outcome = (why: Why, fields: Partial<Outcome> = {}): Outcome => ({
    verdict: verdictOf(why),
    why,
    mailbox: 'jane@example.org',
    credential: why === 'verified' ? 'main' : undefined,
    provisioned: false,
    recordAgeMs: undefined,
    retryAfterSeconds: undefined,
    ...fields,
  })
  return { clock, writer, lines, counted, log, request, outcome }
}

t.test('a line has everything an operator needs and no password', (t) => {
  const { log, lines, request, outcome } = setUp()
  log.record(request(), outcome('verified', { provisioned: true, recordAgeMs: 41.7 }))
  const { time, level, ...line } = lines[0] ?? {}
  t.strictSame(line, {
    event: 'login',
    verdict: 'ok',
    why: 'verified',
    mailbox: 'jane@example.org',
    service: 'imap',
    door: 'sasl',
    remote_ip: '192.0.2.7',
    credential: 'main',
    provisioned: true,
    record_age_ms: 42,
    session: 'abc123',
    duration_ms: 12.3,
    msg: 'login',
  })
  t.equal(level, 30)
  t.type(time, 'number')
  t.notMatch(JSON.stringify(lines), 'canary')
  t.end()
})

t.test('mode new: a success once in five minutes per mailbox, service, network and credential', async (t) => {
  const { log, lines, clock, request, outcome, counted } = setUp()
  const ok = outcome('verified')
  log.record(request(), ok)
  log.record(request(), ok)
  log.record(request({ remoteIp: '192.0.2.200' }), ok)
  t.equal(lines.length, 1, 'the same network')
  log.record(request({ remoteIp: '192.0.3.7' }), ok)
  log.record(request({ service: 'smtp' }), ok)
  log.record(request(), outcome('verified', { credential: 'app:4' }))
  log.record(request(), outcome('verified', { mailbox: 'joe@example.org' }))
  t.equal(lines.length, 5)
  await clock.advance(5 * 60_000 - 1)
  log.record(request(), ok)
  t.equal(lines.length, 5)
  await clock.advance(1)
  log.record(request(), ok)
  t.equal(lines.length, 6)
  t.equal(counted.logins, 9, 'metrics count all of them')
})

t.test(
  'failures: 20 lines per address in ten minutes, then one that says how many were kept back',
  async (t) => {
    const { log, lines, clock, request, outcome } = setUp({ mode: 'failures' })
    log.start()
    t.teardown(() => log.close())
    log.record(request(), outcome('verified'))
    t.equal(lines.length, 0, 'no successes in this mode')
    for (let n = 0; n < 50; n += 1) log.record(request(), outcome('hash_differs'))
    log.record(request({ remoteIp: '198.51.100.1' }), outcome('hash_differs'))
    for (let n = 0; n < 25; n += 1)
      log.record(request({ remoteIp: `2001:db8:0:1::${n}` }), outcome('no_such_user', { mailbox: undefined }))
    t.equal(lines.length, 20 + 1 + 20, 'an IPv6 client counts by its /64')
    await clock.advance(9 * 60_000)
    t.equal(lines.length, 41)
    await clock.advance(61_000)
    const suppressed = lines
      .slice(41)
      .map(({ event, remote, suppressed: count, msg }) => [event, remote, count, msg])
    t.strictSame(suppressed, [
      ['login_suppressed', '192.0.2.7', 30, 'suppressed: 30'],
      ['login_suppressed', '2001:db8:0:1::/64', 5, 'suppressed: 5'],
    ])
    log.record(request(), outcome('hash_differs'))
    t.equal(lines.at(-1)?.['event'], 'login', 'a new window')
  },
)

t.test('mode all: every login; temporary failures are warnings', (t) => {
  const { log, lines, request, outcome } = setUp({ mode: 'all' })
  for (let n = 0; n < 30; n += 1) log.record(request(), outcome('verified'))
  for (let n = 0; n < 30; n += 1) log.record(request(), outcome('store_down'))
  t.equal(lines.length, 60)
  t.strictSame([lines[0]?.['level'], lines[59]?.['level'], lines[59]?.['why']], [30, 40, 'store_down'])
  t.end()
})

t.test('logins merge per key and hour; unknown names are kept under their network alone', async (t) => {
  const { log, writer, clock, request, outcome } = setUp()
  const startMs = clock.nowMs()
  log.record(request(), outcome('verified'))
  await clock.advance(10)
  log.record(request(), outcome('verified'))
  for (const name of ['a@example.org', 'b@example.org', 'c@example.org'])
    for (const why of ['no_such_user', 'directory_down', 'busy', 'password_too_long'] as const)
      log.record(request({ username: name }), outcome(why, { mailbox: name }))
  log.record(request(), outcome('hash_differs'))
  log.record(request(), outcome('mailbox_inactive', { credential: 'main' }))
  t.equal(log.pending(), 7 + 1)
  await log.flush()
  const rows = writer.loginWrites.flat()
  t.strictSame(
    rows.map(({ mailbox, verdict, count }) => `${mailbox} ${verdict} ${count}`),
    [
      'jane@example.org ok 2',
      ' user_unknown 3',
      ' temp_fail 3',
      ' throttled 3',
      ' password_mismatch 3',
      'jane@example.org password_mismatch 1',
      'jane@example.org user_disabled 1',
    ],
  )
  t.strictSame(rows[0], {
    mailbox: 'jane@example.org',
    network: '192.0.2.0/24',
    service: 'imap',
    credential: 'main',
    verdict: 'ok',
    why: 'verified',
    hourMs: startMs - (startMs % 3_600_000),
    firstMs: startMs,
    lastMs: startMs + 10,
    count: 2,
  })
  t.equal(log.pending(), 0)
  await clock.advance(3_600_000)
  log.record(request(), outcome('verified'))
  await log.flush()
  t.equal(writer.loginWrites.flat().at(-1)?.hourMs, startMs - (startMs % 3_600_000) + 3_600_000)
})

t.test(
  'sasl_log: new keys within a second, then at most once a minute and never losing the last time',
  async (t) => {
    const { log, writer, clock, request, outcome } = setUp()
    log.start()
    t.teardown(() => log.close())
    const startMs = clock.nowMs()
    log.record(request(), outcome('verified', { credential: 'app:17' }))
    log.record(request({ service: 'eas' }), outcome('verified'))
    log.record(request({ remoteIp: undefined }), outcome('verified'))
    log.record(request(), outcome('hash_differs'))
    await clock.advance(1000)
    t.strictSame(writer.saslWrites, [
      [
        {
          service: 'imap',
          appPasswordId: 17,
          mailbox: 'jane@example.org',
          remoteIp: '192.0.2.7',
          atMs: startMs,
        },
        {
          service: 'EAS',
          appPasswordId: 0,
          mailbox: 'jane@example.org',
          remoteIp: '192.0.2.7',
          atMs: startMs,
        },
      ],
    ])
    for (let second = 0; second < 30; second += 1) {
      log.record(request(), outcome('verified'))
      await clock.advance(1000)
    }
    t.equal(writer.saslWrites.length, 1)
    await clock.advance(31_000)
    t.equal(writer.saslWrites.length, 2)
    t.strictSame(writer.saslWrites[1], [
      {
        service: 'imap',
        appPasswordId: 0,
        mailbox: 'jane@example.org',
        remoteIp: '192.0.2.7',
        atMs: startMs + 30_000,
      },
    ])
    await clock.advance(300_000)
    t.equal(writer.saslWrites.length, 2, 'and no more when nothing comes')
  },
)

t.test('sasl_log names services as mailcow does', async (t) => {
  const { log, writer, request, outcome } = setUp()
  const cases: [service: LoginRequest['service'], credential: string, told: string][] = [
    ['imap', 'main', 'imap'],
    ['smtp', 'app:7', 'smtp'],
    ['eas', 'main', 'EAS'],
    ['dav', 'app:7', 'DAV'],
    ['sogo', 'sogo', 'SOGO'],
    ['sogo', 'main', 'NONE'],
    ['sogo', 'app:7', 'NONE'],
    ['other', 'main', 'OTHER'],
  ]
  for (const [service, credential, told] of cases) {
    const mailbox = `${service}-${credential.replace(':', '')}@example.org`
    log.record(request({ service, door: 'mailcow' }), outcome('verified', { mailbox, credential }))
    await log.flush()
    t.match(writer.saslWrites.at(-1), [
      { service: told, mailbox, appPasswordId: credential === 'app:7' ? 7 : 0 },
    ])
  }
})

t.test('last use of an app password: at once, then once a minute, the newest', async (t) => {
  const { log, writer, clock, request, outcome } = setUp({ saslLog: false })
  log.start()
  t.teardown(() => log.close())
  const startMs = clock.nowMs()
  const opened = outcome('verified', { credential: 'app:17' })
  log.record(request(), opened)
  log.record(request({ service: 'smtp', remoteIp: undefined }), outcome('verified', { credential: 'app:18' }))
  log.record(request(), outcome('verified', { credential: 'main' }))
  log.record(request(), outcome('app_password_expired', { credential: 'app:19' }))
  await clock.advance(1000)
  const mailbox = 'jane@example.org'
  t.strictSame(writer.useWrites, [
    [
      { id: 17, mailbox, service: 'imap', network: '192.0.2.0/24', atMs: startMs },
      { id: 18, mailbox, service: 'smtp', network: 'unknown', atMs: startMs },
    ],
  ])
  log.record(request(), opened)
  await clock.advance(20_000)
  log.record(request({ service: 'smtp', remoteIp: '198.51.100.9' }), opened)
  await clock.advance(20_000)
  t.equal(writer.useWrites.length, 1)
  await clock.advance(21_000)
  t.strictSame(writer.useWrites[1], [
    { id: 17, mailbox, service: 'smtp', network: '198.51.100.0/24', atMs: startMs + 21_000 },
  ])
  t.equal(writer.useWrites.length, 2)
})

t.test('last uses wait where the database is down, and the newest is written', async (t) => {
  const { log, writer, clock, request, outcome } = setUp({ saslLog: false })
  const opened = outcome('verified', { credential: 'app:17' })
  writer.isDown = true
  log.record(request(), opened)
  await log.flush()
  await clock.advance(500)
  log.record(request({ service: 'pop3' }), opened)
  await log.flush()
  writer.isDown = false
  await log.close()
  t.match(writer.useWrites, [[{ id: 17, service: 'pop3', atMs: clock.nowMs() }]])
  t.equal(log.pending(), 0)
})

t.test('without sasl_log nothing is written there', async (t) => {
  const { log, writer, request, outcome } = setUp({ saslLog: false })
  log.record(request(), outcome('verified'))
  await log.close()
  t.strictSame(writer.saslWrites, [])
  t.equal(writer.logins, 1)
})

t.test(
  'a writer that is down: nothing is lost, tries grow apart, all is written when it is back',
  async (t) => {
    const { log, writer, clock, lines, counted, request, outcome } = setUp()
    log.start()
    t.teardown(() => log.close())
    writer.isDown = true
    for (let second = 0; second < 300; second += 1) {
      log.record(request(), outcome('verified'))
      await clock.advance(1000)
    }
    t.ok(writer.tries < 30, `${writer.tries} tries in five minutes`)
    t.equal(lines.filter(({ msg }) => String(msg).includes('cannot be written')).length, 1, 'said once')
    t.ok(counted.writeErrors > 5)
    writer.isDown = false
    await clock.advance(61_000)
    t.equal(writer.logins, 300)
    t.equal(writer.loginWrites.flat().length, 1, 'merged while they waited')
    t.equal(writer.saslWrites.flat().at(-1)?.atMs, writer.loginWrites.flat()[0]?.lastMs)
    t.equal(lines.filter(({ msg }) => msg === 'login log written again').length, 1)
    t.equal(counted.overflow, 0)
    log.record(request(), outcome('verified'))
    await clock.advance(1000)
    t.equal(writer.logins, 301, 'back to once a second')
  },
)

t.test('what comes while a write fails is merged with what could not be written', async (t) => {
  const { log, writer, clock, request, outcome } = setUp()
  let fail: (error: Error) => void = () => {}
  const original = writer.writeLogins.bind(writer)
  writer.writeLogins = () => new Promise((_resolve, reject) => (fail = reject))
  const startMs = clock.nowMs()
  log.record(request(), outcome('verified'))
  const flushed = log.flush()
  await clock.advance(500)
  log.record(request(), outcome('verified'))
  fail(new Error('broken'))
  await flushed
  writer.writeLogins = original
  await log.flush()
  t.match(writer.loginWrites.flat(), [{ count: 2, firstMs: startMs, lastMs: startMs + 500 }])
  t.equal(writer.loginWrites.flat().length, 1)
})

t.test('a full buffer counts what it cannot keep, and known keys go on', async (t) => {
  const { log, writer, counted, request, outcome } = setUp({ maxKeys: 10 })
  for (let n = 0; n < 25; n += 1) log.record(request(), outcome('verified', { mailbox: `u${n}@example.org` }))
  log.record(request(), outcome('verified', { mailbox: 'u0@example.org' }))
  t.equal(counted.overflow, 15)
  t.equal(log.pending(), 20)
  writer.isDown = true
  await log.flush()
  t.equal(log.pending(), 20, 'failed entries find their place again')
  t.equal(counted.overflow, 15)
  writer.isDown = false
  await log.flush()
  t.equal(writer.logins, 11)
})

t.test('close writes everything, resting keys too; what cannot be written is said', async (t) => {
  const { log, writer, clock, lines, request, outcome } = setUp()
  log.start()
  log.record(request(), outcome('verified'))
  await clock.advance(1000)
  log.record(request(), outcome('verified'))
  for (let n = 0; n < 30; n += 1) log.record(request(), outcome('hash_differs'))
  await log.close()
  t.equal(writer.logins, 32)
  t.equal(writer.saslWrites.flat().at(-1)?.atMs, clock.nowMs())
  t.match(lines.at(-1), { suppressed: 10 })
  t.equal(clock.pendingTimers, 0)

  const other = setUp()
  other.writer.isDown = true
  other.log.record(other.request(), other.outcome('verified'))
  await other.log.close()
  t.match(other.lines.at(-1), { level: 50, lost: 2 })
})

t.test('rows past their time are deleted at the start and every hour', async (t) => {
  const { log, writer, clock } = setUp({ retentionDays: 7 })
  log.start()
  t.teardown(() => log.close())
  await clock.advance(1000)
  t.strictSame(writer.deletedBefore, [clock.nowMs() - 7 * 86_400_000])
  await clock.advance(3_599_000)
  t.equal(writer.deletedBefore.length, 1)
  await clock.advance(2000)
  t.equal(writer.deletedBefore.length, 2)
})

t.test('a wall clock that is set back silences nothing', async (t) => {
  const DAY_MS = 86_400_000
  const { clock, log, writer, lines, request, outcome } = setUp()
  log.start()
  log.record(request(), outcome('verified'))
  for (let i = 0; i < 21; i += 1) log.record(request(), outcome('hash_differs'))
  await clock.advance(1000)
  clock.setWallClock(-DAY_MS)
  log.record(request(), outcome('verified'))
  await clock.advance(11 * 60_000)
  const before = lines.length
  log.record(request(), outcome('verified'))
  log.record(request(), outcome('hash_differs'))
  t.equal(lines.length, before + 2)
  await clock.advance(61_000)
  const last = writer.saslWrites.flat().at(-1)?.atMs ?? 0
  t.equal(last, clock.nowMs() - 61_000, 'the last login is written, at its own time')
  await log.close()
})

t.test(
  'what is on its way to the database is still told as pending, and no longer once it is there',
  async (t) => {
    const { log, writer, request, outcome } = setUp()
    const counts = () => log.pendingOf('jane@example.org').map(({ count }) => count)
    const written = Promise.withResolvers<void>()
    const write = writer.writeLogins.bind(writer)
    writer.writeLogins = async (entries) => {
      await written.promise
      return write(entries)
    }
    log.record(request(), outcome('verified'))
    t.same(counts(), [1])
    const flushing = log.flush()
    await settle()
    log.record(request(), outcome('verified'))
    t.same(counts(), [1, 1], 'one under way, one that came meanwhile')
    t.same(log.pendingOf('joe@example.org'), [])
    written.resolve()
    await flushing
    t.same(counts(), [], 'the flush took what came meanwhile, too')
    t.equal(writer.logins, 2)
  },
)

t.test('record never throws', (t) => {
  const broken = () => {
    throw new Error('broken')
  }
  const { log, request, outcome, lines } = setUp({
    metrics: { recordLogin: broken, recordLoginLogOverflow: broken, recordLoginLogWriteError: broken },
  })
  t.doesNotThrow(() => log.record(request(), outcome('verified')))
  t.match(lines.at(-1), { msg: 'login log failed' })
  const mute = { trace: broken, debug: broken, info: broken, warn: broken, error: broken }
  const silent = setUp({ logger: mute })
  t.doesNotThrow(() => silent.log.record(silent.request(), silent.outcome('verified')))
  t.end()
})

t.test('names lose what forges lines, and are cut between characters', (t) => {
  const cases: [string, string][] = [
    ['jane@example.org', 'jane@example.org'],
    ['ja\r\nne\t\u0000\u001b[31m@example.org', 'jane[31m@example.org'],
    ['\u202eenaj\u2066@\u200bexample.org\u2028', 'enaj@example.org'],
    ['\u0085\u009b\u007f\ufeffx', 'x'],
    ['jürgen@münchen.example', 'jürgen@münchen.example'],
    ['a\ud800b\udce9c', 'abc'],
    ['😀'.repeat(100), '😀'.repeat(63)],
    ['é'.repeat(200), 'é'.repeat(127)],
    ['x'.repeat(100_000), 'x'.repeat(255)],
    ['', ''],
  ]
  // Numbered: such names must not reach the test's own output.
  for (const [n, [name, clean]] of cases.entries()) t.equal(cleanName(name), clean, `case ${n}`)
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (name) => {
      const clean = cleanName(name)
      return (
        clean.isWellFormed() &&
        Buffer.byteLength(clean) <= 255 &&
        !/[\u0000-\u001f\u007f-\u009f\u202e]/.test(clean)
      )
    }),
  )
  t.end()
})

t.test('names without a mailbox are printed clean', (t) => {
  const { log, lines, request, outcome } = setUp()
  log.record(request({ username: 'x\n{"verdict":"ok"}' }), outcome('address_invalid', { mailbox: undefined }))
  t.equal(lines[0]?.['name'], 'x{"verdict":"ok"}')
  t.notOk('mailbox' in (lines[0] ?? {}))
  t.end()
})

t.test('the network of an address', (t) => {
  const cases: [string | undefined, string][] = [
    [undefined, 'unknown'],
    ['', 'unknown'],
    ['192.0.2.7', '192.0.2.0/24'],
    ['::ffff:192.0.2.7', '192.0.2.0/24'],
    ['::FFFF:c000:207', '192.0.2.0/24'],
    ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.0/24'],
    ['2001:db8::1', '2001:db8::/64'],
    ['2001:0DB8:0000:0001:0000:0000:0000:0001', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['::1', '::/64'],
    ['::', '::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b::/64'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4::/64'],
    ['1:2:3:4:5:6:7:8:9', 'unknown'],
    ['1::2::3', 'unknown'],
    ['300.1.1.1', 'unknown'],
    ['1.2.3', 'unknown'],
    ['example.org', 'unknown'],
    ['1'.repeat(100), 'unknown'],
  ]
  for (const round of [1, 2])
    for (const [ip, network] of cases) t.equal(networkOf(ip), network, `${ip}, round ${round}`)
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV4(), fc.string(), (v6, v4, text) => {
      networkOf(text)
      return networkOf(v6) !== 'unknown' && networkOf(v4) === `${v4.slice(0, v4.lastIndexOf('.'))}.0/24`
    }),
  )
  t.end()
})
