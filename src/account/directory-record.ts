/**
 * What the directory said of one address, and when (design §3 rules 1 and 2; `unknownMs` is rule 7's memory).
 * One look-up for all waiters; a caller waits at most `waitMs`, while the look-up itself runs on and its answer
 * replaces the record. A record at most `staleMs` old answers when the directory does not; else the failure is told.
 */
import type { Clock } from '../clock.ts'
import type { Lookup } from '../directory/directory.ts'
import type { DirectoryProfile } from '../directory/user.ts'
import { toMailpassdError } from '../errors.ts'
import type { Why } from '../login/outcome.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { DirectoryPart } from './account.ts'
import { Horizon } from './horizon.ts'
import type { DirectoryRecordValue as Record, RecordBook } from './record-book.ts'

/** The directory as this room needs it. */
export interface DirectorySource {
  findByEmail(email: string): Promise<Lookup>
  profile(): Promise<DirectoryProfile>
}

export interface RecordLimits {
  readonly freshMs: number
  readonly unknownMs: number
  /** 2 s: what a login waits for the directory. */
  readonly waitMs: number
  /** 5 min: the oldest record that answers when the directory does not. */
  readonly staleMs: number
}

/** A directory that fails is not asked again in the background for as long as this. */
const REFRESH_PAUSE_MS = 1000

export class DirectoryRecord {
  readonly #email: string
  readonly #source: DirectorySource
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #limits: RecordLimits
  readonly #horizon: Horizon
  readonly #absentHorizon: Horizon
  readonly #book: RecordBook
  /** That nobody has this address; the book keeps no such records. */
  #absent: Record | undefined
  #looking: Promise<Record> | undefined
  #lookingSinceMs = 0
  #failedAtMs = Number.NEGATIVE_INFINITY

  constructor(
    email: string,
    source: DirectorySource,
    parts: {
      clock: Clock
      logger: Logger
      limits: RecordLimits
      horizon: Horizon
      /** That nobody has an address counts from here on. */
      absentHorizon: Horizon
      book: RecordBook
    },
  ) {
    this.#email = email
    this.#source = source
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#limits = parts.limits
    this.#horizon = new Horizon(parts.horizon)
    this.#absentHorizon = parts.absentHorizon
    this.#book = parts.book
  }

  /** True when the directory knows somebody by this address. */
  get isPresent(): boolean {
    return this.#book.find(this.#email) !== undefined
  }

  /** The record when it is fresh, else undefined. Past half its time a look-up starts after the caller answered. */
  fresh(nowMs: number): Record | undefined {
    const record = this.#record
    if (record === undefined) return undefined
    const askedAtMs = this.#book.askedAtMs(this.#email, record)
    if (askedAtMs <= this.#validFromMs) return undefined
    const freshMs = this.#freshMs(record)
    const ageMs = nowMs - askedAtMs
    if (ageMs > freshMs) return undefined
    const isRefreshDue = ageMs > freshMs / 2 && nowMs - this.#failedAtMs > REFRESH_PAUSE_MS
    if (isRefreshDue && this.#looking === undefined) this.#clock.after(0, () => this.#refresh())
    return record
  }

  /** A record young enough to decide by, or why there is none. Never rejects. */
  async get(): Promise<DirectoryPart> {
    const fresh = this.fresh(this.#clock.monotonicMs())
    if (fresh !== undefined) return fresh
    const found = await this.#waitFor(this.#current())
    if (found.kind === 'record') return found
    const record = this.#record
    const isYoungEnough =
      record !== undefined && this.#clock.monotonicMs() - record.atMs <= this.#limits.staleMs
    return isYoungEnough ? record : found
  }

  invalidate(nowMs: number): void {
    this.#horizon.move(nowMs)
  }

  get #record(): Record | undefined {
    return this.#book.find(this.#email) ?? this.#absent
  }

  /** What was asked for at or before this time does not count. */
  get #validFromMs(): number {
    const atMs = Math.max(this.#horizon.atMs, this.#book.invalidAtMs(this.#email))
    return this.#absent === undefined ? atMs : Math.max(atMs, this.#absentHorizon.atMs)
  }

  #freshMs(record: Record): number {
    return record.lookup.kind === 'absent' ? this.#limits.unknownMs : this.#limits.freshMs
  }

  async #current(): Promise<Record> {
    // A look-up that was sent before the last invalidation may not have seen the change.
    if (this.#looking !== undefined && this.#lookingSinceMs <= this.#validFromMs)
      await this.#looking.catch(() => undefined)
    return this.#looking ?? this.#lookup()
  }

  #refresh(): void {
    if (this.#looking !== undefined) return
    this.#lookup().catch((error: unknown) =>
      this.#logger.debug({ err: error }, 'background look-up in the directory failed'),
    )
  }

  #lookup(): Promise<Record> {
    const atMs = this.#clock.monotonicMs()
    this.#lookingSinceMs = atMs
    const looking = Promise.all([this.#source.findByEmail(this.#email), this.#source.profile()])
      .then(([lookup, profile]) => {
        const record: Record = Object.freeze({ kind: 'record', lookup, profile, atMs })
        const counts = this.#book.put(this.#email, record)
        this.#absent = counts.lookup.kind === 'absent' ? counts : undefined
        return counts
      })
      .catch((error: unknown) => {
        this.#failedAtMs = this.#clock.monotonicMs()
        throw error
      })
      .finally(() => {
        this.#looking = undefined
      })
    this.#looking = looking
    return looking
  }

  /** The look-up's record, or why not: it failed, or it takes longer than a login may wait. */
  #waitFor(looking: Promise<Record>): Promise<DirectoryPart> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(this.#limits.waitMs, () =>
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
          this.#logger.warn({ err: failure }, 'the directory did not answer a look-up')
          resolve({ kind: 'failed', why: whyOf(failure.code) })
        },
      )
    })
  }
}

function whyOf(code: string): Why {
  switch (code) {
    case 'directory_refused':
      return 'directory_refuses_us'
    case 'directory_invalid':
      return 'directory_garbage'
    case 'directory_unavailable':
      return 'directory_down'
    default:
      return 'internal'
  }
}
