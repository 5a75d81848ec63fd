/**
 * Different wrong passwords of the last hour at one thing (a mailbox, a network, a pair). Those seen here are known by
 * their MAC, so that the same one again counts once; of other nodes, and of this one before a restart, only numbers are
 * known. Time is cut into slots of five minutes: a guess counts for 60 to 65 minutes.
 */

export const SLOT_MS = 5 * 60 * 1000
/** A slot counts until an hour after its end. */
const KEPT_SLOTS = 13
/** A clock may have been set back; what lies further ahead would count for ever. */
const AHEAD_SLOTS = 2

/** As many as a limit may be. Where there is none, they would be without end. */
const MAX_OWN = 1_000_000

/** The slot of a wall-clock time. */
export function slotOf(nowMs: number): number {
  return Math.floor(nowMs / SLOT_MS)
}

export function isLive(slot: number, nowSlot: number): boolean {
  return slot > nowSlot - KEPT_SLOTS && slot <= nowSlot + AHEAD_SLOTS
}

/** When a guess in this slot counts no more; wall-clock time. */
export function endOf(slot: number): number {
  return (slot + KEPT_SLOTS) * SLOT_MS
}

interface OfOthers {
  readonly node: string
  readonly slot: number
  readonly count: number
}

export class GuessCounter {
  /** MAC -> slot, in the order of time. */
  readonly #own = new Map<number, number>()
  /** Slot -> how many of them. */
  readonly #ownIn = new Map<number, number>()
  #others: readonly OfOthers[] = []
  /** Until when (monotonic) a known pair waits with strangers. */
  demotedUntilMs = Number.NEGATIVE_INFINITY

  /** How many count now. */
  total(nowSlot: number): number {
    this.#forget(nowSlot)
    let total = this.#own.size
    for (const { count } of this.#others) total += count
    return total
  }

  has(mac: number): boolean {
    return this.#own.has(mac)
  }

  /** Counts a guess; false where it counts already. */
  add(mac: number, nowSlot: number): boolean {
    if (this.#own.has(mac)) return false
    if (this.#own.size >= MAX_OWN) {
      const [oldest] = this.#own
      if (oldest !== undefined) this.#delete(...oldest)
    }
    this.#own.set(mac, nowSlot)
    this.#ownIn.set(nowSlot, this.ownIn(nowSlot) + 1)
    return true
  }

  /** How many were first seen here in that slot. */
  ownIn(slot: number): number {
    return this.#ownIn.get(slot) ?? 0
  }

  ownSlots(): ReadonlySet<number> {
    return new Set(this.#ownIn.keys())
  }

  /** What a node has counted in a slot, in place of what it said of it before. */
  merge(node: string, slot: number, count: number): void {
    const rest = this.#others.filter((each) => each.node !== node || each.slot !== slot)
    this.#others = count > 0 ? [...rest, { node, slot, count }] : rest
  }

  /** The slot of the oldest that counts, or undefined. */
  oldest(nowSlot: number): number | undefined {
    this.#forget(nowSlot)
    let oldest: number | undefined
    for (const slot of this.#ownIn.keys()) if (oldest === undefined || slot < oldest) oldest = slot
    for (const { slot } of this.#others) if (oldest === undefined || slot < oldest) oldest = slot
    return oldest
  }

  #forget(nowSlot: number): void {
    for (const [mac, slot] of this.#own) {
      if (isLive(slot, nowSlot)) break
      this.#delete(mac, slot)
    }
    if (this.#others.some(({ slot }) => !isLive(slot, nowSlot)))
      this.#others = this.#others.filter(({ slot }) => isLive(slot, nowSlot))
  }

  #delete(mac: number, slot: number): void {
    this.#own.delete(mac)
    const rest = this.ownIn(slot) - 1
    if (rest > 0) this.#ownIn.set(slot, rest)
    else this.#ownIn.delete(slot)
  }
}
