/**
 * What the directory said of one address, and when (design §3 rules 1, 2, 3 and 8; `unknownMs` is rule 7's memory).
 * One look-up for all waiters; a caller waits at most `waitMs`, while the look-up itself runs on and its answer
 * replaces the record. Who answers when the directory does not:
 *
 *   it fails or is slow, once     a record at most `staleMs` old
 *   it is down (breaker open)     a record at most `outageMs` old, at once: nobody waits for a call
 *   else                          nobody: the failure is told
 */
import type { Clock } from '../clock.ts'
import type { Lookup } from '../directory/directory.ts'
import type { DirectoryProfile } from '../directory/user.ts'
import { toMailpassdError, type ErrorCode } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { DirectoryPart } from './account.ts'
import { lostHashes, withoutOldHashes } from './hidden-hash.ts'
import type { Horizon } from './horizon.ts'
import { whyOf } from './directory-fault.ts'
import type { Passes } from './passes.ts'
import type { DirectoryRecordValue as Record, RecordBook } from './record-book.ts'

/** The directory as this room needs it. */
export interface DirectorySource {
  findByEmail(email: string): Promise<Lookup>
  /** With `sinceMs` (monotonic) one that was read no earlier; throws where there is none. */
  profile(sinceMs?: number): Promise<DirectoryProfile>
  /** What it is down by, while it is: look-ups fail at once then. */
  downBy(): ErrorCode | undefined
}

export interface RecordLimits {
  readonly freshMs: number
  readonly unknownMs: number
  /** 2 s: what a login waits for the directory. */
  readonly waitMs: number
  /** 5 min: the oldest record that answers when the directory does not. */
  readonly staleMs: number
  /** 24 h: the oldest record that answers while the directory is down; 0: as when single calls fail. */
  readonly outageMs: number
}

/** Told of each record that answers in place of the directory, with its age. */
export type ServedOld = (ageMs: number) => void

/** A directory that fails is not asked again in the background for as long as this. */
const REFRESH_PAUSE_MS = 1000

const NOT_LOOKED_UP: DirectoryPart = Object.freeze({ kind: 'failed', why: 'directory_down' })
const BUDGET_SPENT: DirectoryPart = Object.freeze({ kind: 'failed', why: 'lookups_spent' })

/** What the records of all accounts have in common: one object, as there are 100,000 of these parts and more. */
export interface RecordHouse {
  readonly source: DirectorySource
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: RecordLimits
  /** Before it no record counts. */
  readonly recordsHorizon: Horizon
  /** That nobody has an address counts from here on. */
  readonly absentHorizon: Horizon
  readonly book: RecordBook
  readonly servedOld: ServedOld
  readonly passes: Passes
}

export class DirectoryRecord {
  readonly #email: string
  readonly #house: RecordHouse
  /** That nobody has this address; the book keeps no such records. */
  #absent: Record | undefined
  #looking: Promise<Record> | undefined
  #lookingSinceMs: number | undefined
  #failedAtMs: number | undefined
  /** Monotonic time of the last word that the record may be wrong. */
  #invalidAtMs: number | undefined

  constructor(email: string, house: RecordHouse) {
    this.#email = email
    this.#house = house
  }

  /** True when the directory knows somebody by this address. */
  get isPresent(): boolean {
    return this.#house.book.find(this.#email) !== undefined
  }

  /** What can be said without waiting: a fresh record, and while the directory is down whatever there is. */
  now(nowMs: number): DirectoryPart | undefined {
    const fresh = this.fresh(nowMs)
    if (fresh !== undefined) return fresh
    const code = this.#house.source.downBy()
    if (code === undefined) return undefined
    // It may be the call that finds the directory back.
    this.#refreshSoon(nowMs)
    return this.#inOutage(nowMs, code)
  }

