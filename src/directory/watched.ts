/**
 * A directory that tells how its calls went, to metrics, to readiness and to a breaker (design §3 rule 3): the one place
 * that knows whether it is down. While it is, look-ups fail at once, but for one a second that finds out whether it is
 * back: that of a login, or where nobody comes, one of its own.
 */
import type { Cancel, Clock } from '../clock.ts'
import { MailpassdError, toMailpassdError, type ErrorCode } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Breaker, BREAKER_LIMITS } from './breaker.ts'
import type { ChangeFeed } from './changes.ts'
import type { Directory, Lookup } from './directory.ts'

export interface WatchedDirectory extends Directory {
  /**
   * The code of the last call's error, or undefined when it succeeded or there was none. A call that takes longer than
   * a login waits is directory_unavailable from then on, even where its answer comes later.
   */
  lastFailure(): ErrorCode | undefined
  /** What the directory is down by, while it is: look-ups fail at once then. */
  downBy(): ErrorCode | undefined
  /** The same, and when a call last ended in either way, on the monotonic clock. */
  health(): DirectoryHealth
}

export interface DirectoryHealth {
  readonly failure: ErrorCode | undefined
  readonly answeredAtMs: number | undefined
  readonly failedAtMs: number | undefined
  /** Since when it is down; undefined while it is not. */
  readonly downSinceMs: number | undefined
}

export interface Watching {
  readonly clock: Clock
  readonly logger: Logger
  /** What a login waits for the directory. */
  readonly waitMs: number
  /** Called once per call with `ok` or the error's code. */
  readonly record: (request: string, result: string, durationMs: number) => void
}

/** Nobody waits for a page: slow is not down. */
const PAGE_WAIT_MS = 60_000

