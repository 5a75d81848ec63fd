/**
 * One row of the outbox: done once, and what came of it written down.
 *
 *   due ──claim──> running ──done, moot──> gone
 *    ^                │ failed, not done in time, or stopped
 *    └──postponed─────┤  (wait doubles each time, up to a bound)
 *                     └──older than maxAgeMs──> gone, with a log line
 */
import type { Clock } from '../clock.ts'
import { MailpassdError, toMailpassdError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { OutboxRow, OutboxSource } from './outbox.ts'

/**
 * Does what a row asks for. `moot`: there was nothing to do any more. Rejects where it has to be tried again. Past its
 * time `signal` is aborted, and the row counts as failed whatever comes of it.
 */
export type Consume = (row: OutboxRow, signal: AbortSignal) => Promise<'done' | 'moot'>

export interface DrainLimits {
  /** Rows done at a time. */
  readonly atOnce: number
  /** Time for one row. */
  readonly runMs: number
  readonly firstRetryMs: number
  readonly maxRetryMs: number
  /** A row that fails when it is older than this is given up. */
  readonly maxAgeMs: number
  /** Looks for due rows at least so often. */
  readonly everyMs: number
}

export const DRAIN_LIMITS: DrainLimits = {
  atOnce: 8,
  runMs: 10_000,
  firstRetryMs: 1000,
  maxRetryMs: 30_000,
  maxAgeMs: 60 * 60 * 1000,
  everyMs: 5000,
}

export interface DrainOptions {
  readonly consumer: string
  readonly consume: Consume
  readonly source: OutboxSource
  readonly clock: Clock
  readonly logger: Logger
  readonly limits?: Partial<DrainLimits>
}

export type RowResult =
  | { readonly kind: 'done' }
  /** In how many milliseconds it is due again; undefined where it was given up. */
  | { readonly kind: 'failed'; readonly retryMs: number | undefined }

/**
 * Does one row and writes what came of it. Aborting `abort` with a MailpassdError makes it fail with that one at once.
 * Throws store_*.
 */
export async function runRow(
  row: OutboxRow,
  { consumer, consume, source, clock, logger }: DrainOptions,
  limits: DrainLimits,
  abort: AbortController,
): Promise<RowResult> {
  const about = { consumer, action: row.action, address: row.address, tries: row.tries }
  const result = await inTime(row, consume, limits.runMs, { clock, abort })
  if (typeof result === 'string') {
    await source.done(row)
    if (row.tries === 1) logger.debug({ ...about, result }, 'outbox: done')
    else logger.info({ ...about, result }, 'outbox: done at last')
    return { kind: 'done' }
  }
  const nowMs = clock.nowMs()
  if (nowMs - row.createdMs > limits.maxAgeMs) {
    await source.done(row)
    logger.error({ ...about, err: result }, 'outbox: given up, it failed for too long')
    return { kind: 'failed', retryMs: undefined }
  }
  const waitMs = Math.min(limits.firstRetryMs * 2 ** Math.min(row.tries - 1, 30), limits.maxRetryMs)
  if (row.tries === 1) logger.warn({ ...about, err: result }, 'outbox: failed, it is tried again')
  await source.postpone(row, result.message, nowMs + waitMs)
  return { kind: 'failed', retryMs: waitMs }
}

/** Never rejects: what went wrong is the result. */
async function inTime(
  row: OutboxRow,
  consume: Consume,
  runMs: number,
  { clock, abort }: { readonly clock: Clock; readonly abort: AbortController },
): Promise<'done' | 'moot' | MailpassdError> {
  const late = Promise.withResolvers<MailpassdError>()
  abort.signal.addEventListener('abort', () => late.resolve(toMailpassdError(abort.signal.reason)))
  const cancel = clock.after(runMs, () =>
    abort.abort(new MailpassdError('consumer_failed', `not done within ${runMs / 1000} s`)),
  )
  try {
    return await Promise.race([consume(row, abort.signal), late.promise])
  } catch (error) {
    return toMailpassdError(error)
  } finally {
    cancel()
  }
}
