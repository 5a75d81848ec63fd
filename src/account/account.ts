/**
 * Everything a login needs to know, in one immutable value. Each part carries the monotonic time as of which it is
 * true. No later room loads anything.
 */
import type { Address } from '../login/address.ts'
import type { Why } from '../login/outcome.ts'
import type { DirectorySettings } from '../config/settings.ts'
import type { Lookup } from '../directory/directory.ts'
import type { DirectoryProfile, DirectoryUser } from '../directory/user.ts'
import { needsDirectory } from './needs-directory.ts'
import type { StoredAccount } from './stored.ts'

export type DirectoryPart =
  /** The mailbox does not take its password from the directory, or the domain is not ours. */
  | { readonly kind: 'not_needed' }
  | {
      readonly kind: 'record'
      readonly lookup: Lookup
      readonly profile: DirectoryProfile
      readonly atMs: number
      /**
       * As of when its hashes are, where the record itself has none because the realm hides them from us (rule 8).
       * Absent: as the record.
       */
      readonly hashesAtMs?: number
      /** Read from a page, and nobody knows yet whether a later page has another user with the address. */
      readonly isUnconfirmed?: true
    }
  /** Not found out, and no record young enough is there. */
  | { readonly kind: 'failed'; readonly why: Why }

export const NOT_NEEDED: DirectoryPart = Object.freeze({ kind: 'not_needed' })

export interface Account {
  readonly address: Address
  readonly stored: StoredAccount
  readonly storedAtMs: number
  /** The database is down, and the rows are older than rows may be otherwise (rule 13). */
  readonly rowsAreOld?: true
  readonly directory: DirectoryPart
}

/** The account over rows that were read again, under the writer's lock: what is not needed of the directory goes. */
export function withRows(account: Account, stored: StoredAccount, settings: DirectorySettings): Account {
  return needsDirectory(stored, settings)
    ? { ...account, stored }
    : { ...account, stored, directory: NOT_NEEDED }
}

/**
 * Which directory user this account belongs to. A known identity alone counts: another user with the same address
 * (a new hire, a self-chosen e-mail) is `stranger`, whose password is compared but never opens the mailbox.
 */
export type Owner =
  | { readonly kind: 'none_needed' }
  | { readonly kind: 'user'; readonly user: DirectoryUser; readonly profile: DirectoryProfile }
  | { readonly kind: 'stranger'; readonly user: DirectoryUser }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown'; readonly why: Why }

export function ownerOf(account: Account): Owner {
  const { directory } = account
  if (directory.kind === 'not_needed') return { kind: 'none_needed' }
  if (directory.kind === 'failed') return { kind: 'unknown', why: directory.why }
  const { lookup, profile } = directory
  const identity = account.stored.mailbox?.directoryId
  switch (lookup.kind) {
    case 'absent':
      return { kind: 'absent' }
    case 'other_email':
      return { kind: 'unknown', why: 'directory_email_differs' }
    case 'ambiguous': {
      const known = identity === undefined ? undefined : lookup.users.find((user) => user.id === identity)
      return known === undefined
        ? { kind: 'unknown', why: 'directory_ambiguous' }
        : { kind: 'user', user: known, profile }
    }
    case 'found':
      if (identity !== undefined && identity !== lookup.user.id)
        return { kind: 'stranger', user: lookup.user }
      return { kind: 'user', user: lookup.user, profile }
  }
}
