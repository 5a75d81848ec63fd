/**
 * How far back parts of accounts are trusted. One horizon is shared by all parts of a kind, so that "everything may have
 * changed" costs the same however many accounts are remembered (going over 100,000 of them held the event loop 50 ms).
 */
export class Horizon {
  #atMs = Number.NEGATIVE_INFINITY

  /** What was asked for at or before this monotonic time does not count. */
  get atMs(): number {
    return this.#atMs
  }

  move(nowMs: number): void {
    this.#atMs = nowMs
  }
}
