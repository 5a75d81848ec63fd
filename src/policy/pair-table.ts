/**
 * A set of hashes, each with the day it was last seen: open addressing in typed arrays, 8 bytes an entry and at most
 * two thirds full, so that a million takes 12 to 24 MB. Cut into segments, of which one at a time is made anew: a few
 * thousand entries, under a millisecond. Of a hash 52 bits are kept: among a million entries the odds that a stranger is
 * taken for one of them are 1 in 4,000,000,000.
 */

const SEGMENTS = 256
const FIRST_SLOTS = 64
/** 12 bits of day beside 20 of the hash: eleven years until a day comes again. */
const DAYS = 4096
const EMPTY = 0

interface Segment {
  /** Pairs of words: the low 32 bits of the hash; its next 20 bits and the day. A second word of 0 is an empty place. */
  words: Uint32Array
  used: number
}

export class PairTable {
  readonly #segments: Segment[]
  readonly #maxPerSegment: number
  readonly #keptDays: number

  /** `keptDays`: an entry not seen for longer is none. */
  constructor(maxEntries: number, keptDays: number) {
    this.#maxPerSegment = Math.max(16, Math.ceil(maxEntries / SEGMENTS))
    this.#keptDays = keptDays
    this.#segments = Array.from({ length: SEGMENTS }, () => ({ words: new Uint32Array(0), used: 0 }))
  }

  /** Entries, those that are too old among them until their segment is made anew. */
  get size(): number {
    let size = 0
    for (const { used } of this.#segments) size += used
    return size
  }

  has(high: number, low: number, today: number): boolean {
    const day = this.#dayOf(high, low)
    return day !== undefined && this.#age(day, today) <= this.#keptDays
  }

  /** Notes that it was seen on `day`; true where that is news: not there, or seen on an earlier day. */
  see(high: number, low: number, day: number, today = day): boolean {
    const age = this.#age(day % DAYS, today)
    if (age > this.#keptDays) return false
    const segment = this.#segmentOf(high)
    const at = find(segment, high, low)
    if (at !== undefined && segment.words[at + 1] !== EMPTY) {
      const before = this.#age((segment.words[at + 1] ?? 0) & (DAYS - 1), today)
      if (before <= age) return false
      segment.words[at + 1] = secondWord(high, day)
      return true
    }
    if (
      at === undefined ||
      segment.used >= this.#maxPerSegment ||
      (segment.used + 1) * 3 > segment.words.length
    ) {
      this.#remake(segment, today)
      return this.see(high, low, day, today)
    }
    segment.words[at] = low
    segment.words[at + 1] = secondWord(high, day)
    segment.used += 1
    return true
  }

  #segmentOf(high: number): Segment {
    const segment = this.#segments[high >>> 24]
    if (segment === undefined) throw new RangeError('a hash is 64 bits')
    return segment
  }

  #dayOf(high: number, low: number): number | undefined {
    const segment = this.#segmentOf(high)
    const at = find(segment, high, low)
    const word = at === undefined ? EMPTY : (segment.words[at + 1] ?? EMPTY)
    return word === EMPTY ? undefined : word & (DAYS - 1)
  }

  /** Days since; one that lies ahead, by a clock that was set back, is of today. */
  #age(day: number, today: number): number {
    const age = (((today - day) % DAYS) + DAYS) % DAYS
    return age > DAYS / 2 ? 0 : age
  }

  /** Without what is too old, with room for a half more; what does not fit any more goes by age. */
  #remake(segment: Segment, today: number): void {
    const { words } = segment
    const byAge = new Uint32Array(this.#keptDays + 1)
    let live = 0
    for (let at = 1; at < words.length; at += 2) {
      const word = words[at] ?? EMPTY
      const age = this.#age(word & (DAYS - 1), today)
      if (word === EMPTY || age > this.#keptDays) continue
      byAge[age] = (byAge[age] ?? 0) + 1
      live += 1
    }
    let oldest = this.#keptDays
    // An eighth at a time, so that a full segment is not made anew for each.
    const most = live < this.#maxPerSegment ? live : (this.#maxPerSegment * 7) >> 3
    let kept = live
    while (kept > most && oldest >= 0) {
      kept -= byAge[oldest] ?? 0
      oldest -= 1
    }
    // All of one day: every second goes.
    const isThinned = kept === 0 && live > 0
    let slots = FIRST_SLOTS
    while (slots * 2 < (isThinned ? live : kept) * 4) slots *= 2
    const next: Segment = { words: new Uint32Array(slots * 2), used: 0 }
    let seen = 0
    for (let at = 0; at < words.length; at += 2) {
      const [low = 0, word = EMPTY] = [words[at], words[at + 1]]
      const age = this.#age(word & (DAYS - 1), today)
      if (word === EMPTY || age > this.#keptDays) continue
      seen += 1
      if (isThinned ? seen % 2 === 0 : age > oldest) continue
      const place = findWord(next, word, low)
      if (place === undefined) continue
      next.words[place] = low
      next.words[place + 1] = word
      next.used += 1
    }
    segment.words = next.words
    segment.used = next.used
  }
}

/** 20 bits of the hash above 12 of the day; never 0, which is an empty place. */
function secondWord(high: number, day: number): number {
  const bits = high & 0xfffff
  return (((bits === 0 ? 1 : bits) << 12) | (day & (DAYS - 1))) >>> 0
}

function find(segment: Segment, high: number, low: number): number | undefined {
  return findWord(segment, secondWord(high, 0), low)
}

/** Where the entry is, or the empty place where it would be; undefined where there is neither. */
function findWord({ words }: Segment, word: number, low: number): number | undefined {
  const slots = words.length >> 1
  if (slots === 0) return undefined
  const mask = slots - 1
  // Any bits of a keyed hash will do.
  for (let slot = low & mask, looked = 0; looked < slots; slot = (slot + 1) & mask, looked += 1) {
    const at = slot * 2
    const there = words[at + 1] ?? EMPTY
    if (there === EMPTY) return at
    if (words[at] === low && there >>> 12 === word >>> 12) return at
  }
  return undefined
}
