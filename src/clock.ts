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
