/**
 * A pass: one complete reading of the directory, page by page. Pages are places in a list, and users who come, go or are
 * renamed while it is read shift all behind them; so each page begins with the end of the one before:
 *
 *   page n        [ ..... x y z ]
 *   page n + 1            [ x y z | new ... ]      what follows the last one known is new
 *   one was deleted         [ y z | new ... ]      still joined
 *   many were          [ new ... ]                 not joined: read again from further back, until it joins
 *
 * A pass that cannot be joined, or that found far fewer users than the directory counts, is incomplete: what it read is
 * the directory's word all the same, but it says nothing of whom it did not read.
 */
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { toMailpassdError } from '../errors.ts'
import type { Directory, PageEntry } from './directory.ts'
import type { Pace } from './pace.ts'

export interface PassParts {
  readonly directory: Pick<Directory, 'count' | 'page'>
  readonly clock: Clock
  readonly pace: Pace
  /**
   * Is handed what was read, some at a time, with the monotonic time at which it was asked for. Users may come twice.
   * Must take less than 2 ms.
   */
  readonly take: (entries: readonly PageEntry[], askedAtMs: number) => void
  /** Ends the pass early, as incomplete. */
  readonly signal?: AbortSignal
  /** At least 2; default 250. */
  readonly pageSize?: number
}

export interface PassProgress {
  readonly seen: number
  /** As the directory counted when the pass began. */
  readonly expected: number
  readonly perSecond: number
  readonly remainingMs: number
}

export interface PassResult {
  /** Absent: complete. */
  readonly incomplete?: 'stopped' | 'not_joined' | 'fewer_than_counted' | 'without_end'
  /** Different users that were read, faults among them. */
  readonly users: number
  readonly faults: number
  readonly calls: number
  /** Monotonic. */
  readonly startedAtMs: number
  readonly endedAtMs: number
}

/** 0.1 s of Keycloak's time and 3 ms of ours, in which no login is answered: 500 would be 7 ms, and save Keycloak nothing. */
const PAGE_SIZE = 250
/** A page whose answer is too long is asked for in halves down to this. */
const MIN_PAGE_SIZE = 25
/** So many may be deleted between two pages before one has to be read again. */
const OVERLAP = 20
/** Taken between two breaths of the event loop. */
const TAKEN_AT_ONCE = 50
/** Steps back in one pass; each is at least a page. */
const MAX_STEPS_BACK = 50
/** So many, or so large a part, may be missing of what the directory counted: users come and go meanwhile. */
const MISSING_USERS = 50
const MISSING_PART = 0.01
/** Not every storage behind Keycloak can count. */
const MAX_UNCOUNTED = 1_000_000

export class Pass {
  readonly #parts: PassParts
  readonly #startedAtMs: number
  #pageSize: number
  #expected = 0
  #seen = 0
  #faults = 0
  #calls = 0

  constructor(parts: PassParts) {
    this.#parts = parts
    this.#pageSize = parts.pageSize ?? PAGE_SIZE
    this.#startedAtMs = parts.clock.monotonicMs()
  }

