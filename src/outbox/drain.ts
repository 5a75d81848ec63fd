/**
 * Works an outbox off: takes rows of one consumer that are due, a few at a time, and does them. Pure over a source, a
 * clock and the consumer's function.
 *
 *   due ──claim──> running ──done, moot──> gone
 *    ^                │ failed, or not done in time
 *    └──postponed─────┤  (wait doubles each time, up to a bound)
 *                     └──older than maxAgeMs──> gone, with a log line
 *
 * A process that dies leaves its rows to whoever looks after their lease has ended.
 */
import type { Cancel, Clock } from '../clock.ts'
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

export interface Drain {
  /** Something was written: looks at once instead of when it would have. */
  wake(): void
  /** Takes nothing more; resolves when what runs has ended, which takes `runMs` at most. */
  close(): Promise<void>
}

/** Beyond `runMs`, so that a row is not taken by another while it is still being put down here. */
const LEASE_MORE_MS = 20_000
const MAX_RETRY_TIMERS = 1000

/** Runs until it is closed. */
export function startDrain(options: DrainOptions): Drain {
  const { consumer, source, clock, logger } = options
  const limits = { ...DRAIN_LIMITS, ...options.limits }
  const running = new Set<Promise<void>>()
  let isLooking = false
  let isClosed = false
  let isFailing = false
  /** Somebody may have written, or a place became free, while a look was under way. */
  let lookAgain = false
  let looking: Promise<void> = Promise.resolve()
  let cancelPoll: Cancel = () => {}
  const retries = new Set<Cancel>()

  function poll(): void {
    cancelPoll()
    if (!isClosed) cancelPoll = clock.after(limits.everyMs, wake)
  }

  function retry(afterMs: number): void {
    // Those beyond are found by the next poll.
    if (isClosed || retries.size >= MAX_RETRY_TIMERS) return
    const cancel = clock.after(afterMs, () => {
      retries.delete(cancel)
      wake()
    })
    retries.add(cancel)
  }

  function wake(): void {
    if (isClosed) return
    if (isLooking) {
      lookAgain = true
      return
    }
    looking = look()
  }

  const isAskedAgain = () => lookAgain && !isClosed

  async function look(): Promise<void> {
    isLooking = true
    let isFull = false
    try {
      do {
        lookAgain = false
        const free = limits.atOnce - running.size
        // The next that ends looks again.
        if (free === 0) break
        const rows = await source.claim(consumer, free, limits.runMs + LEASE_MORE_MS)
        if (isFailing) logger.info({ consumer }, 'the outbox is read again')
        isFailing = false
        isFull = rows.length === free
        for (const row of rows) start(row)
        // Set while we waited, by wake.
      } while (isAskedAgain())
    } catch (error) {
      if (!isFailing) logger.warn({ err: error, consumer }, 'the outbox cannot be read')
      isFailing = true
    }
    isLooking = false
    // A full look may have left some behind; whoever ends then wakes us.
    if (!isFull) poll()
  }

  function start(row: OutboxRow): void {
    const run = runRow(row, options, limits)
      .then((retryMs) => {
        if (retryMs !== undefined) retry(retryMs)
      })
      .catch((error: unknown) => logger.warn({ err: error, consumer }, 'the outbox cannot be written'))
      .finally(() => {
        running.delete(run)
        wake()
      })
    running.add(run)
  }

  wake()
  return {
    wake,
    async close() {
      isClosed = true
      await looking
      await Promise.all(running)
      cancelPoll()
      for (const cancel of retries) cancel()
    },
  }
}

/** Does once what is due now, `limits.atOnce` rows at most: for a process that does not stay. */
export async function drainOnce(options: DrainOptions): Promise<void> {
  const limits = { ...DRAIN_LIMITS, ...options.limits }
  const leaseMs = limits.runMs + LEASE_MORE_MS
  const rows = await options.source.claim(options.consumer, limits.atOnce, leaseMs)
  await Promise.all(rows.map((row) => runRow(row, options, limits)))
}

/** Does one row and writes what came of it; gives when it is due again, in milliseconds. Throws store_*. */
async function runRow(
  row: OutboxRow,
  { consumer, consume, source, clock, logger }: DrainOptions,
  limits: DrainLimits,
): Promise<number | undefined> {
  const about = { consumer, action: row.action, address: row.address, tries: row.tries }
  const result = await inTime(row, consume, limits.runMs, clock)
  if (typeof result === 'string') {
    await source.done(row)
    if (row.tries === 1) logger.debug({ ...about, result }, 'outbox: done')
    else logger.info({ ...about, result }, 'outbox: done at last')
    return undefined
  }
  const nowMs = clock.nowMs()
  if (nowMs - row.createdMs > limits.maxAgeMs) {
    await source.done(row)
    logger.error({ ...about, err: result }, 'outbox: given up, it failed for too long')
    return undefined
  }
  const waitMs = Math.min(limits.firstRetryMs * 2 ** Math.min(row.tries - 1, 30), limits.maxRetryMs)
  if (row.tries === 1) logger.warn({ ...about, err: result }, 'outbox: failed, it is tried again')
  await source.postpone(row, result.message, nowMs + waitMs)
  return waitMs
}

/** Never rejects: what went wrong is the result. */
async function inTime(
  row: OutboxRow,
  consume: Consume,
  runMs: number,
  clock: Clock,
): Promise<'done' | 'moot' | MailpassdError> {
  const late = Promise.withResolvers<MailpassdError>()
  const abort = new AbortController()
  const cancel = clock.after(runMs, () => {
    const error = new MailpassdError('consumer_failed', `not done within ${runMs / 1000} s`)
    late.resolve(error)
    abort.abort(error)
  })
  try {
    return await Promise.race([consume(row, abort.signal), late.promise])
  } catch (error) {
    return toMailpassdError(error)
  } finally {
    cancel()
  }
}
