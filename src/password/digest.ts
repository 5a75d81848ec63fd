/**
 * One digest of the password, with or without a salt after it: SHA… SSHA… SMD5 LDAP-MD5 PLAIN-MD5 PLAIN-MD4.
 * Microseconds each, so they are compared at once on the calling thread.
 */
import { hash } from 'node:crypto'
import { equalBytes } from './equal.ts'
import { md4 } from './md4.ts'
import type { Compare } from './plain.ts'
import { unusable, type Unusable } from './unusable.ts'

export const DIGEST_BYTES = { md4: 16, md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const

export type DigestName = keyof typeof DIGEST_BYTES

export function digestOf(name: DigestName, bytes: Uint8Array): Buffer {
  return name === 'md4' ? md4(bytes) : hash(name, bytes, 'buffer')
}

/** The stored bytes are the digest of the password. */
export function unsalted(name: DigestName, stored: Buffer): Compare | Unusable {
  if (stored.length !== DIGEST_BYTES[name]) return unusable('digest of a wrong length')
  return (password) => equalBytes(digestOf(name, password), stored)
}

/** The stored bytes are the digest of password and salt, then the salt. No salt is refused, as Dovecot does. */
export function salted(name: DigestName, stored: Buffer): Compare | Unusable {
  const size = DIGEST_BYTES[name]
  if (stored.length <= size) return unusable('salted digest without a salt')
  const salt = stored.subarray(size)
  return (password) => {
    const input = Buffer.concat([password, salt])
    const digest = digestOf(name, input)
    input.fill(0)
    return equalBytes(digest, stored.subarray(0, size))
  }
}
