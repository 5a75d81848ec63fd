/** The directory as a port: Keycloak and the realm export file implement it (test/contract/directory.ts). */
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

export interface Directory {
  /**
   * The user with exactly this e-mail address (lower case). Gives up after 15 s.
   * Throws MailpassdError directory_unavailable, directory_refused or directory_invalid; never says `absent`
   * for anything but a directory that answered that there is none.
   */
  findByEmail(email: string): Promise<Lookup>
  /** The user with this id, or undefined when the directory has none. Throws as findByEmail. */
  findById(id: string): Promise<DirectoryUser | undefined>
  /** The realm's rules on attributes and e-mail; cached for a minute. Throws as findByEmail. */
  profile(): Promise<DirectoryProfile>
  close(): Promise<void>
}
