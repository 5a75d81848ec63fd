/**
 * Works an outbox off: takes rows of one consumer that are due, a few at a time, and does them (run-row.ts). Pure over
 * a source, a clock and the consumer's function.
 *
 * A process that dies leaves its rows to whoever looks after their lease has ended.
 *
 * While nothing but failures comes back, one round is tried each `everyMs` and no more: the rows that wait for a Redis
 * that is down may be as many as mailboxes, and going through them at full speed would cost logins the processor.
 */
import type { Cancel } from '../clock.ts'
import { MailpassdError } from '../errors.ts'
import type { OutboxRow } from './outbox.ts'
import { DRAIN_LIMITS, runRow, type DrainOptions } from './run-row.ts'

export interface Drain {
  /** Something was written: looks at once instead of when it would have. */
  wake(): void
  /** Takes nothing more; what runs has 2 s to end, and is due again then. Resolves when all is put down. */
  close(): Promise<void>
}

/** Beyond `runMs`, so that a row is not taken by another while it is still being put down here. */
const LEASE_MORE_MS = 20_000
const MAX_RETRY_TIMERS = 1000
/** Whoever is told to stop keeps nobody waiting for a Redis that hangs: what was not done is done by the next start. */
const STOP_WITHIN_MS = 2000

/** Runs until it is closed. */
export function startDrain(options: DrainOptions): Drain {
  const { consumer, source, clock, logger } = options
  const limits = { ...DRAIN_LIMITS, ...options.limits }
  const running = new Map<Promise<void>, AbortController>()
  let isLooking = false
  let isClosed = false
  let isFailing = false
  /** Rows that failed since one was done. */
  let failures = 0
  /** Somebody may have written, or a place became free, while a look was under way. */
  let lookAgain = false
  let looking: Promise<void> = Promise.resolve()
  let cancelPoll: Cancel = () => {}
  const retries = new Set<Cancel>()

  function poll(): void {
    cancelPoll()
    if (!isClosed) cancelPoll = clock.after(limits.everyMs, lookSoon)
  }

  const isHeldBack = () => failures >= limits.atOnce

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
    // The poll looks then.
    if (!isHeldBack()) lookSoon()
  }

  function lookSoon(): void {
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
    // A full look may have left some behind; whoever ends then wakes us, unless all fail.
    if (!isFull || isHeldBack()) poll()
  }

  function start(row: OutboxRow): void {
    const abort = new AbortController()
    const run = runRow(row, options, limits, abort)
      .then((result) => {
        failures = result.kind === 'failed' ? failures + 1 : 0
        if (result.kind === 'failed' && result.retryMs !== undefined) retry(result.retryMs)
      })
      .catch((error: unknown) => logger.warn({ err: error, consumer }, 'the outbox cannot be written'))
      .finally(() => {
        running.delete(run)
        // Held back since it was full, nobody would look again.
        if (isHeldBack()) poll()
        else wake()
      })
    running.set(run, abort)
  }

  wake()
  return {
    wake,
    async close() {
      isClosed = true
      cancelPoll()
      await looking
      const cancelStop = clock.after(STOP_WITHIN_MS, () => {
        const error = new MailpassdError('consumer_failed', 'not done when mailpassd was stopped')
        for (const abort of running.values()) abort.abort(error)
      })
      await Promise.all(running.keys())
      cancelStop()
      for (const cancel of retries) cancel()
    },
  }
}

/** Does once what is due now, `limits.atOnce` rows at most: for a process that does not stay. */
export async function drainOnce(options: DrainOptions): Promise<void> {
  const limits = { ...DRAIN_LIMITS, ...options.limits }
  const leaseMs = limits.runMs + LEASE_MORE_MS
  const rows = await options.source.claim(options.consumer, limits.atOnce, leaseMs)
  await Promise.all(rows.map((row) => runRow(row, options, limits, new AbortController())))
}
