/**
 * The rows of one account with their age (design §3 rule 12). Rows older than `storeFreshMs` are read again before
 * anybody is answered; past half of it they are re-read in the background, so that an account in constant use never
 * waits for the database.
 */
import type { Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Horizon } from './horizon.ts'
import type { StoredAccount } from './stored.ts'

export interface Stored {
  readonly value: StoredAccount
  /** Monotonic time at which the query was sent: what changed later may not be in it. */
  readonly atMs: number
}

export class StoredPart {
  readonly #load: () => Promise<StoredAccount>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #freshMs: number
  #latest: Stored | undefined
  #loading: Promise<Stored> | undefined
  #loadingSinceMs = 0
  readonly #horizon: Horizon

  constructor(
    load: () => Promise<StoredAccount>,
    parts: { clock: Clock; logger: Logger; limits: { storeFreshMs: number }; horizon: Horizon },
  ) {
    this.#load = load
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#freshMs = parts.limits.storeFreshMs
    this.#horizon = new Horizon(parts.horizon)
  }

  latest(): Stored | undefined {
    return this.#latest
  }

  /** The rows when they are fresh, else undefined. Starts a background read past half their time. */
  fresh(nowMs: number): Stored | undefined {
    const latest = this.#latest
    if (latest === undefined || latest.atMs <= this.#horizon.atMs) return undefined
    const ageMs = nowMs - latest.atMs
    if (ageMs > this.#freshMs) return undefined
    if (ageMs > this.#freshMs / 2 && this.#loading === undefined) {
      this.#read().catch((error: unknown) =>
        this.#logger.debug({ err: error }, 'background read of an account failed'),
      )
    }
    return latest
  }

  /** Fresh rows; one query for all who wait. Rejects with what the store throws. */
  async get(): Promise<Stored> {
    const fresh = this.fresh(this.#clock.monotonicMs())
    if (fresh !== undefined) return fresh
    // A query that was sent before the last invalidation may not have seen the change.
    if (this.#loading !== undefined && this.#loadingSinceMs <= this.#horizon.atMs)
      await this.#loading.catch(() => undefined)
    return this.#loading ?? this.#read()
  }

  invalidate(nowMs: number): void {
    this.#horizon.move(nowMs)
  }

  #read(): Promise<Stored> {
    const atMs = this.#clock.monotonicMs()
    this.#loadingSinceMs = atMs
    const loading = this.#load()
      .then((value) => {
        this.#latest = { value, atMs }
        return this.#latest
      })
      .finally(() => {
        this.#loading = undefined
      })
    this.#loading = loading
    return loading
  }
}
