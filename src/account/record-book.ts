/**
 * What the directory said of whom it has, by address: filled by the look-ups of logins, by passes and by a snapshot, and
 * read by each login. An entry of the memory may come and go; what the directory said of its address stays here.
 * Addresses that nobody has are not kept: made-up names would push out real ones.
 *
 * The one place where records come in: so the guard against a mass change (account/mass-change.ts) stands here.
 */
import { LRUCache } from 'lru-cache'
import type { Lookup } from '../directory/directory.ts'
import type { DirectoryPart } from './account.ts'
import { withHiddenHashes } from './hidden-hash.ts'
import type { MassChangeGuard } from './mass-change.ts'

export type DirectoryRecordValue = Extract<DirectoryPart, { kind: 'record' }>

/** Is told what changed in the book. */
export interface RecordWatcher {
  /** `last` is what was known before. */
  put(email: string, record: DirectoryRecordValue, last: DirectoryRecordValue | undefined): void
  /** Nobody has the address, or there was no room for its record. `wasKnown`: there was a record. */
  gone(email: string, wasKnown: boolean): void
  /** Another record counts than before, without the directory having said anything new. */
  switched(emails: Iterable<string>): void
}

const NO_EMAILS: readonly string[] = []

export class RecordBook {
  readonly #records: LRUCache<string, DirectoryRecordValue>
  readonly #guard: MassChangeGuard | undefined
  #watcher: RecordWatcher | undefined
  /** Directory id -> the address whose record speaks of it, or the addresses in a realm that gives one twice. */
  readonly #emailsById = new Map<string, string | readonly string[]>()
  /** Monotonic time of the last word that a record may be wrong, while there is no younger one. */
  readonly #invalidAtMs = new Map<string, number>()

  constructor(maxRecords: number, guard?: MassChangeGuard) {
    this.#guard = guard
    this.#records = new LRUCache({
      max: maxRecords,
      dispose: (record, email, reason) => {
        if (reason !== 'set') this.#invalidAtMs.delete(email)
        if (reason === 'evict') this.#watcher?.gone(email, true)
        for (const id of idsOf(record.lookup)) this.#unlink(id, email)
      },
    })
    if (guard !== undefined) guard.onSwitch = (emails) => this.#watcher?.switched(emails)
  }

  get size(): number {
    return this.#records.size
  }

  get max(): number {
    return this.#records.max
  }

  /** At most one; it is called for each record. */
  watch(watcher: RecordWatcher): void {
    this.#watcher = watcher
  }

  find(email: string): DirectoryRecordValue | undefined {
    return this.#guard?.standIn(email) ?? this.#records.get(email)
  }

  /** As find, without saying that it is in use. */
  peek(email: string): DirectoryRecordValue | undefined {
    return this.#guard?.standIn(email) ?? this.#records.peek(email)
  }

  /** What the directory said last, whether it counts or the guard holds it. */
  stored(email: string): DirectoryRecordValue | undefined {
    return this.#records.peek(email)
  }

  /** A record from the snapshot: for whom there is none yet, and while there is room. Nobody is told. */
  restore(email: string, record: DirectoryRecordValue): void {
    if (this.#records.size >= this.#records.max || this.#records.peek(email) !== undefined) return
    this.#records.set(email, record)
    for (const id of idsOf(record.lookup)) this.#link(id, email)
  }

  /** Addresses of records that were asked for before this monotonic time. */
  *olderThan(atMs: number): Generator<string> {
    for (const [email, record] of this.#records.entries()) if (record.atMs < atMs) yield email
  }

  /**
   * Replaces what was known of the address, but for hashes that the realm only hides (hidden-hash.ts); `absent` takes it
   * out. A record older than what is there is left out. Gives what counts from now on: the record, or what was known
   * where the guard holds it, which judges what the directory said.
   */
  put(email: string, found: DirectoryRecordValue): DirectoryRecordValue {
    const last = this.#records.peek(email)
    if (last !== undefined && last.atMs > found.atMs) return this.peek(email) ?? last
    if (this.#guard !== undefined) {
      const known = last ?? this.#guard.before(email)
      if (known !== undefined) this.#guard.judge(email, known, found, this.#records.size)
    }
    const record = withHiddenHashes(last, found)
    if (record.atMs > (this.#invalidAtMs.get(email) ?? Infinity)) this.#invalidAtMs.delete(email)
    if (record.lookup.kind === 'absent') {
      this.#records.delete(email)
      this.#watcher?.gone(email, last !== undefined)
    } else {
      this.#records.set(email, record)
      for (const id of idsOf(record.lookup)) this.#link(id, email)
      this.#watcher?.put(email, record, last)
    }
    return this.#guard?.standIn(email) ?? record
  }

  /** Monotonic time at which the directory was last asked about the record that counts: later than its own where held. */
  askedAtMs(email: string, record: DirectoryRecordValue): number {
    return this.#guard?.heardAtMs(email) ?? record.atMs
  }

  emailsOf(id: string): readonly string[] {
    const emails = this.#emailsById.get(id)
    return typeof emails === 'string' ? [emails] : (emails ?? NO_EMAILS)
  }

  /** What was asked for at or before `nowMs` does not count any more; it still serves where the directory is down. */
  invalidate(email: string, nowMs: number): void {
    if (this.#records.peek(email) !== undefined) this.#invalidAtMs.set(email, nowMs)
  }

  invalidAtMs(email: string): number {
    return this.#invalidAtMs.size === 0
      ? Number.NEGATIVE_INFINITY
      : (this.#invalidAtMs.get(email) ?? Number.NEGATIVE_INFINITY)
  }

  #link(id: string, email: string): void {
    const emails = this.emailsOf(id)
    if (emails.length === 0) this.#emailsById.set(id, email)
    else if (!emails.includes(email)) this.#emailsById.set(id, [...emails, email])
  }

  #unlink(id: string, email: string): void {
    const rest = this.emailsOf(id).filter((other) => other !== email)
    const [only] = rest
    if (only === undefined) this.#emailsById.delete(id)
    else this.#emailsById.set(id, rest.length === 1 ? only : rest)
  }
}

function idsOf(lookup: Lookup): readonly string[] {
  switch (lookup.kind) {
    case 'found':
      return [lookup.user.id]
    case 'ambiguous':
      return lookup.users.map(({ id }) => id)
    case 'absent':
    case 'other_email':
      return NO_EMAILS
  }
}
