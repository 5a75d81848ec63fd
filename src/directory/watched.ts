/** A directory that tells metrics and readiness how its calls went; nothing else of it changes. */
import type { Clock } from '../clock.ts'
import { toMailpassdError, type ErrorCode } from '../errors.ts'
import type { ChangeFeed } from './changes.ts'
import type { Directory } from './directory.ts'

export interface WatchedDirectory extends Directory {
  /**
   * The code of the last call's error, or undefined when it succeeded or there was none. A call that takes longer than
   * a login waits is directory_unavailable from then on, even where its answer comes later.
   */
  lastFailure(): ErrorCode | undefined
  /** The same, and when a call last ended in either way, on the monotonic clock. */
  health(): DirectoryHealth
}

export interface DirectoryHealth {
  readonly failure: ErrorCode | undefined
  readonly answeredAtMs: number | undefined
  readonly failedAtMs: number | undefined
}

export interface Watching {
  readonly clock: Clock
  /** What a login waits for the directory. */
  readonly waitMs: number
  /** Called once per call with `ok` or the error's code. */
  readonly record: (request: string, result: string, durationMs: number) => void
}

/** Nobody waits for a page: slow is not down. */
const PAGE_WAIT_MS = 60_000

export function watchDirectory(directory: Directory, { clock, waitMs, record }: Watching): WatchedDirectory {
  let failure: ErrorCode | undefined
  let answeredAtMs: number | undefined
  let failedAtMs: number | undefined

  async function watched<T>(request: string, call: () => Promise<T>, limitMs = waitMs): Promise<T> {
    const startedAtMs = clock.monotonicMs()
    let isLate = false
    const cancel = clock.after(limitMs, () => {
      isLate = true
      failure = 'directory_unavailable'
      failedAtMs = clock.monotonicMs()
    })
    try {
      const answer = await call()
      if (!isLate) {
        failure = undefined
        answeredAtMs = clock.monotonicMs()
      }
      record(request, 'ok', clock.monotonicMs() - startedAtMs)
      return answer
    } catch (thrown) {
      const error = toMailpassdError(thrown)
      failure = error.code
      failedAtMs = clock.monotonicMs()
      record(request, error.code, clock.monotonicMs() - startedAtMs)
      throw error
    } finally {
      cancel()
    }
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
    findByEmail: (email) => watched('lookup', () => directory.findByEmail(email)),
    findById: (id) => watched('lookup_by_id', () => directory.findById(id)),
    count: () => watched('count', () => directory.count(), PAGE_WAIT_MS),
    page: (wish) => watched('page', () => directory.page(wish), PAGE_WAIT_MS),
    // Answered from a cache for a minute: not a call to count.
    profile: () => directory.profile(),
    close: () => directory.close(),
    lastFailure: () => failure,
    health: () => ({ failure, answeredAtMs, failedAtMs }),
  }
}