export function watchDirectory(
  directory: Directory,
  { clock, logger, waitMs, record }: Watching,
): WatchedDirectory {
  const breaker = new Breaker()
  let failure: ErrorCode | undefined
  /** By which failure it is down, or would be. */
  let lastFault: ErrorCode = 'directory_unavailable'
  let answeredAtMs: number | undefined
  let failedAtMs: number | undefined
  /** When a look-up was last answered. */
  let foundAtMs = Number.NEGATIVE_INFINITY
  let cancelProbe: Cancel = () => {}
  let isClosed = false
  /** Who was last not asked about; the next probe asks about it. */
  let lastNotAsked: string | undefined
  let probes = 0
  let isProbing = false
  /** Whose answer came too late to be waited for; asked again until any answer is in time, or nobody would find out. */
  let lateName: string | undefined

  function failed(code: ErrorCode): void {
    failure = code
    lastFault = code
    failedAtMs = clock.monotonicMs()
  }

  function tellFailed(name: string): void {
    const isOpening = breaker.failed(name, clock.monotonicMs())
    if (!isOpening) return
    logger.warn({ why: lastFault }, 'the directory is down: it is not asked for a while, old records serve')
    scheduleProbe()
  }

  function tellAnswered(): void {
    const sinceMs = breaker.openedAtMs
    if (!breaker.answered()) return
    if (lateName === undefined) cancelProbe()
    const seconds = Math.round((clock.monotonicMs() - (sinceMs ?? 0)) / 1000)
    logger.info({ seconds }, 'the directory answers again')
  }

  function scheduleProbe(): void {
    cancelProbe()
    if (!isClosed) cancelProbe = clock.after(BREAKER_LIMITS.probeEveryMs, probe)
  }

  /** Another name each time: what the directory has of one user may be unusable for itself. */
  function probe(): void {
    if (isClosed || !(breaker.isOpen || lateName !== undefined)) return
    const names = breaker.failedNames
    const name = lastNotAsked ?? lateName ?? names[probes % Math.max(1, names.length)]
    // While it is down the breaker says how many at a time; else one.
    const mayAsk = breaker.isOpen ? breaker.admit(clock.monotonicMs()) : !isProbing
    if (name !== undefined && mayAsk) {
      lastNotAsked = undefined
      probes += 1
      isProbing = true
      watched('probe', name, () => lookUp(name))
        .catch((error: unknown) => logger.debug({ err: error }, 'the directory is down still'))
        .finally(() => {
          isProbing = false
        })
    }
    scheduleProbe()
  }

  /** All that a login needs; the profile is answered from a cache for a minute. */
  async function lookUp(email: string): Promise<Lookup> {
    const [lookup] = await Promise.all([directory.findByEmail(email), directory.profile()])
    return lookup
  }

  /** `name` is whom a look-up is about, of which the breaker learns; other calls are for health and metrics alone. */
  async function watched<T>(
    request: string,
    name: string | undefined,
    call: () => Promise<T>,
    limitMs = waitMs,
  ): Promise<T> {
    const startedAtMs = clock.monotonicMs()
    let isLate = false
    let isTold = name === undefined
    const tell = () => {
      if (isTold || name === undefined) return
      isTold = true
      tellFailed(name)
    }
    const cancel = clock.after(limitMs, () => {
      isLate = true
      failed('directory_unavailable')
      // Slow, but alive, is what answers others meanwhile: then this look-up may still bring what its user needs.
      if (breaker.isOpen || foundAtMs < startedAtMs) tell()
    })
    try {
      const answer = await call()
      const nowMs = clock.monotonicMs()
      if (!isLate) {
        failure = undefined
        answeredAtMs = nowMs
        lateName = undefined
        if (!breaker.isOpen) cancelProbe()
      } else if (name !== undefined) {
        lateName = name
        scheduleProbe()
      }
      if (name !== undefined) {
        foundAtMs = nowMs
        tellAnswered()
      }
      record(request, 'ok', nowMs - startedAtMs)
      return answer
    } catch (thrown) {
      const error = toMailpassdError(thrown)
      failed(error.code)
      tell()
      record(request, error.code, clock.monotonicMs() - startedAtMs)
      throw error
    } finally {
      cancel()
    }
  }

  async function unlessDown<T>(request: string, name: string, call: () => Promise<T>): Promise<T> {
    if (breaker.admit(clock.monotonicMs())) return watched(request, name, call)
    if (request === 'lookup') lastNotAsked = name
    throw new MailpassdError(lastFault, 'the directory is down and is not asked')
  }

  /** Counted alone: events that our client may not see say nothing of look-ups. */
  async function counted<T>(request: string, call: () => Promise<T>): Promise<T> {
    const startedAtMs = clock.monotonicMs()
    let result = 'ok'
    try {
      return await call()
    } catch (thrown) {
      const error = toMailpassdError(thrown)
      result = error.code
      throw error
    } finally {
      record(request, result, clock.monotonicMs() - startedAtMs)
    }
  }

  const { changes } = directory
  const feed: ChangeFeed | undefined =
    changes === undefined
      ? undefined
      : {
          settings: () => counted('event_settings', () => changes.settings()),
          begin: () => changes.begin(),
          read: (fromMs) => counted('events', () => changes.read(fromMs)),
          expireRules: () => changes.expireRules(),
        }

  return {
    ...(feed === undefined ? {} : { changes: feed }),
    findByEmail: (email) => unlessDown('lookup', email, () => lookUp(email)),
    findById: (id) => unlessDown('lookup_by_id', id, () => directory.findById(id)),
    count: () => watched('count', undefined, () => directory.count(), PAGE_WAIT_MS),
    page: (wish) => watched('page', undefined, () => directory.page(wish), PAGE_WAIT_MS),
    // Answered from a cache for a minute: not a call to count.
    profile: (sinceMs) => directory.profile(sinceMs),
    close() {
      isClosed = true
      cancelProbe()
      return directory.close()
    },
    lastFailure: () => failure,
    downBy: () => (breaker.isOpen ? lastFault : undefined),
    health: () => ({ failure, answeredAtMs, failedAtMs, downSinceMs: breaker.openedAtMs }),
  }
}
