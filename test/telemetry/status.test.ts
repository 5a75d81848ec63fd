/** What the daemon says of itself, from sources in every state; and logins of the last minute. */
import t from 'tap'
import { directoryDownText } from '../../src/telemetry/outage-text.ts'
import { Compile } from 'typebox/compile'
import { MailpassdError } from '../../src/errors.ts'
import type { DirectoryState } from '../../src/telemetry/directory-state.ts'
import { startLastMinute } from '../../src/telemetry/last-minute.ts'
import { readStatus, type StatusSources } from '../../src/telemetry/read-status.ts'
import { Status } from '../../src/telemetry/status.ts'
import { FakeClock } from '../fakes/clock.ts'

const WELL = { failure: undefined, answeredAtMs: undefined, failedAtMs: undefined, downSinceMs: undefined }
const LIMITS = { staleMs: 300_000, outageMs: 86_400_000, oldestServedMs: () => undefined }
const RECORDS: DirectoryState = {
  where: 'realm file x',
  mode: 'lookup',
  records: { count: 1, max: 100 },
  pass: { active: false, running: null, last: null, complete_age_ms: null, on_time: false },
  snapshot: null,
  mass_change: { state: 'watching', turned: 0, limit: 20, since: null, open_until: null, users: [] },
}

function sources(clock: FakeClock, change: Partial<StatusSources> = {}): StatusSources {
  return {
    version: '1.2.3',
    clock,
    readiness: async () => ({ ready: true, degraded: [] }),
    listeners: () => [{ door: 'http', addresses: ['127.0.0.1:1'], connections: 2 }],
    store: { where: 'SQLite x', ping: async () => {} },
    directory: {
      where: 'realm file x',
      health: () => ({ ...WELL, answeredAtMs: clock.monotonicMs() - 5 }),
      ...LIMITS,
    },
    records: () => RECORDS,
    accounts: () => 3,
    memoEntries: () => 4,
    passwords: () => ({
      workers: 2,
      running: 1,
      queued: { known: 2, stranger: 1 },
      waitMs: { known: 20, stranger: 300 },
      done: 3,
      busy: 4,
      failed: 5,
    }),
    logins: () => ({ ok: 6 }),
    lastMinute: () => ({ ok: 1 }),
    logPending: () => 7,
    outboxPending: async () => 8,
    changes: () => ({ lastId: 9, readAtMs: clock.monotonicMs() - 10, isFailing: false }),
    events: () => ({
      state: 'not_kept',
      missing: ['user events'],
      error: undefined,
      readAtMs: clock.monotonicMs() - 20,
      changes: 3,
      pending: 1,
    }),
    ...change,
  }
}

const check = Compile(Status)

t.test('everything works', async (t) => {
  const told = await readStatus(sources(new FakeClock()))
  t.ok(check.Check(told))
  t.match(told, {
    version: '1.2.3',
    pid: process.pid,
    ready: true,
    store: { up: true, latency_ms: 0 },
    directory: { state: 'ok', answered_age_ms: 5, serving_records_up_to_ms: null },
    memory: { accounts: 3, memo_entries: 4 },
    passwords: { workers: 2, queued: 3, queued_strangers: 1, wait_known_ms: 20, wait_stranger_ms: 300 },
    outbox_pending: 8,
    changes: { last_id: 9, read_age_ms: 10 },
    events: { state: 'not_kept', missing: ['user events'], error: null, read_age_ms: 20, pending: 1 },
  })
})

t.test('what hangs is told within two seconds', async (t) => {
  const clock = new FakeClock()
  const never = () => new Promise<never>(() => {})
  const reading = readStatus(
    sources(clock, {
      readiness: never,
      store: { where: 'MariaDB x', ping: never },
      outboxPending: never,
    }),
  )
  await clock.advance(2000)
  const told = await reading
  t.ok(check.Check(told))
  t.match(told, {
    ready: false,
    degraded: ['deadline'],
    store: { up: false, latency_ms: null, error: 'MariaDB x: no answer within 2000 ms' },
    outbox_pending: null,
    directory: { state: 'ok' },
  })
})

t.test('nothing works, and it is told', async (t) => {
  const clock = new FakeClock()
  const down = new MailpassdError('store_unavailable', 'MariaDB: refused')
  const told = await readStatus(
    sources(clock, {
      readiness: async () => ({ ready: false, degraded: ['store_down', 'directory_down'] }),
      store: { where: 'MariaDB x', ping: () => Promise.reject(down) },
      directory: {
        where: 'Keycloak x',
        health: () => ({
          failure: 'directory_unavailable',
          answeredAtMs: undefined,
          failedAtMs: clock.monotonicMs(),
          downSinceMs: undefined,
        }),
        ...LIMITS,
      },
      outboxPending: () => Promise.reject(down),
      changes: () => ({ lastId: undefined, readAtMs: undefined, isFailing: true }),
    }),
  )
  t.ok(check.Check(told))
  t.match(told, {
    ready: false,
    degraded: ['store_down', 'directory_down'],
    store: { up: false, latency_ms: null, error: 'MariaDB: refused' },
    directory: { state: 'failing', error: 'directory_unavailable', serving_records_up_to_ms: 300_000 },
    outbox_pending: null,
    changes: { last_id: null, failing: true },
  })
})

t.test('a directory that is down, and how old the records are that serve', async (t) => {
  const clock = new FakeClock()
  const told = (oldestServedMs: number | undefined) =>
    readStatus(
      sources(clock, {
        directory: {
          where: 'Keycloak x',
          health: () => ({ ...WELL, failure: 'directory_unavailable', downSinceMs: clock.monotonicMs() - 9 }),
          ...LIMITS,
          oldestServedMs: () => oldestServedMs,
        },
      }),
    )
  t.match((await told(3_480_000)).directory, {
    state: 'down',
    down_age_ms: 9,
    serving_records_up_to_ms: 3_480_000,
    records_limit_ms: 86_400_000,
  })
  t.match((await told(undefined)).directory, { state: 'down', serving_records_up_to_ms: null })
  t.equal(directoryDownText(3_480_000), 'directory down, serving records up to 58 minutes old')
  t.equal(directoryDownText(1), 'directory down, serving records up to 1 minute old')
  t.equal(directoryDownText(null), 'directory down, no old records serve yet')
})

t.test('the last minute', async (t) => {
  const clock = new FakeClock()
  const totals: Record<string, number> = {}
  const minute = startLastMinute(() => ({ ...totals }), clock)
  totals['ok'] = 3
  t.same(minute.read(), { ok: 3 }, 'at once')
  await clock.advance(30_000)
  totals['ok'] = 5
  totals['temp_fail'] = 1
  t.same(minute.read(), { ok: 5, temp_fail: 1 })
  await clock.advance(40_000)
  t.same(minute.read(), { ok: 2, temp_fail: 1 }, 'the first are older than a minute')
  await clock.advance(60_000)
  t.same(minute.read(), {})
  minute.stop()
  t.equal(clock.pendingTimers, 0)
})
