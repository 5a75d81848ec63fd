/**
 * Mirror mode (design §3 rule 11): a pass over the whole directory every `mirror_minutes` keeps all records of hosted
 * domains fresh, and says who is not there. While passes are late, look-ups keep records fresh as without them.
 *
 *   waiting ──(every mirror_minutes, or asked for)──> reading ──> judging who was not read ──> waiting
 *                                                       └─(the directory fails: what was known stays)─> waiting
 *
 * Over 300 lines: one state machine, whose steps share what a pass is judged by.
 */
import { setImmediate } from 'node:timers/promises'
import { lostHashes } from '../account/hidden-hash.ts'
import type { Passes } from '../account/passes.ts'
import type { DirectoryRecordValue, RecordBook } from '../account/record-book.ts'
import type { Cancel, Clock } from '../clock.ts'
import type { Directory } from '../directory/directory.ts'
import type { Pace } from '../directory/pace.ts'
import { Pass, type PassProgress, type PassResult } from '../directory/pass.ts'
import { toMailpassdError, type ErrorCode } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { PageReader } from './page-reader.ts'

/** The directory as the mirror needs it. */
export type MirrorSource = Pick<Directory, 'count' | 'page' | 'findByEmail' | 'findById' | 'profile'> & {
  /** What it is down by, while it is. */
  downBy(): ErrorCode | undefined
}

export interface MirrorParts {
  readonly directory: MirrorSource
  readonly book: RecordBook
  /** Throws MailpassdError store_*. */
  readonly hostedDomains: () => Promise<readonly string[]>
  /** Undefined: passes run only when they are asked for, and keep nothing fresh. */
  readonly everyMs: number | undefined
  /** False where events are read, and late. Absent: none are. */
  readonly areEventsOnTime?: () => boolean
  readonly pace: Pace
  readonly clock: Clock
  readonly logger: Logger
}

export interface LastPass {
  /** Wall-clock. */
  readonly endedAtMs: number
  readonly durationMs: number
  readonly result: 'complete' | NonNullable<PassResult['incomplete']> | ErrorCode
  readonly users: number
  /** Of hosted domains. */
  readonly kept: number
  readonly faults: number
  readonly calls: number
}

export interface MirrorState {
  readonly mode: 'lookup' | 'mirror'
  /** One runs, or judges what it read. */
  readonly isActive: boolean
  readonly running: PassProgress | undefined
  readonly last: LastPass | undefined
  readonly completeAgeMs: number | undefined
  /** Records are fresh by passes now. */
  readonly isOnTime: boolean
}

/** The last complete pass, monotonic. */
interface Complete {
  readonly startedAtMs: number
  readonly endedAtMs: number
  readonly hostedDomains: ReadonlySet<string>
  readonly unread: ReadonlySet<string>
  readonly absence: DirectoryRecordValue
  /** Whether an address without a record is nobody's. */
  isConclusive: boolean
}

const PROGRESS_EVERY_MS = 5000
/** After a pass that failed or was not complete. */
const RETRY_MS = 60_000
/** Who was not read is asked for by name up to here; of more, so many stand for all. */
const MAX_ASKED = 50
/** Users who changed wait for their turn. */
const MAX_CHANGED = 10_000
/** Looked at between two breaths of the event loop: a quarter of a millisecond. */
const SWEPT_AT_ONCE = 1000
const TAKEN_FOR_GONE_AT_ONCE = 500

export class Mirror implements Passes {
  readonly #parts: MirrorParts
  #complete: Complete | undefined
  #last: LastPass | undefined
  #pass: Pass | undefined
  #isRunning = false
  #stop = new AbortController()
  #cancelNext: Cancel = () => {}
  readonly #changedIds = new Set<string>()
  #isFollowing = false

  constructor(parts: MirrorParts) {
    this.#parts = parts
  }