  /** The record when it is fresh, else undefined. Past half its time a look-up starts after the caller answered. */
  fresh(nowMs: number): Record | undefined {
    const record = this.#record ?? this.#house.passes.absence(this.#email, nowMs)
    if (record === undefined) return undefined
    const askedAtMs = this.#house.book.askedAtMs(this.#email, record)
    if (askedAtMs <= this.#validFromMs) return undefined
    if (record.lookup.kind === 'absent' && record.atMs <= this.#house.absentHorizon.atMs) return undefined
    if (this.#house.passes.covers(record, nowMs)) return this.#checked(record, nowMs)
    if (record.isUnconfirmed === true) return undefined
    const freshMs = this.#freshMs(record)
    const ageMs = nowMs - askedAtMs
    if (ageMs > freshMs) return undefined
    // Not for names that nobody has: repeating made-up ones would cost calls that no budget counts.
    if (ageMs > freshMs / 2 && record.lookup.kind !== 'absent') this.#refreshSoon(nowMs)
    return this.#checked(record, nowMs)
  }

  /**
   * A record young enough to decide by, or why there is none. Never rejects. `mayLookUp` is asked before a call goes
   * out: false where there is no budget for it.
   */
  async get(mayLookUp: () => boolean): Promise<DirectoryPart> {
    const now = this.now(this.#house.clock.monotonicMs())
    if (now !== undefined) return now
    // A look-up that was sent before the last invalidation may not have seen the change.
    const looking = (this.#lookingSinceMs ?? 0) > this.#validFromMs ? this.#looking : undefined
    if (looking === undefined && !mayLookUp()) return BUDGET_SPENT
    return this.#orOld(await this.#waitFor(looking ?? this.#lookup()))
  }

  /**
   * The record as of a look-up that was sent at or after `sinceMs`: one that is there or under way, or where `mayLookUp`
   * a new one. Waits and fails as `get`, but no older record answers.
   */
  since(sinceMs: number, mayLookUp: boolean): DirectoryPart | Promise<DirectoryPart> {
    const record = this.#record
    const absence =
      this.#house.book.find(this.#email) ??
      this.#house.passes.absence(this.#email, this.#house.clock.monotonicMs())
    // Rule 7: what the last complete pass says of a name costs no call.
    if (
      absence?.lookup.kind === 'absent' &&
      absence.atMs > this.#house.absentHorizon.atMs &&
      absence.atMs > this.#validFromMs
    )
      return absence
    // The answer of the last reading stands, but not where a change was told since: then nobody knows.
    const isOf = (atMs: number) => atMs >= sinceMs && atMs > this.#validFromMs
    if (record !== undefined && isOf(this.#house.book.askedAtMs(this.#email, record)))
      return this.#checked(record, this.#house.clock.monotonicMs())
    const looking = isOf(this.#lookingSinceMs ?? 0) ? this.#looking : undefined
    if (looking === undefined && !mayLookUp) return NOT_LOOKED_UP
    return this.#waitFor(looking ?? this.#lookup())
  }

  /** When the look-up was sent that the record is of; undefined without a record. */
  get atMs(): number | undefined {
    const record = this.#record
    return record === undefined ? undefined : this.#house.book.askedAtMs(this.#email, record)
  }

  invalidate(nowMs: number): void {
    this.#invalidAtMs = nowMs
  }

  get #record(): Record | undefined {
    const record = this.#house.book.find(this.#email)
    if (record !== undefined || this.#absent === undefined) return record
    // A pass may have more to say than a look-up of an hour ago.
    const nowMs = this.#house.clock.monotonicMs()
    return (
      (nowMs - this.#absent.atMs <= this.#house.limits.unknownMs
        ? undefined
        : this.#house.passes.absence(this.#email, nowMs)) ?? this.#absent
    )
  }

  /** What was asked for at or before this time does not count. */
  get #validFromMs(): number {
    const atMs = Math.max(
      this.#house.recordsHorizon.atMs,
      this.#invalidAtMs ?? Number.NEGATIVE_INFINITY,
      this.#house.book.invalidAtMs(this.#email),
    )
    return this.#absent === undefined ? atMs : Math.max(atMs, this.#house.absentHorizon.atMs)
  }

  #freshMs(record: Record): number {
    return record.lookup.kind === 'absent' ? this.#house.limits.unknownMs : this.#house.limits.freshMs
  }

  #checked(record: Record, nowMs: number): Record {
    return record.hashesAtMs === undefined
      ? record
      : withoutOldHashes(record, nowMs, this.#house.limits.outageMs)
  }

  /** Only what the directory had: that it had nobody by this address says nothing of now. */
  #inOutage(nowMs: number, code: ErrorCode): DirectoryPart {
    const record = this.#house.book.find(this.#email)
    const { outageMs, staleMs } = this.#house.limits
    if (record === undefined || nowMs - record.atMs > Math.max(outageMs, staleMs))
      return { kind: 'failed', why: whyOf(code) }
    this.#house.servedOld(nowMs - record.atMs)
    return this.#checked(record, nowMs)
  }

  /** What was found; else a record that is young enough, or any while the directory is down. */
  #orOld(found: DirectoryPart): DirectoryPart {
    if (found.kind === 'record') return found
    const nowMs = this.#house.clock.monotonicMs()
    const code = this.#house.source.downBy()
    if (code !== undefined) return this.#inOutage(nowMs, code)
    const record = this.#house.book.find(this.#email)
    if (record === undefined || nowMs - record.atMs > this.#house.limits.staleMs) return found
    this.#house.servedOld(nowMs - record.atMs)
    return this.#checked(record, nowMs)
  }

  #refreshSoon(nowMs: number): void {
    if (
      this.#looking !== undefined ||
      nowMs - (this.#failedAtMs ?? Number.NEGATIVE_INFINITY) <= REFRESH_PAUSE_MS
    )
      return
    this.#house.clock.after(0, () => this.#refresh())
  }

  #refresh(): void {
    if (this.#looking !== undefined) return
    this.#lookup().catch((error: unknown) =>
      this.#house.logger.debug({ err: error }, 'background look-up in the directory failed'),
    )
  }

  #lookup(): Promise<Record> {
    const atMs = this.#house.clock.monotonicMs()
    this.#lookingSinceMs = atMs
    const looking = this.#ask(atMs)
      .then((found) => this.#keep(found))
      .catch((error: unknown) => {
        this.#failedAtMs = this.#house.clock.monotonicMs()
        throw error
      })
      .finally(() => {
        if (this.#looking === looking) this.#looking = undefined
      })
    this.#looking = looking
    return looking
  }

  /** What is known then: of two look-ups the one that was sent later. */
  #keep(found: Record): Record {
    if (this.#absent !== undefined && this.#absent.atMs > found.atMs) return this.#absent
    const record = this.#house.book.put(this.#email, found)
    this.#absent = record.lookup.kind === 'absent' ? record : undefined
    return record
  }

  async #ask(atMs: number): Promise<Record> {
    const [lookup, profile] = await Promise.all([
      this.#house.source.findByEmail(this.#email),
      this.#house.source.profile(),
    ])
    if (!profile.hashVisible || !lostHashes(this.#house.book.find(this.#email), lookup))
      return Object.freeze({ kind: 'record', lookup, profile, atMs })
    // Rule 8: visible a minute ago says nothing. Where it cannot be read now, nobody knows that the hash is gone.
    const since = await this.#house.source.profile(atMs).catch((error: unknown) => {
      this.#house.logger.debug({ err: error }, 'a hash is missing, and the user profile was not read')
      return { ...profile, hashVisible: false }
    })
    return Object.freeze({ kind: 'record', lookup, profile: since, atMs })
  }

  /** The look-up's record, or why not: it failed, or it takes longer than a login may wait. */
  #waitFor(looking: Promise<Record>): Promise<DirectoryPart> {
    return new Promise((resolve) => {
      const cancel = this.#house.clock.after(this.#house.limits.waitMs, () =>
        resolve({ kind: 'failed', why: 'directory_down' }),
      )
      looking.then(
        (record) => {
          cancel()
          resolve(record)
        },
        (error: unknown) => {
          cancel()
          const failure = toMailpassdError(error)
          if (this.#house.source.downBy() === undefined)
            this.#house.logger.warn({ err: failure }, 'the directory did not answer a look-up')
          resolve({ kind: 'failed', why: whyOf(failure.code) })
        },
      )
    })
  }
}
