/**
 * The snapshot (design §3 rule 10): records kept in the store, sealed with a key that is not in it, for a start while the
 * directory is down. Written behind, a few seconds after a record changed; read at the start in the background. A record
 * read from it is as old as it is: it serves an outage, and is asked for again by the first login while the directory
 * answers.
 *
 * Over 300 lines: writing and reading share what is dirty, gone and hosted.
 */
import { setImmediate } from 'node:timers/promises'
import type { DirectoryRecordValue, RecordBook } from '../account/record-book.ts'
import type { Cancel, Clock } from '../clock.ts'
import { toMailpassdError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { isSameUser } from './page-reader.ts'
import type { RecordKey } from './record-key.ts'

export interface SnapshotRow {
  readonly address: string
  /** When the directory was asked, wall-clock. */
  readonly atMs: number
  readonly sealed: string
}

/** The store as the snapshot needs it. Throws MailpassdError store_*. */
export interface SnapshotRows {
  /** By address, at most `limit` behind `after`, none older than `sinceMs`. */
  readRecords(
    keyId: string,
    range: { readonly after: string; readonly sinceMs: number; readonly limit: number },
  ): Promise<readonly SnapshotRow[]>
  /** Of other keys. */
  countOtherRecords(keyId: string, sinceMs: number): Promise<number>
  writeRecords(keyId: string, rows: readonly SnapshotRow[]): Promise<void>
  deleteRecords(keyId: string, addresses: readonly string[]): Promise<void>
  deleteRecordsBefore(atMs: number): Promise<number>
}

export interface SnapshotParts {
  readonly rows: SnapshotRows
  readonly key: RecordKey
  readonly book: RecordBook
  /** Throws MailpassdError store_*. */
  readonly hostedDomains: () => Promise<readonly string[]>
  /** directory.outage_hours: older rows are not loaded, and deleted. */
  readonly outageMs: number
  readonly clock: Clock
  readonly logger: Logger
}

export interface SnapshotState {
  readonly isLoading: boolean
  readonly loaded: number
  readonly written: number
  readonly pending: number
  /** Rows of our key that could not be opened. */
  readonly unreadable: number
  readonly isFailing: boolean
}

const WRITE_EVERY_MS = 3000
/** Rows of one transaction. */
const WRITTEN_AT_ONCE = 500
/** Sealed between two breaths of the event loop: 10 us each. */
const SEALED_AT_ONCE = 100
const READ_AT_ONCE = 200
/** Opened between two breaths. */
const OPENED_AT_ONCE = 50
const BETWEEN_BATCHES_MS = 100
const DELETE_EVERY_MS = 10 * 60 * 1000
/** Nodes' clocks differ by so much; a row from later than that has no age. */
const SKEW_MS = 5 * 60 * 1000
/** What a clock may drift against the monotonic one between two looks before it was set. */
const SET_MS = 60_000
const DOMAINS_FRESH_MS = 60_000
/** Made-up names are among them. */
const MAX_ABSENT = 100_000
/** How long the last rows may take when the daemon stops. */
const LAST_WRITE_MS = 2000

export class Snapshot {
  readonly #parts: SnapshotParts
  readonly #dirty = new Set<string>()
  readonly #gone = new Set<string>()
  /** While it loads: who turned out to be nobody's. */
  readonly #absent = new Set<string>()
  /** Of a record that says the same again only its age is written, when it enters the next of these. */
  readonly #ageStepMs: number
  #cancel: Cancel = () => {}
  #endPause: () => void = () => {}
  #isStopped = false
  #isLoading = false
  #isFailing = false
  #loaded = 0
  #written = 0
  #unreadable = 0
  #deletedAtMs: number
  /** Wall-clock minus monotonic. */
  #offsetMs: number
  #domains: { readonly names: ReadonlySet<string>; readonly atMs: number } | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(parts: SnapshotParts) {
    this.#parts = parts
    const { clock, outageMs, book } = parts
    this.#ageStepMs = Math.max(60_000, outageMs / 24)
    this.#deletedAtMs = clock.monotonicMs()
    this.#offsetMs = clock.nowMs() - clock.monotonicMs()
    book.watch({
      put: (email, record, last) => this.#put(email, record, last),
      gone: (email, wasKnown) => this.#forget(email, wasKnown),
      switched: (emails) => {
        for (const email of emails) this.#dirty.add(email)
      },
    })
  }

  /** Reads what is there, in the background, and writes from then on. */
  start(): void {
    void this.#load()
    this.#schedule(WRITE_EVERY_MS)
  }

  /** Writes what is left, for 2 s at most. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel()
    this.#endPause()
    await this.#writing
    const over = Promise.withResolvers<void>()
    const cancel = this.#parts.clock.after(LAST_WRITE_MS, over.resolve)
    await Promise.race([this.#write(0), over.promise])
    cancel()
  }

  state(): SnapshotState {
    return {
      isLoading: this.#isLoading,
      loaded: this.#loaded,
      written: this.#written,
      pending: this.#dirty.size + this.#gone.size,
      unreadable: this.#unreadable,
      isFailing: this.#isFailing,
    }
  }

  #put(email: string, record: DirectoryRecordValue, last: DirectoryRecordValue | undefined): void {
    this.#gone.delete(email)
    const isNewAge =
      last !== undefined &&
      Math.floor(last.atMs / this.#ageStepMs) !== Math.floor(record.atMs / this.#ageStepMs)
    if (last === undefined || isNewAge || !saysTheSame(last, record)) this.#dirty.add(email)
  }

  #forget(email: string, wasKnown: boolean): void {
    const wasDirty = this.#dirty.delete(email)
    if (wasKnown || wasDirty) this.#gone.add(email)
    // It may have a row that is not read yet.
    else if (this.#isLoading && this.#absent.size < MAX_ABSENT) this.#absent.add(email)
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return
    this.#cancel = this.#parts.clock.after(delayMs, () => {
      this.#writing = this.#turn().finally(() => this.#schedule(WRITE_EVERY_MS))
    })
  }

  async #turn(): Promise<void> {
    const { clock, rows, outageMs } = this.#parts
    const offsetMs = clock.nowMs() - clock.monotonicMs()
    const wasSet = Math.abs(offsetMs - this.#offsetMs) > SET_MS
    this.#offsetMs = offsetMs
    await this.#write(BETWEEN_BATCHES_MS)
    // What was too old, or of the future, may have an age now.
    if (wasSet) await this.#load()
    const nowMs = clock.monotonicMs()
    if (wasSet) this.#deletedAtMs = nowMs
    if (nowMs - this.#deletedAtMs < DELETE_EVERY_MS) return
    this.#deletedAtMs = nowMs
    await rows.deleteRecordsBefore(clock.nowMs() - outageMs).catch((error: unknown) => this.#failed(error))
  }

  async #write(pauseMs: number): Promise<void> {
    const { rows, key } = this.#parts
    try {
      await this.#deleteGone()
      while (this.#dirty.size > 0) {
        const some = take(this.#dirty, WRITTEN_AT_ONCE)
        const sealed = await this.#seal(some)
        await this.#orBack(some, this.#dirty, rows.writeRecords(key.id, sealed))
        this.#written += sealed.length
        if (pauseMs > 0 && this.#dirty.size > 0) await this.#pause(pauseMs)
      }
      // Whose records were found to be gone when they were to be written.
      await this.#deleteGone()
      if (this.#isFailing) this.#parts.logger.info({}, 'the snapshot of the directory is written again')
      this.#isFailing = false
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Between two batches; over at once where the daemon stops. */
  async #pause(ms: number): Promise<void> {
    if (this.#isStopped) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#endPause = resolve
    const cancel = this.#parts.clock.after(ms, resolve)
    await promise
    cancel()
  }

  async #deleteGone(): Promise<void> {
    const { rows, key } = this.#parts
    while (this.#gone.size > 0 && !this.#isLoading) {
      const some = take(this.#gone, WRITTEN_AT_ONCE)
      await this.#orBack(some, this.#gone, rows.deleteRecords(key.id, some))
    }
  }

  /** What could not be written stays to be. */
  async #orBack(some: readonly string[], set: Set<string>, writing: Promise<void>): Promise<void> {
    try {
      await writing
    } catch (error) {
      for (const email of some) set.add(email)
      throw error
    }
  }

  #failed(thrown: unknown): void {
    if (!this.#isFailing)
      this.#parts.logger.warn(
        { err: toMailpassdError(thrown) },
        'the snapshot of the directory cannot be written',
      )
    this.#isFailing = true
  }

  async #seal(emails: readonly string[]): Promise<readonly SnapshotRow[]> {
    const { book, clock, key } = this.#parts
    const hosted = await this.#hosted()
    const offsetMs = clock.nowMs() - clock.monotonicMs()
    const sealed: SnapshotRow[] = []
    for (const [index, address] of emails.entries()) {
      if (index % SEALED_AT_ONCE === SEALED_AT_ONCE - 1) await setImmediate()
      const record = book.peek(address)
      // The guard held it, and holds it no more: what was written meanwhile must not come back.
      if (record === undefined) this.#gone.add(address)
      if (record === undefined || !hosted.has(domainOf(address))) continue
      const atMs = Math.round(record.atMs + offsetMs)
      const { lookup, profile, hashesAtMs } = record
      const older = hashesAtMs === undefined ? {} : { hashesOlderMs: record.atMs - hashesAtMs }
      const text = key.seal(address, atMs, { lookup, profile, ...older })
      // What is not kept must not leave an older word behind.
      if (text === undefined) this.#gone.add(address)
      else sealed.push({ address, atMs, sealed: text })
    }
    return sealed
  }

  async #load(): Promise<void> {
    if (this.#isLoading) return
    this.#isLoading = true
    try {
      await this.#loadAll()
    } catch (thrown) {
      this.#parts.logger.warn(
        { err: toMailpassdError(thrown) },
        'the snapshot of the directory cannot be read',
      )
    } finally {
      this.#isLoading = false
      this.#absent.clear()
    }
  }

  async #loadAll(): Promise<void> {
    const { rows, key, clock, outageMs, book, logger } = this.#parts
    const startedAtMs = clock.monotonicMs()
    const hosted = await this.#hosted()
    const sinceMs = clock.nowMs() - outageMs
    let loaded = 0
    let unreadable = 0
    let ofFuture = 0
    let after = ''
    for (;;) {
      const some = await rows.readRecords(key.id, { after, sinceMs, limit: READ_AT_ONCE })
      for (const [index, row] of some.entries()) {
        if (index % OPENED_AT_ONCE === OPENED_AT_ONCE - 1) await setImmediate()
        if (this.#isStopped || book.size >= book.max) return
        if (this.#absent.has(row.address)) this.#gone.add(row.address)
        if (!hosted.has(domainOf(row.address)) || this.#gone.has(row.address)) continue
        const ageMs = clock.nowMs() - row.atMs
        if (ageMs < -SKEW_MS) ofFuture += 1
        else if (this.#restore(row, Math.max(0, ageMs))) loaded += 1
        else unreadable += 1
      }
      const last = some.at(-1)
      if (last === undefined || some.length < READ_AT_ONCE) break
      after = last.address
    }
    this.#loaded += loaded
    this.#unreadable = unreadable
    if (loaded > 0)
      logger.info(
        { records: loaded, ms: Math.round(clock.monotonicMs() - startedAtMs) },
        'snapshot of the directory read',
      )
    if (unreadable > 0)
      logger.warn({ rows: unreadable }, 'rows of the snapshot were changed by somebody and are not used')
    if (ofFuture > 0)
      logger.warn(
        { rows: ofFuture },
        'rows of the snapshot are of the future and are not used: was the clock set back?',
      )
    const others = await rows.countOtherRecords(key.id, sinceMs)
    if (others > 0)
      logger.info(
        { rows: others },
        "rows of the snapshot are sealed with another key, another node's or an old one: not used",
      )
  }

  /** False where the row cannot be opened. A younger record stays. */
  #restore(row: SnapshotRow, ageMs: number): boolean {
    const content = this.#parts.key.open(row.address, row.atMs, row.sealed)
    if (content === undefined) return false
    const atMs = this.#parts.clock.monotonicMs() - ageMs
    const { lookup, profile, hashesOlderMs } = content
    const hashes = hashesOlderMs === undefined ? {} : { hashesAtMs: atMs - hashesOlderMs }
    this.#parts.book.restore(row.address, { kind: 'record', lookup, profile, atMs, ...hashes })
    return true
  }

  async #hosted(): Promise<ReadonlySet<string>> {
    const nowMs = this.#parts.clock.monotonicMs()
    if (this.#domains !== undefined && nowMs - this.#domains.atMs < DOMAINS_FRESH_MS)
      return this.#domains.names
    const names = new Set(await this.#parts.hostedDomains())
    this.#domains = { names, atMs: nowMs }
    return names
  }
}

function saysTheSame(a: DirectoryRecordValue, b: DirectoryRecordValue): boolean {
  if (a.hashesAtMs !== b.hashesAtMs || a.profile.hashVisible !== b.profile.hashVisible) return false
  if (a.lookup === b.lookup) return true
  return a.lookup.kind === 'found' && b.lookup.kind === 'found' && isSameUser(a.lookup.user, b.lookup.user)
}

function take(set: Set<string>, most: number): string[] {
  const some: string[] = []
  for (const value of set) {
    if (some.length >= most) break
    some.push(value)
    set.delete(value)
  }
  return some
}

function domainOf(email: string): string {
  return email.slice(email.lastIndexOf('@') + 1)
}
