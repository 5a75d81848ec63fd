/**
 * How far back parts of accounts are trusted. One horizon is shared by all parts of a kind, so that "everything may have
 * changed" costs the same however many accounts are remembered (going over 100,000 of them held the event loop 50 ms).
 */
export class Horizon {
  readonly #shared: Horizon | undefined
  #atMs = Number.NEGATIVE_INFINITY

  /** A horizon of its own that never lies before `shared`. */
  constructor(shared?: Horizon) {
    this.#shared = shared
  }

  /** What was asked for at or before this monotonic time does not count. */
  get atMs(): number {
    return this.#shared === undefined ? this.#atMs : Math.max(this.#atMs, this.#shared.atMs)
  }

  move(nowMs: number): void {
    this.#atMs = nowMs
  }
}
