/**
 * When a record is read once more because a password did not match it (design §3 rule 4): once in 30 s for a name,
 * whether anybody has it or not, and 20 a second over all. Pure: time is passed in.
 */
import { TokenBucket } from './token-bucket.ts'

/** A record at most so old is as good as one read now. */
export const REREAD_AFTER_MS = 2000
/** How long the answer of a reading stands. */
export const STANDS_MS = 30_000
const PER_SECOND = 20

export class Rereads {
  /** Name -> when the last reading was begun. In the order of these times; what is over is taken out. */
  readonly #begunAtMs = new Map<string, number>()
  readonly #budget = new TokenBucket(PER_SECOND, PER_SECOND)

  /** Whether the budget over all refuses another reading now. */
  isSpent(nowMs: number): boolean {
    return !this.#budget.has(nowMs)
  }

  /** When the reading was begun whose answer stands for the name, or undefined. */
  standingSinceMs(name: string, nowMs: number): number | undefined {
    const atMs = this.#begunAtMs.get(name)
    return atMs !== undefined && nowMs - atMs <= STANDS_MS ? atMs : undefined
  }

  /** Counts a reading that is begun now; the caller asked before whether it may be. */
  begin(name: string, nowMs: number): void {
    this.#budget.take(nowMs)
    for (const [old, atMs] of this.#begunAtMs) {
      if (nowMs - atMs <= STANDS_MS) break
      this.#begunAtMs.delete(old)
    }
    this.#begunAtMs.delete(name)
    this.#begunAtMs.set(name, nowMs)
  }
}
