/** The words of one kind of work: every Dovecot ends the live sessions of a mailbox. */

export const END_SESSIONS = 'end_sessions'

/** Why sessions are ended. Those of a lock need not be any more once it was lifted. */
export const END_CAUSES = [
  'lock',
  'app_password_revoked',
  'password_changed',
  'user_disabled',
  'user_deleted',
] as const
export type EndCause = (typeof END_CAUSES)[number]

/** Which Dovecots there are, and when their sessions are ended once more. */
export interface SessionEnding {
  /** Their names; each is a consumer of its own: one that is down holds up no other. */
  readonly dovecots: readonly string[]
  /**
   * A login that was under way when its account changed may begin a session after the first time. By then no node
   * answers from what it knew before.
   */
  readonly againAfterMs: number
}

/** The outbox's consumer for a Dovecot of this name. */
export function dovecotConsumer(name: string): string {
  return `${DOVECOT_PREFIX}${name}`
}

export const DOVECOT_PREFIX = 'dovecot:'

/** The cause in the body of a row; undefined where there is none that we know. */
export function causeOf(body: unknown): EndCause | undefined {
  if (typeof body !== 'object' || body === null || !('cause' in body)) return undefined
  const { cause } = body
  return END_CAUSES.find((known) => known === cause)
}
