/**
 * What the directory said of whom it has, by address: filled by the look-ups of logins, by passes and by a snapshot, and
 * read by each login. An entry of the memory may come and go; what the directory said of its address stays here.
 * Addresses that nobody has are not kept: made-up names would push out real ones.
 */
import { LRUCache } from 'lru-cache'
import type { Lookup } from '../directory/directory.ts'
import type { DirectoryPart } from './account.ts'

export type DirectoryRecordValue = Extract<DirectoryPart, { kind: 'record' }>

const NO_EMAILS: readonly string[] = []

export class RecordBook {
  readonly #records: LRUCache<string, DirectoryRecordValue>
  /** Directory id -> the addresses whose record speaks of it: one, but for a realm that gives an address twice. */
  readonly #emailsById = new Map<string, readonly string[]>()
  /** Monotonic time of the last word that a record may be wrong, while there is no younger one. */
  readonly #invalidAtMs = new Map<string, number>()

  constructor(maxRecords: number) {
    this.#records = new LRUCache({
      max: maxRecords,
      dispose: (record, email, reason) => {
        if (reason !== 'set') this.#invalidAtMs.delete(email)
        for (const id of idsOf(record.lookup)) this.#unlink(id, email)
      },
    })
  }

  get size(): number {
    return this.#records.size
  }

  find(email: string): DirectoryRecordValue | undefined {
    return this.#records.get(email)
  }

  /** Replaces what was known of the address; `absent` takes it out. A record older than what is there is left out. */
  put(email: string, record: DirectoryRecordValue): void {
    const last = this.#records.peek(email)
    if (last !== undefined && last.atMs > record.atMs) return
    if (record.atMs > (this.#invalidAtMs.get(email) ?? Infinity)) this.#invalidAtMs.delete(email)
    if (record.lookup.kind === 'absent') {
      this.#records.delete(email)
      return
    }
    this.#records.set(email, record)
    for (const id of idsOf(record.lookup)) this.#link(id, email)
  }

  emailsOf(id: string): readonly string[] {
    return this.#emailsById.get(id) ?? NO_EMAILS
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
    const emails = this.#emailsById.get(id)
    if (emails === undefined) this.#emailsById.set(id, [email])
    else if (!emails.includes(email)) this.#emailsById.set(id, [...emails, email])
  }

  #unlink(id: string, email: string): void {
    const rest = (this.#emailsById.get(id) ?? NO_EMAILS).filter((other) => other !== email)
    if (rest.length === 0) this.#emailsById.delete(id)
    else this.#emailsById.set(id, rest)
  }
}

function idsOf(lookup: Lookup): string[] {
  switch (lookup.kind) {
    case 'found':
      return [lookup.user.id]
    case 'ambiguous':
      return lookup.users.map(({ id }) => id)
    case 'absent':
    case 'other_email':
      return []
  }
}
