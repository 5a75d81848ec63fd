/**
 * How old the records are that answer in place of a directory that does not: the oldest of the last ten minutes says
 * what users live on. Pure: time is passed in.
 */
const MINUTE_MS = 60_000
const MINUTES = 10

export class OldServed {
  /** Minute -> the greatest age in it; the last minute is the last. */
  readonly #oldestMs = new Map<number, number>()

  record(ageMs: number, nowMs: number): void {
    const minute = Math.floor(nowMs / MINUTE_MS)
    this.#oldestMs.set(minute, Math.max(ageMs, this.#oldestMs.get(minute) ?? 0))
    for (const old of this.#oldestMs.keys()) {
      if (old > minute - MINUTES) break
      this.#oldestMs.delete(old)
    }
  }

  /** How old the oldest of late was; undefined where none served. */
  oldestMs(nowMs: number): number | undefined {
    const minute = Math.floor(nowMs / MINUTE_MS)
    const ages = [...this.#oldestMs].filter(([at]) => at > minute - MINUTES).map(([, ageMs]) => ageMs)
    return ages.length === 0 ? undefined : Math.max(...ages)
  }
}