  /** The first pass begins at once. */
  start(): void {
    if (this.#parts.everyMs !== undefined) this.passNow()
  }

  /** Ends a running pass at its next page. */
  stop(): void {
    this.#stop.abort()
    this.#cancelNext()
  }

  /** False where one runs already. */
  passNow(): boolean {
    if (this.#isRunning || this.#stop.signal.aborted) return false
    this.#cancelNext()
    void this.#run()
    return true
  }

  covers(record: DirectoryRecordValue, nowMs: number): boolean {
    const complete = this.#complete
    if (complete === undefined || record.atMs < complete.startedAtMs) return false
    if (record.isUnconfirmed === true && record.atMs > complete.endedAtMs) return false
    return this.#isOnTime(nowMs)
  }

  absence(email: string, nowMs: number): DirectoryRecordValue | undefined {
    const { book, directory } = this.#parts
    const complete = this.#complete
    if (complete === undefined || !complete.isConclusive || !this.#isOnTime(nowMs)) return undefined
    // A full book has dropped records: it says nothing of those it does not have.
    if (book.size >= book.max || directory.downBy() !== undefined) return undefined
    const isHosted = complete.hostedDomains.has(email.slice(email.lastIndexOf('@') + 1))
    return isHosted && !complete.unread.has(email) ? complete.absence : undefined
  }

  userChanged(id: string): void {
    if (this.#parts.everyMs === undefined || this.#complete === undefined) return
    if (this.#changedIds.size >= MAX_CHANGED) {
      this.#complete.isConclusive = false
      return
    }
    this.#changedIds.add(id)
    if (!this.#isFollowing) void this.#follow()
  }

  state(): MirrorState {
    const nowMs = this.#parts.clock.monotonicMs()
    return {
      mode: this.#parts.everyMs === undefined ? 'lookup' : 'mirror',
      isActive: this.#isRunning,
      running: this.#pass?.progress(),
      last: this.#last,
      completeAgeMs: this.#complete === undefined ? undefined : nowMs - this.#complete.endedAtMs,
      isOnTime: this.#isOnTime(nowMs),
    }
  }

  #isOnTime(nowMs: number): boolean {
    const { everyMs, areEventsOnTime } = this.#parts
    const complete = this.#complete
    if (complete === undefined || everyMs === undefined) return false
    const tookMs = complete.endedAtMs - complete.startedAtMs
    return nowMs - complete.startedAtMs <= 1.5 * everyMs + 2 * tookMs && areEventsOnTime?.() !== false
  }

  async #run(): Promise<void> {
    const { clock, logger, everyMs } = this.#parts
    const startedAtMs = clock.monotonicMs()
    this.#isRunning = true
    let isComplete = false
    try {
      isComplete = await this.#readAll()
    } catch (thrown) {
      const error = toMailpassdError(thrown)
      const progress = this.#pass?.progress()
      this.#ended(startedAtMs, {
        result: error.code,
        users: progress?.seen ?? 0,
        kept: 0,
        faults: 0,
        calls: 0,
      })
      logger.warn({ err: error }, 'a pass over the directory failed; what was known stays')
    } finally {
      this.#pass = undefined
      this.#isRunning = false
    }
    if (everyMs === undefined || this.#stop.signal.aborted) return
    const waitMs = isComplete ? startedAtMs + everyMs - clock.monotonicMs() : Math.min(RETRY_MS, everyMs)
    this.#cancelNext = clock.after(Math.max(0, waitMs), () => void this.#run())
  }

  async #readAll(): Promise<boolean> {
    const { directory, book, hostedDomains, clock, logger, pace } = this.#parts
    const startedAtMs = clock.monotonicMs()
    const [names, profile] = await Promise.all([hostedDomains(), directory.profile()])
    const hosted = new Set(names)
    const reader = new PageReader({ book, profile, hostedDomains: hosted, startedAtMs })
    const pass = new Pass({
      directory,
      clock,
      pace,
      signal: this.#stop.signal,
      take: (entries, askedAtMs) => reader.take(entries, askedAtMs),
    })
    this.#pass = pass
    const cancel = this.#logProgress(pass)
    const result = await pass.run().finally(cancel)
    for (const email of reader.doubts) await this.#ask(email)
    const { users, faults, calls, incomplete } = result
    const { kept } = reader
    const durationMs = Math.round(clock.monotonicMs() - startedAtMs)
    this.#ended(startedAtMs, { result: incomplete ?? 'complete', users, kept, faults, calls })
    if (incomplete === 'stopped') return false
    const figures = { users, kept, faults, calls, ms: durationMs }
    if (incomplete !== undefined) {
      logger.warn(
        { ...figures, why: incomplete },
        'a pass over the directory is incomplete: nobody is absent by it',
      )
      return false
    }
    logger.info(figures, 'pass over the directory complete')
    if (kept > book.max)
      logger.warn(
        { users: kept, memory_accounts: book.max },
        'memory.accounts is smaller than the number of users: raise it, or records are looked up again and again',
      )
    const isTrusted = await this.#judgeUnread(startedAtMs, hosted, profile)
    if (!isTrusted) return false
    const absence: DirectoryRecordValue = Object.freeze({
      kind: 'record',
      lookup: Object.freeze({ kind: 'absent' }),
      profile,
      atMs: startedAtMs,
    })
    this.#complete = {
      startedAtMs,
      endedAtMs: clock.monotonicMs(),
      hostedDomains: hosted,
      unread: reader.unread,
      absence,
      isConclusive: reader.isConclusive,
    }
    return true
  }

