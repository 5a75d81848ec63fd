/** Spreads calls that nobody waits for, so that passes and checks in the background leave the directory to logins. */
import type { Clock } from '../clock.ts'

export interface Pace {
  /** Resolves when the next call may begin; callers take turns in the order in which they came. */
  turn(): Promise<void>
}

/** At most `perSecond` calls begin within a second, evenly spread. One pace is shared by all who call in the background. */
export function createPace(clock: Clock, perSecond: number): Pace {
  const stepMs = 1000 / perSecond
  let nextAtMs = Number.NEGATIVE_INFINITY
  return {
    turn() {
      const nowMs = clock.monotonicMs()
      const atMs = Math.max(nowMs, nextAtMs)
      nextAtMs = atMs + stepMs
      if (atMs <= nowMs) return Promise.resolve()
      return new Promise((resolve) => {
        clock.after(atMs - nowMs, resolve)
      })
    },
  }
}
