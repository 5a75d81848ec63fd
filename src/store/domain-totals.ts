/**
 * How many mailboxes a domain has and what they may hold together. Counting 100,000 rows takes a database 10 to 100 ms,
 * and a stranger's made-up names would ask for it each time: between two writes one count serves all for a moment.
 * The writer counts anew under its lock, so limits are never passed.
 */
import type { Clock } from '../clock.ts'

export interface Totals {
  readonly mailboxCount: number
  readonly quotaSumBytes: number
}

interface Remembered {
  readonly countedAtMs: number
  readonly totals: Promise<Totals>
}

/** Only hosted domains are counted; beyond this the memory starts afresh. */
const MAX_DOMAINS = 10_000

export class DomainTotals {
  readonly #freshMs: number
  readonly #clock: Clock
  readonly #remembered = new Map<string, Remembered>()

  constructor(freshMs: number, clock: Clock) {
    this.#freshMs = freshMs
    this.#clock = clock
  }

  /** The totals as of at most `freshMs` ago; one count at a time for all who ask. */
  get(domain: string, count: () => Promise<Totals>): Promise<Totals> {
    const nowMs = this.#clock.monotonicMs()
    const known = this.#remembered.get(domain)
    if (known !== undefined && nowMs - known.countedAtMs < this.#freshMs) return known.totals
    if (this.#remembered.size >= MAX_DOMAINS) this.#remembered.clear()
    const totals = count()
    const entry = { countedAtMs: nowMs, totals }
    this.#remembered.set(domain, entry)
    totals.catch(() => {
      if (this.#remembered.get(domain) === entry) this.#remembered.delete(domain)
    })
    return totals
  }

  /** A mailbox was made: the next look counts again. */
  forget(domain: string): void {
    this.#remembered.delete(domain)
  }
}
