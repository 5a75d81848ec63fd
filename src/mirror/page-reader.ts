/**
 * Puts the pages of one pass into the record book. A page says of a user what a look-up by e-mail would say, but for two
 * things: whether somebody else has the same address, and whether a hash that is gone is only hidden. Where there is a
 * reason to ask, the address is asked for by itself.
 */
import type { DirectoryRecordValue, RecordBook } from '../account/record-book.ts'
import type { PageEntry } from '../directory/directory.ts'
import type { DirectoryProfile, DirectoryUser } from '../directory/user.ts'

/** Addresses that are asked for by themselves; more wait for their login. */
const MAX_DOUBTS = 1000

export interface PageReaderParts {
  readonly book: RecordBook
  readonly profile: DirectoryProfile
  readonly hostedDomains: ReadonlySet<string>
  /** Monotonic. */
  readonly startedAtMs: number
}

export class PageReader {
  readonly #parts: PageReaderParts
  /** Addresses of which a page alone cannot tell what a look-up would. */
  readonly doubts = new Set<string>()
  /** Addresses of users who could not be read. */
  readonly unread = new Set<string>()
  /** Users of hosted domains, those in doubt among them. */
  kept = 0
  /** Whether an address that nobody was read with is nobody's. */
  isConclusive = true

  constructor(parts: PageReaderParts) {
    this.#parts = parts
  }

  take(entries: readonly PageEntry[], askedAtMs: number): void {
    for (const entry of entries) {
      if (entry.kind === 'user') this.#takeUser(entry.user, askedAtMs)
      else this.#takeFault(entry.email)
    }
  }

  isHosted(email: string): boolean {
    return this.#parts.hostedDomains.has(email.slice(email.lastIndexOf('@') + 1))
  }

  #takeFault(email: string | undefined): void {
    if (email === '' || (email !== undefined && !this.isHosted(email))) return
    if (email === undefined || this.unread.size >= MAX_DOUBTS) this.isConclusive = false
    else this.unread.add(email)
  }

  #takeUser(user: DirectoryUser, askedAtMs: number): void {
    const { book, profile, startedAtMs } = this.#parts
    const { email } = user
    this.#leaveOtherAddresses(user, askedAtMs)
    if (!this.isHosted(email)) return
    const last = book.stored(email)
    // Pages overlap.
    if ((last === undefined || last.atMs < startedAtMs) && !this.doubts.has(email)) this.kept += 1
    if (last !== undefined && isInDoubt(last, user, startedAtMs)) {
      if (this.doubts.size < MAX_DOUBTS) {
        this.doubts.add(email)
        return
      }
      // A hash that is gone from so many is the guard's to judge; the others are asked for when they log in.
      if (last.lookup.kind !== 'found' || last.lookup.user.id !== user.id) {
        book.invalidate(email, askedAtMs)
        return
      }
    }
    book.put(email, recordOf(user, last, profile, askedAtMs))
  }

  /** Addresses that this user had before. */
  #leaveOtherAddresses(user: DirectoryUser, askedAtMs: number): void {
    for (const other of this.#parts.book.emailsOf(user.id))
      if (other !== user.email) this.#parts.book.invalidate(other, askedAtMs)
  }
}

/** The same user's value is kept where nothing changed: less to collect, and what rests on it stays. */
function recordOf(
  user: DirectoryUser,
  last: DirectoryRecordValue | undefined,
  profile: DirectoryProfile,
  atMs: number,
): DirectoryRecordValue {
  const wasSame = last?.lookup.kind === 'found' && last.lookup.user.id === user.id
  const lookup =
    wasSame && isSameUser(last.lookup.user, user) ? last.lookup : ({ kind: 'found', user } as const)
  // Of a new one nobody knows yet whether a later page has another user with the address.
  return wasSame && last.isUnconfirmed !== true
    ? { kind: 'record', lookup, profile, atMs }
    : { kind: 'record', lookup, profile, atMs, isUnconfirmed: true }
}

function isInDoubt(last: DirectoryRecordValue, user: DirectoryUser, startedAtMs: number): boolean {
  if (last.lookup.kind !== 'found') return true
  const was = last.lookup.user
  if (was.id !== user.id) return last.atMs >= startedAtMs
  return user.enabled && user.hashes.length === 0 && was.hashes.length > 0
}

/** Whether both say the same of the same user. */
export function isSameUser(a: DirectoryUser, b: DirectoryUser): boolean {
  return (
    a.id === b.id &&
    a.email === b.email &&
    a.username === b.username &&
    a.enabled === b.enabled &&
    a.emailVerified === b.emailVerified &&
    a.lockedOut === b.lockedOut &&
    a.firstName === b.firstName &&
    a.lastName === b.lastName &&
    a.template === b.template &&
    isSameList(a.hashes, b.hashes) &&
    isSameList(a.requiredActions, b.requiredActions)
  )
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}
