/**
 * What may be found out for somebody who has not shown a right password: budgets for look-ups of names that nobody has,
 * and for reading records once more (design §3 rules 4 and 7). Where one is spent that is so for every name, also one
 * whose record would do, or that needs none: else whoever has spent it could tell which names somebody has.
 */
import { LRUCache } from 'lru-cache'
import type { Why } from '../login/outcome.ts'
import type { Asker, LookupBudget } from './lookup-budget.ts'
import { REREAD_AFTER_MS, Rereads } from './rereads.ts'

/** A password that did not match. */
export interface Guess {
  readonly asker: Asker
  /** False where it was no guess at the main password: an app password that is named by its tag. Nothing is asked then. */
  readonly isMain: boolean
}

const MAX_PAID = 10_000

export class Unproven {
  readonly #budget: LookupBudget
  readonly #rereads = new Rereads()
  /** Names for which somebody paid, found or not. */
  readonly #paidAtMs = new LRUCache<string, number>({ max: MAX_PAID })
  readonly #unknownMs: number

  /** `unknownMs`: how long an unknown name is remembered, and hence one payment is enough. */
  constructor(budget: LookupBudget, unknownMs: number) {
    this.#budget = budget
    this.#unknownMs = unknownMs
  }

  /** Which budget is spent for who asks. */
  whySpent(asker: Asker, nowMs: number): Why | undefined {
    if (this.#budget.isSpent(asker, nowMs)) return 'lookups_spent'
    return this.#rereads.isSpent(nowMs) ? 'reread_refused' : undefined
  }

  /** Pays for a look-up of this name; false where the budget is spent. */
  pay(name: string, asker: Asker, nowMs: number): boolean {
    if (!this.#budget.take(asker, nowMs)) return false
    this.#paidAtMs.set(name, nowMs)
    return true
  }

  /**
   * Counts a wrong password, and gives the time since which a record must be that it is judged by: `nowMs` itself where
   * it must be read for it. `recordAtMs` is that of the record which is there.
   */
  begin(name: string, asker: Asker, recordAtMs: number | undefined, nowMs: number): number {
    const paidAtMs = this.#paidAtMs.get(name) ?? Number.NEGATIVE_INFINITY
    if (nowMs - paidAtMs > this.#unknownMs) this.pay(name, asker, nowMs)
    const standingSinceMs = this.#rereads.standingSinceMs(name, nowMs)
    if (standingSinceMs !== undefined) return standingSinceMs
    if (recordAtMs !== undefined && nowMs - recordAtMs <= REREAD_AFTER_MS) return recordAtMs
    this.#rereads.begin(name, nowMs)
    return nowMs
  }
}
