/** The password pool as the credential room needs it. */
import type { Secret } from '../secret.ts'
import type { Ticket } from '../policy/ticket.ts'

/** `unusable`: malformed, unknown, forbidden or too costly; `busy`: no room before the ticket's deadline. */
export type HashAnswer = 'match' | 'mismatch' | 'busy' | { readonly unusable: string }

export interface HashVerifier {
  /** Compares a stored `{SCHEME}hash` with a password. Never throws. Cheap schemes answer at once. */
  verify(hash: string, secret: Secret, ticket: Ticket): HashAnswer | Promise<HashAnswer>
}
