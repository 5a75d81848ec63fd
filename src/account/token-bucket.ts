/** A budget that fills up again: at most `burst` at once, and `perSecond` in the long run. Pure: time is passed in. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #atMs = Number.NEGATIVE_INFINITY

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
  }

  /** Whether one is there, over `reserve` that others keep. */
  has(nowMs: number, reserve = 0): boolean {
    this.#fill(nowMs)
    return this.#tokens >= 1 + reserve
  }

  /** Takes one; below zero where there is none, which the caller has asked before. */
  take(nowMs: number): void {
    this.#fill(nowMs)
    this.#tokens -= 1
  }

  #fill(nowMs: number): void {
    if (nowMs > this.#atMs) {
      const seconds = (nowMs - this.#atMs) / 1000
      this.#tokens = Math.min(this.#burst, this.#tokens + seconds * this.#perSecond)
      this.#atMs = nowMs
    }
  }
}