  progress(): PassProgress {
    const elapsedMs = this.#parts.clock.monotonicMs() - this.#startedAtMs
    const perMs = elapsedMs > 0 ? this.#seen / elapsedMs : 0
    const rest = Math.max(0, this.#expected - this.#seen)
    return {
      seen: this.#seen,
      expected: this.#expected,
      perSecond: perMs * 1000,
      remainingMs: perMs > 0 ? rest / perMs : 0,
    }
  }

  /** Reads to the end. Throws what the directory throws: the pass has failed then, and says nothing. */
  async run(): Promise<PassResult> {
    this.#expected = await this.#call((directory) => directory.count())
    const incomplete = (await this.#readAll()) ?? (await this.#compareCount())
    return {
      ...(incomplete === undefined ? {} : { incomplete }),
      users: this.#seen,
      faults: this.#faults,
      calls: this.#calls,
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#parts.clock.monotonicMs(),
    }
  }

  async #readAll(): Promise<PassResult['incomplete']> {
    /** Of the last two pages: what the next one is joined to. */
    let recent: ReadonlySet<string> = new Set()
    let before: ReadonlySet<string> = new Set()
    let first = 0
    let stepsBack = 0
    for (;;) {
      if (this.#parts.signal?.aborted === true) return 'stopped'
      if (this.#isEndless()) return 'without_end'
      const { entries, askedAtMs, size } = await this.#page(first)
      const keys = entries.map((entry, index) => keyOf(entry, first + index))
      const joinedAt = keys.findLastIndex((key) => recent.has(key) || before.has(key))
      if (joinedAt < 0 && first > 0 && (recent.size > 0 || before.size > 0)) {
        stepsBack += 1
        if (stepsBack > MAX_STEPS_BACK) return 'not_joined'
        first = Math.max(0, first - this.#pageSize)
        if (first > 0) continue
        // From the beginning, as if nothing had been read.
        recent = before = new Set()
        this.#seen = this.#faults = 0
        continue
      }
      const fresh = new Set(keys.filter((key) => !recent.has(key) && !before.has(key)))
      await this.#take(entries, keys, fresh, askedAtMs)
      const isEnd = entries.length < size && fresh.size === 0
      if (isEnd) return undefined
      if (fresh.size > 0) {
        before = recent
        recent = new Set(keys)
      }
      const isFull = entries.length >= size
      first += Math.max(isFull ? 1 : 0, entries.length - Math.min(OVERLAP, Math.floor(size / 2)))
    }
  }

  async #take(
    entries: readonly PageEntry[],
    keys: readonly string[],
    fresh: ReadonlySet<string>,
    askedAtMs: number,
  ): Promise<void> {
    for (let start = 0; start < entries.length; start += TAKEN_AT_ONCE) {
      const some = entries.slice(start, start + TAKEN_AT_ONCE)
      for (const [index, { kind }] of some.entries()) {
        if (kind === 'fault' && fresh.has(keys[start + index] ?? '')) this.#faults += 1
      }
      this.#parts.take(some, askedAtMs)
      await setImmediate()
    }
    this.#seen += fresh.size
  }

  async #page(first: number) {
    for (;;) {
      const size = this.#pageSize
      try {
        const askedAtMs = this.#parts.clock.monotonicMs()
        const entries = await this.#call((directory) => directory.page({ first, max: size }))
        return { entries, askedAtMs, size }
      } catch (thrown) {
        const error = toMailpassdError(thrown)
        // Users with pictures among their attributes: fewer of them make a shorter answer.
        if (error.code !== 'directory_invalid' || size <= MIN_PAGE_SIZE) throw error
        this.#pageSize = Math.max(MIN_PAGE_SIZE, Math.floor(size / 2))
      }
    }
  }

  /** Whatever the directory answers, a pass ends. */
  #isEndless(): boolean {
    const most = Math.max(MAX_UNCOUNTED, 2 * this.#expected)
    return this.#seen > most || this.#calls > 100 + (4 * most) / this.#pageSize
  }

  async #compareCount(): Promise<PassResult['incomplete']> {
    const counted = Math.min(this.#expected, await this.#call((directory) => directory.count()))
    const missing = counted - this.#seen
    return missing > Math.max(MISSING_USERS, counted * MISSING_PART) ? 'fewer_than_counted' : undefined
  }

  async #call<T>(call: (directory: PassParts['directory']) => Promise<T>): Promise<T> {
    await this.#parts.pace.turn()
    this.#calls += 1
    return call(this.#parts.directory)
  }
}

/** What tells a user from others. One without an id is told by its place, which is new each time it shifts. */
function keyOf(entry: PageEntry, place: number): string {
  if (entry.kind === 'user') return entry.user.id
  return entry.id ?? `place ${place}`
}
