/**
 * What is due when, for many requests at once: one sweep instead of a timer per request (1.2-1.8 us each).
 * Entries lie in buckets of 100 ms, so that adding, removing and sweeping cost the same however many there are.
 * Pure: time comes in as an argument.
 */
export const SWEEP_MS = 100

export interface Due {
  /** Where the entry lies; the timetable's own note. */
  bucket: number | undefined
  /** Called by the sweep, after the entry has left the timetable. */
  due(nowMs: number): void
}

export class Timetable {
  readonly #buckets = new Map<number, Set<Due>>()
  #swept: number

  constructor(nowMs: number) {
    this.#swept = Math.floor(nowMs / SWEEP_MS)
  }

  get isEmpty(): boolean {
    return this.#buckets.size === 0
  }

  /** `entry.due` is called by the first sweep at or after `atMs`: never before, at most two sweeps after. */
  add(entry: Due, atMs: number): void {
    this.#put(entry, Math.ceil(atMs / SWEEP_MS))
  }

  /** `entry.due` is called by the last sweep before `byMs`, or the next one: never after, where the sweep is in time. */
  addBy(entry: Due, byMs: number): void {
    this.#put(entry, Math.floor(byMs / SWEEP_MS))
  }

  #put(entry: Due, tick: number): void {
    this.remove(entry)
    const bucket = Math.max(tick, this.#swept + 1)
    const entries = this.#buckets.get(bucket)
    if (entries === undefined) this.#buckets.set(bucket, new Set([entry]))
    else entries.add(entry)
    entry.bucket = bucket
  }

  remove(entry: Due): void {
    if (entry.bucket === undefined) return
    const entries = this.#buckets.get(entry.bucket)
    entries?.delete(entry)
    if (entries?.size === 0) this.#buckets.delete(entry.bucket)
    entry.bucket = undefined
  }

  /** Calls every entry that is due. */
  sweep(nowMs: number): void {
    const last = Math.floor(nowMs / SWEEP_MS)
    const first = this.#swept + 1
    this.#swept = Math.max(this.#swept, last)
    // After a long pause (empty timetable, suspended machine) there are fewer buckets than ticks.
    const due =
      last - first < this.#buckets.size
        ? Array.from({ length: Math.max(0, last - first + 1) }, (_, tick) => first + tick)
        : [...this.#buckets.keys()].filter((bucket) => bucket <= last).sort((a, b) => a - b)
    for (const bucket of due) {
      const entries = this.#buckets.get(bucket)
      if (entries === undefined) continue
      this.#buckets.delete(bucket)
      for (const entry of entries) {
        // Removed meanwhile by an entry before it (its connection was closed).
        if (entry.bucket !== bucket) continue
        entry.bucket = undefined
        entry.due(nowMs)
      }
    }
  }
}
