/**
 * Time as a port. Rooms never ask the machine for the time themselves, so that tests can move it.
 */

/** Stops a timer that has not fired yet; harmless when called twice. */
export type Cancel = () => void

export interface Clock {
  /** Wall clock, milliseconds since the epoch: for what is stored or shown. */
  nowMs(): number
  /** Monotonic milliseconds: for ages, deadlines and waiting. Never goes back. */
  monotonicMs(): number
  /** Calls `run` once after `delayMs`; the timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Cancel
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** Whether `answer` is fulfilled within the time. Never rejects. */
export async function answersWithin(
  clock: Clock,
  limitMs: number,
  answer: Promise<unknown>,
): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const cancel = clock.after(limitMs, () => late.resolve(false))
  const answered = answer.then(
    () => true,
    () => false,
  )
  return Promise.race([answered, late.promise]).finally(cancel)
}
