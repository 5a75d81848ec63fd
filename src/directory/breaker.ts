/**
 * Whether the directory counts as down (design §3 rule 3). Pure: time is passed in.
 *
 *   closed --5 calls for at least 3 names failed within 10 s--> open <----failed, or not answered in time-----+
 *     ^                                                          |                                            |
 *     |                                                          +--a second later: one call may go out--> probing
 *     +--------------------------------any call is answered----------------------------------------------------+
 *
 * One name alone never opens it: what the directory has of one user may be unusable, and anybody may ask for that one
 * again and again.
 */

export interface BreakerLimits {
  readonly calls: number
  readonly names: number
  readonly withinMs: number
  /** Between the end of one probe and the next. */
  readonly probeEveryMs: number
}

export const BREAKER_LIMITS: BreakerLimits = Object.freeze({
  calls: 5,
  names: 3,
  withinMs: 10_000,
  probeEveryMs: 1000,
})

/** Names with failures that are remembered: the window is short, and a few are enough to open. */
const MAX_NAMES = 50

export class Breaker {
  readonly #limits: BreakerLimits
  /** When calls for a name failed, at most `calls` times each; the name that failed last is the last. */
  readonly #failures = new Map<string, readonly number[]>()
  #openedAtMs: number | undefined
  #isProbing = false
  #probeAtMs = 0

  constructor(limits: BreakerLimits = BREAKER_LIMITS) {
    this.#limits = limits
  }

  /** Since when it is open, monotonic; undefined while it is closed. */
  get openedAtMs(): number | undefined {
    return this.#openedAtMs
  }

  get isOpen(): boolean {
    return this.#openedAtMs !== undefined
  }

  /** Names whose calls failed last, the last one first. */
  get failedNames(): readonly string[] {
    return [...this.#failures.keys()].toReversed()
  }

  /** Whether a call may go out now. While open that is one at a time, and whoever is told yes makes it. */
  admit(nowMs: number): boolean {
    if (!this.isOpen) return true
    if (this.#isProbing || nowMs < this.#probeAtMs) return false
    this.#isProbing = true
    return true
  }

  /** A call for this name failed, or was not answered in time. True where that opened it. */
  failed(name: string, nowMs: number): boolean {
    this.#remember(name, nowMs)
    if (this.isOpen) {
      this.#isProbing = false
      this.#probeAtMs = nowMs + this.#limits.probeEveryMs
      return false
    }
    const recent = [...this.#failures.values()].map((times) =>
      times.filter((atMs) => this.#counts(atMs, nowMs)),
    )
    const calls = recent.reduce((sum, times) => sum + times.length, 0)
    const names = recent.filter((times) => times.length > 0).length
    if (calls < this.#limits.calls || names < this.#limits.names) return false
    this.#openedAtMs = nowMs
    this.#isProbing = false
    this.#probeAtMs = nowMs + this.#limits.probeEveryMs
    return true
  }

  /** A call was answered. True where that closed it. */
  answered(): boolean {
    if (!this.isOpen) return false
    this.#openedAtMs = undefined
    this.#failures.clear()
    return true
  }

  #counts(atMs: number, nowMs: number): boolean {
    return nowMs - atMs <= this.#limits.withinMs
  }

  #remember(name: string, nowMs: number): void {
    const times = this.#failures.get(name) ?? []
    this.#failures.delete(name)
    this.#failures.set(name, [...times, nowMs].slice(-this.#limits.calls))
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > MAX_NAMES && oldest !== undefined) this.#failures.delete(oldest)
  }
}
