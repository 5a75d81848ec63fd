/**
 * PBKDF2 (RFC 8018 §5.2) in two spellings: Dovecot's `$1$salt$rounds$hex` with SHA-1, whose salt is that text
 * itself, and `rounds$salt$key` with SHA-512 in base64 as FreeIPA, 389 Directory Server and OpenLDAP store it.
 */
import { pbkdf2 as derive } from 'node:crypto'
import { equalBytes } from './equal.ts'
import { MAX_PBKDF2_ROUNDS, MIN_KEY_BYTES } from './limits.ts'
import { unusable, type Unusable } from './unusable.ts'

export interface Pbkdf2 {
  readonly kind: 'pbkdf2'
  readonly digest: 'sha1' | 'sha512'
  readonly rounds: number
  readonly salt: Buffer
  readonly key: Buffer
}

const DOVECOT = /^\$1\$([!-#%-~]{1,255})\$([1-9][0-9]{0,9})\$([0-9A-Fa-f]{40})$/

export function parseDovecotPbkdf2(text: string): Pbkdf2 | Unusable {
  const [, salt, rounds, key] = DOVECOT.exec(text) ?? []
  if (salt === undefined || rounds === undefined || key === undefined)
    return unusable('malformed PBKDF2 hash')
  return bounded('sha1', Number(rounds), Buffer.from(salt, 'latin1'), Buffer.from(key, 'hex'))
}

// `.` for `+` and no padding: passlib's and OpenLDAP's base64.
const LDAP = /^([1-9][0-9]{0,9})\$([A-Za-z0-9+./]{2,344}={0,2})\$([A-Za-z0-9+./]{2,344}={0,2})$/

export function parseLdapPbkdf2(text: string): Pbkdf2 | Unusable {
  const [, rounds, salt, key] = LDAP.exec(text) ?? []
  if (salt === undefined || rounds === undefined || key === undefined) {
    return unusable('malformed PBKDF2-SHA512 hash')
  }
  const bytes = (base64: string): Buffer => Buffer.from(base64.replaceAll('.', '+'), 'base64')
  return bounded('sha512', Number(rounds), bytes(salt), bytes(key))
}

function bounded(digest: Pbkdf2['digest'], rounds: number, salt: Buffer, key: Buffer): Pbkdf2 | Unusable {
  if (rounds > MAX_PBKDF2_ROUNDS) return unusable('PBKDF2 rounds over 5000000')
  // Longer keys cost one more run of all rounds for each 64 bytes, and are used by nobody.
  if (key.length < MIN_KEY_BYTES || key.length > 64) return unusable('PBKDF2 key of a wrong length')
  return { kind: 'pbkdf2', digest, rounds, salt, key }
}

/** The derived key, computed on a thread of libuv. */
export function pbkdf2(
  password: Uint8Array,
  { digest, rounds, salt }: Pick<Pbkdf2, 'digest' | 'rounds' | 'salt'>,
  keyBytes: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    derive(password, salt, rounds, keyBytes, digest, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

export async function verifyPbkdf2(password: Uint8Array, stored: Pbkdf2): Promise<boolean> {
  return equalBytes(await pbkdf2(password, stored, stored.key.length), stored.key)
}
