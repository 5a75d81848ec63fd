/** PLAIN (CLEAR, CLEARTEXT) and PLAIN-TRUNC: the password itself is stored. Weak, compared as bytes. */
import { equalBytes } from './equal.ts'
import { unusable, type Unusable } from './unusable.ts'

export type Compare = (password: Uint8Array) => boolean

/** The stored bytes are the password. */
export function plain(stored: Buffer): Compare {
  return (password) => equalBytes(stored, password)
}

/**
 * PLAIN-TRUNC as Dovecot reads it: `LENGTH-PASSWORD`. Where PASSWORD is LENGTH bytes long it may be the beginning of
 * a longer one, so that only the first LENGTH bytes count. Without a dash it is the whole password, as mailcow
 * reads it. `0-`, which opens to every password with Dovecot, is unusable.
 */
export function plainTrunc(stored: Buffer): Compare | Unusable {
  const dash = stored.indexOf('-')
  if (dash < 0) return plain(stored)
  const digits = stored.toString('latin1', 0, dash)
  if (!/^[0-9]{0,5}$/.test(digits)) return unusable('malformed PLAIN-TRUNC hash')
  const rest = stored.subarray(dash + 1)
  if (rest.length === 0) return unusable('PLAIN-TRUNC hash without a password')
  if (rest.length !== Number(digits)) return plain(rest)
  return (password) => equalBytes(rest, password.subarray(0, rest.length))
}
