/** The password pool as the credential room needs it. */
import type { Secret } from '../secret.ts'
import type { Ticket } from '../policy/ticket.ts'

/** `unusable`: malformed, unknown, forbidden or too costly; `busy`: no room before the ticket's deadline. */
export type HashAnswer = 'match' | 'mismatch' | 'busy' | { readonly unusable: string }

export interface HashVerifier {
  /** Compares a stored `{SCHEME}hash` with a password. Never throws. Cheap schemes answer at once. */
  verify(hash: string, secret: Secret, ticket: Ticket): HashAnswer | Promise<HashAnswer>
}

/** What is known of a stored hash without a password. */
export interface HashFacts {
  /** Its scheme as our table writes it; absent where none is known. */
  readonly scheme: string | undefined
  /** Unsalted, DES, MD5 or plain text; `unusable` says whether it is compared nevertheless. */
  readonly weak: boolean
  /** Why it is never compared; a constant, nothing of the hash. */
  readonly unusable: string | undefined
}

export interface HashInspector {
  /** Never throws, never compares. */
  inspect(hash: string): HashFacts
}
