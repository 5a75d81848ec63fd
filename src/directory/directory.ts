/** The directory as a port: Keycloak and the realm export file implement it (test/contract/directory.ts). */
import type { ChangeFeed } from './changes.ts'
import type { DirectoryProfile, DirectoryUser } from './user.ts'

/**
 * What a look-up by e-mail found. `ambiguous` carries every hit whose e-mail equals the one asked for, so that a
 * known identity can be picked out. Hits with another e-mail are a fault of the directory: `other_email`.
 */
export type Lookup =
  | { readonly kind: 'found'; readonly user: DirectoryUser }
  | { readonly kind: 'absent' }
  | { readonly kind: 'ambiguous'; readonly users: readonly DirectoryUser[] }
  | { readonly kind: 'other_email' }

/** One place of a page: a user, or why what is there is none. Each fault is that user's alone. */
export type PageEntry =
  | { readonly kind: 'user'; readonly user: DirectoryUser }
  | {
      readonly kind: 'fault'
      readonly id: string | undefined
      /** As parsed users have it, '' for none; undefined where not even that can be told. */
      readonly email: string | undefined
      readonly reason: string
    }

/** Places counted from 0, in the directory's own order, which changes only where users come, go or are renamed. */
export interface PageWish {
  readonly first: number
  readonly max: number
}

export interface Directory {
  /**
   * The user with exactly this e-mail address (lower case). Gives up after 15 s.
   * Throws MailpassdError directory_unavailable, directory_refused or directory_invalid; never says `absent`
   * for anything but a directory that answered that there is none.
   */
  findByEmail(email: string): Promise<Lookup>
  /** The user with this id, or undefined when the directory has none. Throws as findByEmail. */
  findById(id: string): Promise<DirectoryUser | undefined>
  /** How many users there are. Throws as findByEmail. */
  count(): Promise<number>
  /**
   * At most `max` users from place `first` on; none behind the end. Users who come and go between two calls shift all
   * behind them: directory/pass.ts reads over that. Gives up after 60 s. Throws as findByEmail; directory_invalid, too,
   * where the page is longer than 8 MiB: a smaller one may not be.
   */
  page(wish: PageWish): Promise<readonly PageEntry[]>
  /** Its reports of changes; absent where it makes none (a realm file is looked at each second anyway). */
  readonly changes?: ChangeFeed
  /**
   * The realm's rules on attributes and e-mail; cached for a minute. With `sinceMs` (monotonic) a reading that was begun
   * no earlier, of which there is one a minute: throws directory_unavailable in between. Throws as findByEmail.
   */
  profile(sinceMs?: number): Promise<DirectoryProfile>
  close(): Promise<void>
}
