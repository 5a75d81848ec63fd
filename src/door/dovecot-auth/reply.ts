/**
 * What the server says in Dovecot's auth protocol, line by line, and how an outcome is told. What a stranger can tell
 * apart is only what a right password has earned: mismatch and unknown user are one line.
 */
import { MECHANISMS } from '../../sasl/mechanisms.ts'
import type { Outcome } from '../../login/outcome.ts'
import { escapeTabs } from './tab-escape.ts'

/** Dovecot 2.3's. Nothing of 1.3 (channel binding) or 1.4 is needed for PLAIN and LOGIN. */
const VERSION = 'VERSION\t1\t2\n'

/**
 * The whole handshake, to be sent at once on accept: Exim before 4.99 and others send nothing before DONE, and one
 * client reads it with a single recv of 1024 bytes. MECH comes before SPID: Postfix and Exim take the other order
 * for the auth-master socket. `plaintext` lets Postfix hide both where `noplaintext` is asked for.
 */
export function formatHandshake(pid: number, connectionId: number, cookie: string): string {
  const mechanisms = MECHANISMS.map((mechanism) => `MECH\t${mechanism.name}\tplaintext\n`).join('')
  return `${VERSION}${mechanisms}SPID\t${pid}\nCUID\t${connectionId}\nCOOKIE\t${cookie}\nDONE\n`
}

/** The TAB before the challenge stands there even when it is empty: Postfix and Exim want the field. */
export function formatCont(id: number, challenge: string): string {
  return `CONT\t${id}\t${Buffer.from(challenge, 'latin1').toString('base64')}\n`
}

export interface FailFields {
  /** The name as the client gave it. */
  readonly user?: string | undefined
  readonly code?: 'temp_fail' | 'user_disabled' | 'pass_expired' | 'invalid_base64' | undefined
  /** Shown to the remote user by Postfix. */
  readonly reason?: string | undefined
}

export function formatFail(id: number, fields: FailFields): string {
  const user = fields.user === undefined ? '' : `\tuser=${escapeTabs(fields.user)}`
  const code = fields.code === undefined ? '' : `\tcode=${fields.code}`
  const reason = fields.reason === undefined ? '' : `\treason=${escapeTabs(fields.reason)}`
  return `FAIL\t${id}${user}${code}${reason}\n`
}

/**
 * The line that lets `user` in, or undefined when the name must not be sent: empty (Postfix takes an empty one for
 * success) or with characters that would need escaping (Postfix does not unescape).
 */
export function formatOk(id: number, user: string): string | undefined {
  return user === '' || /[\u0000-\u001f\u007f]/.test(user) ? undefined : `OK\t${id}\tuser=${user}\n`
}

/** `unavailable`: not found out; the listener's temp_fail setting says how that is told. */
export type Answer =
  | { readonly kind: 'ok'; readonly line: string }
  | { readonly kind: 'fail'; readonly line: string }
  | { readonly kind: 'unavailable' }

/** What only a right password is told. */
const EARNED = {
  user_disabled: { code: 'user_disabled' },
  service_denied: { code: 'user_disabled' },
  pass_expired: { code: 'pass_expired', reason: 'Password expired' },
} as const

const UNAVAILABLE: Answer = { kind: 'unavailable' }

/** How `outcome` of the login of `user` is told (design contract, column SASL line). */
export function answerOf(outcome: Outcome, id: number, user: string): Answer {
  switch (outcome.verdict) {
    case 'ok': {
      const line = formatOk(id, outcome.mailbox ?? '')
      return line === undefined ? UNAVAILABLE : { kind: 'ok', line }
    }
    case 'password_mismatch':
    case 'user_unknown':
      return { kind: 'fail', line: formatFail(id, { user }) }
    case 'user_disabled':
    case 'service_denied':
    case 'pass_expired':
      // Some users are refused before any hash matched (none is stored); that they exist is nobody's business.
      if (outcome.credential === undefined) return { kind: 'fail', line: formatFail(id, { user }) }
      return { kind: 'fail', line: formatFail(id, { user, ...EARNED[outcome.verdict] }) }
    case 'throttled':
    case 'temp_fail':
      return UNAVAILABLE
  }
}
