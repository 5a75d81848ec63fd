/** Puts together what the daemon says of itself; each source is a function that costs next to nothing. */
import type { Clock } from '../clock.ts'
import { toMailpassdError, type ErrorCode } from '../errors.ts'
import type { DirectoryState } from './directory-state.ts'
import type { Counts } from './last-minute.ts'
import { residentBytes } from './resident.ts'
import type { Status } from './status.ts'

export interface StatusSources {
  readonly version: string
  readonly clock: Clock
  readonly readiness: () => Promise<{ readonly ready: boolean; readonly degraded: readonly string[] }>
  readonly listeners: () => readonly {
    readonly door: string
    readonly addresses: readonly string[]
    readonly connections: number
  }[]
  readonly store: { readonly where: string; ping(): Promise<void> }
  readonly directory: {
    readonly where: string
    health(): {
      readonly failure: ErrorCode | undefined
      /** Monotonic. */
      readonly answeredAtMs: number | undefined
      readonly failedAtMs: number | undefined
      readonly downSinceMs: number | undefined
    }
    /** The oldest record that answers when a call fails, and while the directory is down. */
    readonly staleMs: number
    readonly outageMs: number
    /** Age of the oldest that served of late. */
    readonly oldestServedMs: () => number | undefined
  }
  readonly records: () => DirectoryState
  readonly accounts: () => number
  readonly memoEntries: () => number
  readonly passwords: () => {
    readonly workers: number
    readonly running: number
    readonly queued: { readonly known: number; readonly stranger: number }
    readonly waitMs: { readonly known: number; readonly stranger: number }
    readonly done: number
    readonly busy: number
    readonly failed: number
  }
  readonly logins: () => Counts
  readonly lastMinute: () => Counts
  readonly logPending: () => number
  readonly outboxPending: () => Promise<number>
  readonly changes: () => {
    readonly lastId: number | undefined
    /** Monotonic. */
    readonly readAtMs: number | undefined
    readonly isFailing: boolean
  }
  readonly events: () => {
    readonly state: Status['events']['state']
    readonly missing: readonly string[]
    readonly error: ErrorCode | undefined
    /** Monotonic. */
    readonly readAtMs: number | undefined
    readonly changes: number
    readonly pending: number
  }
}

/** As /readyz waits: a database that hangs is told within the time that whoever asks has. */
const WITHIN_MS = 2000

/** Answers within 2 s, whatever hangs. Rejects only where a source that cannot fail does. */
export async function readStatus(sources: StatusSources): Promise<Status> {
  const { clock, version, store, directory } = sources
  const [readiness, ping, outboxPending] = await Promise.all([
    within(clock, sources.readiness(), { ready: false, degraded: ['deadline'] }),
    timed(clock, store.where, () => store.ping()),
    within(
      clock,
      sources.outboxPending().catch(() => null),
      null,
    ),
  ])
  const nowMs = clock.monotonicMs()
  const uptimeMs = Math.round(process.uptime() * 1000)
  return {
    version,
    node: process.version,
    pid: process.pid,
    started_at: new Date(clock.nowMs() - uptimeMs).toISOString(),
    uptime_ms: uptimeMs,
    ready: readiness.ready,
    degraded: [...readiness.degraded],
    listeners: sources.listeners().map(({ door, addresses, connections }) => ({
      door,
      addresses: [...addresses],
      connections,
    })),
    store: { where: store.where, ...ping },
    directory: directoryStatus(directory, nowMs),
    records: sources.records(),
    memory: {
      accounts: sources.accounts(),
      memo_entries: sources.memoEntries(),
      resident_bytes: residentBytes(),
    },
    passwords: passwordsStatus(sources.passwords()),
    logins: { since_start: { ...sources.logins() }, last_minute: { ...sources.lastMinute() } },
    login_log_pending: sources.logPending(),
    outbox_pending: outboxPending,
    changes: changesStatus(sources.changes(), nowMs),
    events: eventsStatus(sources.events(), nowMs),
  }
}

async function timed(clock: Clock, where: string, ping: () => Promise<void>): Promise<Ping> {
  const startedMs = clock.monotonicMs()
  const answered = ping().then(
    (): Ping => ({ up: true, latency_ms: clock.monotonicMs() - startedMs, error: null }),
    (thrown: unknown): Ping => ({ up: false, latency_ms: null, error: toMailpassdError(thrown).message }),
  )
  const error = `${where}: no answer within ${WITHIN_MS} ms`
  return within(clock, answered, { up: false, latency_ms: null, error })
}

type Ping = Pick<Status['store'], 'up' | 'latency_ms' | 'error'>

/** What is found within the time, else `late`. */
async function within<T>(clock: Clock, found: Promise<T>, late: T): Promise<T> {
  const over = Promise.withResolvers<T>()
  const cancel = clock.after(WITHIN_MS, () => over.resolve(late))
  try {
    return await Promise.race([found, over.promise])
  } finally {
    cancel()
  }
}

function passwordsStatus(figures: ReturnType<StatusSources['passwords']>): Status['passwords'] {
  const { workers, running, queued, waitMs, done, busy, failed } = figures
  return {
    workers,
    running,
    queued: queued.known + queued.stranger,
    queued_strangers: queued.stranger,
    wait_known_ms: waitMs.known,
    wait_stranger_ms: waitMs.stranger,
    done,
    busy,
    failed,
  }
}

function directoryStatus(directory: StatusSources['directory'], nowMs: number): Status['directory'] {
  const { failure, answeredAtMs, failedAtMs, downSinceMs } = directory.health()
  const isDown = downSinceMs !== undefined
  const isAsked = answeredAtMs !== undefined || failure !== undefined
  return {
    where: directory.where,
    state: isDown ? 'down' : failure !== undefined ? 'failing' : isAsked ? 'ok' : 'not_asked',
    error: failure ?? null,
    answered_age_ms: ageOf(answeredAtMs, nowMs),
    failed_age_ms: ageOf(failedAtMs, nowMs),
    down_age_ms: ageOf(downSinceMs, nowMs),
    serving_records_up_to_ms: isDown
      ? (directory.oldestServedMs() ?? null)
      : failure === undefined
        ? null
        : directory.staleMs,
    records_limit_ms: isDown ? Math.max(directory.outageMs, directory.staleMs) : null,
  }
}

function changesStatus(
  { lastId, readAtMs, isFailing }: ReturnType<StatusSources['changes']>,
  nowMs: number,
): Status['changes'] {
  return { last_id: lastId ?? null, read_age_ms: ageOf(readAtMs, nowMs), failing: isFailing }
}

function eventsStatus(
  { state, missing, error, readAtMs, changes, pending }: ReturnType<StatusSources['events']>,
  nowMs: number,
): Status['events'] {
  return {
    state,
    missing: [...missing],
    error: error ?? null,
    read_age_ms: ageOf(readAtMs, nowMs),
    changes,
    pending,
  }
}

function ageOf(atMs: number | undefined, nowMs: number): number | null {
  return atMs === undefined ? null : Math.max(0, Math.round(nowMs - atMs))
}
