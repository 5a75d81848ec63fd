/**
 * Whether the database answers, as the last reading of any account went (design §3 rule 13). While it does not, rows
 * that are remembered serve at once, and one reading a second finds out whether it is back. Pure: time is passed in.
 */
const PROBE_EVERY_MS = 1000

export class StoreOutage {
  #downSinceMs: number | undefined
  #probeAtMs = 0
  #answeredAtMs: number | undefined

  /** Since when it does not answer, monotonic; undefined while it does. */
  get downSinceMs(): number | undefined {
    return this.#downSinceMs
  }

  /** When the last reading that was answered was begun. */
  get answeredAtMs(): number | undefined {
    return this.#answeredAtMs
  }

  /** Whether the caller is to find out if it is back; true once a second. */
  admitProbe(nowMs: number): boolean {
    if (this.#downSinceMs === undefined || nowMs < this.#probeAtMs) return false
    this.#probeAtMs = nowMs + PROBE_EVERY_MS
    return true
  }

  /** True where that is news. */
  failed(nowMs: number): boolean {
    const isNews = this.#downSinceMs === undefined
    this.#downSinceMs ??= nowMs
    this.#probeAtMs = Math.max(this.#probeAtMs, nowMs + PROBE_EVERY_MS)
    return isNews
  }

  /** A reading begun at `atMs` was answered. True where that is news. */
  answered(atMs: number): boolean {
    const isNews = this.#downSinceMs !== undefined
    this.#downSinceMs = undefined
    this.#answeredAtMs = atMs
    return isNews
  }
}
