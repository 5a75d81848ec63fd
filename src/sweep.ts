/**
 * A timetable that is looked after by one timer, which runs only while something stands in it. Sweeps come at whole
 * multiples of SWEEP_MS, which is what `Timetable.addBy` counts on.
 */
import type { Clock } from './clock.ts'
import { SWEEP_MS, Timetable } from './timetable.ts'

export class Sweep {
  readonly timetable: Timetable
  readonly #clock: Clock
  #isArmed = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.timetable = new Timetable(clock.monotonicMs())
  }

  /** To be called after something may have been added. */
  arm(): void {
    if (this.#isArmed || this.timetable.isEmpty) return
    this.#isArmed = true
    const delayMs = SWEEP_MS - (this.#clock.monotonicMs() % SWEEP_MS)
    this.#clock.after(delayMs, () => {
      this.#isArmed = false
      this.timetable.sweep(this.#clock.monotonicMs())
      this.arm()
    })
  }
}