  /**
   * Those whom we know and the pass did not read: gone, renamed while it read, or its fault. Up to 50 are asked for by
   * name. Of more, 50 are; where they are gone, the others are taken for gone by the pass's word, which the guard against
   * a mass change judges; where one is there, the pass is not to be trusted. Gives whether it is.
   */
  async #judgeUnread(
    startedAtMs: number,
    hosted: ReadonlySet<string>,
    profile: DirectoryRecordValue['profile'],
  ): Promise<boolean> {
    const { book, clock, logger } = this.#parts
    const unread: string[] = []
    let swept = 0
    for (const email of book.olderThan(startedAtMs)) {
      if (hosted.has(email.slice(email.lastIndexOf('@') + 1))) unread.push(email)
      swept += 1
      if (swept % SWEPT_AT_ONCE === 0) await setImmediate()
    }
    let there = 0
    for (const email of unread.slice(0, MAX_ASKED)) {
      const found = await this.#ask(email)
      if (found === undefined) return false
      if (found.lookup.kind !== 'absent') there += 1
    }
    if (unread.length <= MAX_ASKED) return true
    if (there > 0) {
      logger.warn(
        { unread: unread.length, there, asked: MAX_ASKED },
        'a pass over the directory left out users who are there: it is not trusted',
      )
      return false
    }
    const atMs = clock.monotonicMs()
    for (const [index, email] of unread.slice(MAX_ASKED).entries()) {
      book.put(email, { kind: 'record', lookup: { kind: 'absent' }, profile, atMs: startedAtMs })
      if (index % TAKEN_FOR_GONE_AT_ONCE === 0) await setImmediate()
    }
    logger.info(
      { users: unread.length, ms: Math.round(clock.monotonicMs() - atMs) },
      'users are gone from the directory',
    )
    return true
  }

  /** What the directory says of one address, put into the book; undefined where it does not answer. */
  async #ask(email: string): Promise<DirectoryRecordValue | undefined> {
    const { directory, book, pace, clock, logger } = this.#parts
    await pace.turn()
    const atMs = clock.monotonicMs()
    try {
      const [lookup, shown] = await Promise.all([directory.findByEmail(email), directory.profile()])
      // Rule 8, as for the look-up of a login.
      const isHidden = shown.hashVisible && lostHashes(book.stored(email), lookup)
      const profile = isHidden
        ? await directory.profile(atMs).catch(() => ({ ...shown, hashVisible: false }))
        : shown
      const record: DirectoryRecordValue = { kind: 'record', lookup, profile, atMs }
      book.put(email, record)
      return record
    } catch (error) {
      book.invalidate(email, atMs)
      logger.debug({ err: error }, 'an address in doubt could not be asked for')
      return undefined
    }
  }

  /** Users of whom an event told: also new ones, whom no record speaks of yet. */
  async #follow(): Promise<void> {
    const { directory, pace, logger } = this.#parts
    this.#isFollowing = true
    for (const id of this.#changedIds) {
      if (this.#stop.signal.aborted) break
      this.#changedIds.delete(id)
      try {
        await pace.turn()
        const user = await directory.findById(id)
        const isOurs = user !== undefined && this.#complete?.hostedDomains.has(domainOf(user.email)) === true
        if (isOurs) await this.#ask(user.email)
      } catch (error) {
        logger.debug({ err: error }, 'a user who changed could not be asked for')
        // A new one may be nobody's to see until the next pass.
        if (this.#complete !== undefined) this.#complete.isConclusive = false
      }
    }
    this.#isFollowing = false
  }

  #ended(startedAtMs: number, pass: Omit<LastPass, 'endedAtMs' | 'durationMs'>): void {
    const { clock } = this.#parts
    const durationMs = Math.round(clock.monotonicMs() - startedAtMs)
    this.#last = { ...pass, endedAtMs: clock.nowMs(), durationMs }
  }

  #logProgress(pass: Pass): Cancel {
    const { clock, logger } = this.#parts
    let cancel: Cancel = () => {}
    const next = () => {
      cancel = clock.after(PROGRESS_EVERY_MS, () => {
        const { seen, expected, perSecond, remainingMs } = pass.progress()
        const seconds = Math.round(remainingMs / 1000)
        logger.info(
          { users: seen, of: expected, per_second: Math.round(perSecond), remaining_seconds: seconds },
          'pass over the directory',
        )
        next()
      })
    }
    next()
    return () => cancel()
  }
}

function domainOf(email: string): string {
  return email.slice(email.lastIndexOf('@') + 1)
}
