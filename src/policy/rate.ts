/**
 * All counters of guesses, by what they are at. Bounded: the one touched longest ago goes first; to push out one counter
 * takes as many guesses elsewhere as there are counters, each of which counts somewhere. What changed here is told to
 * other nodes, what they tell is merged.
 */
import { LRUCache } from 'lru-cache'
import { endOf, GuessCounter, isLive, slotOf } from './counter.ts'

/** What one node has counted at one thing in one slot of time; a later one replaces it. */
export interface GuessCount {
  /** `scope.ts` writes it. */
  readonly scope: string
  readonly slot: number
  readonly count: number
}

export interface Counted {
  readonly scope: string
  readonly guesses: number
  /** Wall-clock time at which the first of them counts no more. */
  readonly untilMs: number
}

export class GuessRates {
  readonly #counters: LRUCache<string, GuessCounter>
  /** `slot scope` of what is to be told; oldest first. */
  readonly #untold = new Map<string, { readonly scope: string; readonly slot: number }>()
  readonly #maxUntold: number

  constructor(maxCounters: number) {
    this.#counters = new LRUCache({ max: maxCounters })
    this.#maxUntold = maxCounters
  }

  get size(): number {
    return this.#counters.size
  }

  find(scope: string): GuessCounter | undefined {
    return this.#counters.get(scope)
  }

  total(scope: string, nowMs: number): number {
    return this.#counters.peek(scope)?.total(slotOf(nowMs)) ?? 0
  }

  /** Counts a guess; false where it counts already. */
  add(scope: string, mac: number, nowMs: number): boolean {
    const slot = slotOf(nowMs)
    let counter = this.#counters.get(scope)
    if (counter === undefined) {
      counter = new GuessCounter()
      this.#counters.set(scope, counter)
    }
    counter.total(slot)
    if (!counter.add(mac, slot)) return false
    this.#tell(scope, slot)
    return true
  }

  /** Wall-clock time from which fewer guesses count. */
  untilMs(scope: string, nowMs: number): number {
    const oldest = this.#counters.peek(scope)?.oldest(slotOf(nowMs))
    return oldest === undefined ? nowMs : endOf(oldest)
  }

  /** Takes what another node has counted. */
  merge(node: string, { scope, slot, count }: GuessCount, nowMs: number): void {
    if (!isLive(slot, slotOf(nowMs))) return
    let counter = this.#counters.peek(scope)
    if (counter === undefined) {
      if (count === 0) return
      counter = new GuessCounter()
      this.#counters.set(scope, counter)
    }
    counter.merge(node, slot, count)
  }

  /** Forgets what was counted at one thing, here and of others; what others read of us is taken back. */
  clear(scope: string): void {
    const counter = this.#counters.peek(scope)
    if (counter === undefined) return
    const slots = counter.ownSlots()
    this.#counters.delete(scope)
    for (const slot of slots) this.#tell(scope, slot)
  }

  /** At most `most` counts that were not told yet; `putBack` those that could not be. */
  takeUntold(most: number): readonly GuessCount[] {
    const taken: GuessCount[] = []
    for (const [key, { scope, slot }] of this.#untold) {
      if (taken.length >= most) break
      this.#untold.delete(key)
      taken.push({ scope, slot, count: this.#counters.peek(scope)?.ownIn(slot) ?? 0 })
    }
    return taken
  }

  putBack(counts: readonly GuessCount[]): void {
    for (const { scope, slot } of counts) this.#tell(scope, slot)
  }

  get untold(): number {
    return this.#untold.size
  }

  /** What counts now, for an operator. */
  *counted(nowMs: number): Generator<Counted> {
    const slot = slotOf(nowMs)
    for (const [scope, counter] of this.#counters.entries()) {
      const guesses = counter.total(slot)
      if (guesses > 0) yield { scope, guesses, untilMs: this.untilMs(scope, nowMs) }
    }
  }

  #tell(scope: string, slot: number): void {
    const key = `${slot} ${scope}`
    if (this.#untold.has(key)) return
    // While nobody can be told: what is oldest is of least use.
    if (this.#untold.size >= this.#maxUntold) {
      const oldest = this.#untold.keys().next()
      if (oldest.done !== true) this.#untold.delete(oldest.value)
    }
    this.#untold.set(key, { scope, slot })
  }
}
