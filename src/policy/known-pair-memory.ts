/**
 * Known pairs in memory: keyed hashes of mailbox and network with the day they were last seen. What is new is kept by
 * name until it is written to the store, which has it for the next start and for other nodes.
 */
import { randomBytes } from 'node:crypto'
import type { KnownPairs } from './known-pairs.ts'
import { PairHash } from './pair-hash.ts'
import { PairTable } from './pair-table.ts'

const DAY_MS = 24 * 60 * 60 * 1000
/** A pair is known for so long after its last right password. */
export const KNOWN_DAYS = 30

export interface SeenPair {
  readonly mailbox: string
  readonly network: string
  /** Wall-clock time of a right password. */
  readonly atMs: number
}

export class KnownPairMemory implements KnownPairs {
  readonly #hash = new PairHash(randomBytes(8))
  readonly #table: PairTable
  readonly #nowMs: () => number
  readonly #maxUnwritten: number
  #unwritten = new Map<string, SeenPair>()

  /** `nowMs`: the wall clock. */
  constructor(maxPairs: number, nowMs: () => number, maxUnwritten = 100_000) {
    this.#table = new PairTable(maxPairs, KNOWN_DAYS)
    this.#nowMs = nowMs
    this.#maxUnwritten = maxUnwritten
  }

  /** Pairs, and networks by themselves. */
  get size(): number {
    return this.#table.size
  }

  get unwritten(): number {
    return this.#unwritten.size
  }

  isKnownPair(mailbox: string, network: string): boolean {
    this.#hash.ofPair(mailbox, network)
    return this.#table.has(this.#hash.high, this.#hash.low, dayOf(this.#nowMs()))
  }

  isKnownNetwork(network: string): boolean {
    return this.isKnownPair('', network)
  }

  /** A right password: news once a day for each pair, and then to be written. True where it is. */
  learn(mailbox: string, network: string): boolean {
    const atMs = this.#nowMs()
    if (!this.#see(mailbox, network, atMs)) return false
    // A full buffer costs the store a day of this pair; it comes again tomorrow.
    if (this.#unwritten.size < this.#maxUnwritten)
      this.#unwritten.set(`${mailbox} ${network}`, { mailbox: own(mailbox), network: own(network), atMs })
    return true
  }

  /** What the store has. */
  load(pairs: readonly SeenPair[]): void {
    for (const { mailbox, network, atMs } of pairs) this.#see(mailbox, network, atMs)
  }

  /** At most `most` pairs to be written; `putBack` those that could not be. */
  takeUnwritten(most: number): readonly SeenPair[] {
    const taken: SeenPair[] = []
    for (const [key, pair] of this.#unwritten) {
      if (taken.length >= most) break
      this.#unwritten.delete(key)
      taken.push(pair)
    }
    return taken
  }

  putBack(pairs: readonly SeenPair[]): void {
    for (const pair of pairs) {
      const key = `${pair.mailbox} ${pair.network}`
      if (!this.#unwritten.has(key)) this.#unwritten.set(key, pair)
    }
  }

  #see(mailbox: string, network: string, atMs: number): boolean {
    const [day, today] = [dayOf(atMs), dayOf(this.#nowMs())]
    this.#hash.ofPair(mailbox, network)
    if (!this.#table.see(this.#hash.high, this.#hash.low, day, today)) return false
    this.#hash.ofPair('', network)
    this.#table.see(this.#hash.high, this.#hash.low, day, today)
    return true
  }
}

function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS)
}

/** A copy: what was cut from a line would keep the whole line alive, and a password may stand in it. */
function own(text: string): string {
  return Buffer.from(text).toString()
}
