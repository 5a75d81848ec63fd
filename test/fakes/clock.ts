/** A clock that stands still until a test moves it. */
import type { Clock } from '../../src/clock.ts'

interface Timer {
  readonly atMs: number
  readonly run: () => void
}

/** Wall-clock time at which a FakeClock begins. */
export const FAKE_NOW_MS = 1_800_000_000_000

export class FakeClock implements Clock {
  #nowMs = FAKE_NOW_MS
  #monotonicMs = 1_000_000
  readonly #timers = new Set<Timer>()

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  after(delayMs: number, run: () => void): () => void {
    const timer: Timer = { atMs: this.#monotonicMs + delayMs, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Moves on by `ms`, runs the timers that come due in their order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    await settle()
    const untilMs = this.#monotonicMs + ms
    for (;;) {
      const due = [...this.#timers]
        .filter((timer) => timer.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#move(due.atMs)
      this.#timers.delete(due)
      due.run()
      await settle()
    }
    this.#move(untilMs)
    await settle()
  }

  /** Somebody sets the wall clock; monotonic time goes on. */
  setWallClock(byMs: number): void {
    this.#nowMs += byMs
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  #move(toMs: number): void {
    const byMs = Math.max(0, toMs - this.#monotonicMs)
    this.#monotonicMs += byMs
    this.#nowMs += byMs
  }
}

/** Lets everything that is already resolved run to its next wait. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
