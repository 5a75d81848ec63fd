/**
 * The rows of one account with their age (design §3 rules 12 and 13). Rows older than `storeFreshMs` are read again before
 * anybody is answered; past three quarters of it they are re-read in the background, so that an account in constant use never
 * waits for the database. While the database is down, rows at most `storeOutageMs` old serve, marked as such.
 */
import type { Clock } from '../clock.ts'
import { toMailpassdError } from '../errors.ts'
import type { Address } from '../login/address.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Horizon } from './horizon.ts'
import type { StoreOutage } from './store-outage.ts'
import type { StoredAccount } from './stored.ts'

export interface Stored {
  readonly value: StoredAccount
  /** Monotonic time at which the query was sent: what changed later may not be in it. */
  readonly atMs: number
  /** Older than rows may be while the database answers. */
  readonly isOld: boolean
}

export interface StoredLimits {
  readonly storeFreshMs: number
  readonly storeOutageMs: number
}

/** What the rows of all accounts have in common: one object, as there are 100,000 of these parts and more. */
export interface StoredHouse {
  readonly load: (address: Address) => Promise<StoredAccount>
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: StoredLimits
  /** Before it no rows count. */
  readonly rowsHorizon: Horizon
  readonly outage: StoreOutage
}

/** Of their time. Early enough that a slow query is back before it ends; each read costs as much as some logins. */
const REREAD_AFTER = 0.75

export class StoredPart {
  readonly #address: Address
  readonly #house: StoredHouse
  #latest: Stored | undefined
  #loading: Promise<Stored> | undefined
  #loadingSinceMs: number | undefined
  /** Monotonic time of the last word that these rows may be wrong. */
  #invalidAtMs: number | undefined

  constructor(address: Address, house: StoredHouse) {
    this.#address = address
    this.#house = house
  }

  get address(): Address {
    return this.#address
  }

  latest(): Stored | undefined {
    return this.#latest
  }

  /** What can be said without waiting: fresh rows, and while the database is down old ones. */
  now(nowMs: number): Stored | undefined {
    const fresh = this.fresh(nowMs)
    if (fresh !== undefined || this.#house.outage.downSinceMs === undefined) return fresh
    const old = this.#old(nowMs)
    if (old !== undefined && this.#house.outage.admitProbe(nowMs)) this.#readBehind()
    return old
  }

  /** The rows when they are fresh, else undefined. Starts a background read past three quarters of their time. */
  fresh(nowMs: number): Stored | undefined {
    const latest = this.#latest
    if (latest === undefined || latest.atMs <= this.#validFromMs) return undefined
    const ageMs = nowMs - latest.atMs
    if (ageMs > this.#house.limits.storeFreshMs) return undefined
    if (ageMs > this.#house.limits.storeFreshMs * REREAD_AFTER) this.#readBehind()
    return latest
  }

  /** Fresh rows, in an outage old ones; one query for all who wait. Rejects with what the store throws. */
  async get(): Promise<Stored> {
    const now = this.now(this.#house.clock.monotonicMs())
    if (now !== undefined) return now
    // A query that was sent before the last invalidation may not have seen the change.
    if (this.#loading !== undefined && (this.#loadingSinceMs ?? 0) <= this.#validFromMs)
      await this.#loading.catch(() => undefined)
    try {
      return await (this.#loading ?? this.#read())
    } catch (error) {
      const old =
        toMailpassdError(error).code === 'store_unavailable' && this.#old(this.#house.clock.monotonicMs())
      if (old === undefined || old === false) throw error
      return old
    }
  }

  invalidate(nowMs: number): void {
    this.#invalidAtMs = nowMs
  }

  /** What was asked for at or before this time does not count. */
  get #validFromMs(): number {
    const { atMs } = this.#house.rowsHorizon
    return this.#invalidAtMs === undefined ? atMs : Math.max(atMs, this.#invalidAtMs)
  }

  /** Rows that are known to have changed never serve: a lock may have been the change. */
  #old(nowMs: number): Stored | undefined {
    const latest = this.#latest
    if (latest === undefined || latest.atMs <= this.#validFromMs) return undefined
    return nowMs - latest.atMs <= this.#house.limits.storeOutageMs ? { ...latest, isOld: true } : undefined
  }

  #readBehind(): void {
    if (this.#loading !== undefined) return
    this.#read().catch((error: unknown) =>
      this.#house.logger.debug({ err: error }, 'background read of an account failed'),
    )
  }

  #read(): Promise<Stored> {
    const atMs = this.#house.clock.monotonicMs()
    this.#loadingSinceMs = atMs
    const loading = this.#house
      .load(this.#address)
      .then((value) => {
        this.#latest = { value, atMs, isOld: false }
        if (this.#house.outage.answered(atMs)) this.#house.logger.info({}, 'the database answers again')
        return this.#latest
      })
      .catch((error: unknown) => {
        const failure = toMailpassdError(error)
        if (
          failure.code === 'store_unavailable' &&
          this.#house.outage.failed(this.#house.clock.monotonicMs())
        )
          this.#house.logger.warn(
            { err: failure },
            'the database is down: rows that are remembered serve for a while',
          )
        throw error
      })
      .finally(() => {
        this.#loading = undefined
      })
    this.#loading = loading
    return loading
  }
}
