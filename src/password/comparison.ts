/**
 * Reads a stored hash into a comparison that is ready to run: everything about the hash that can be wrong, weak or too
 * costly is found here, before any work starts.
 */
import { parseArgon2, type Argon2 } from './argon2.ts'
import { parseBcrypt, type Bcrypt } from './bcrypt.ts'
import { parseDesCrypt, type DesCrypt } from './des-crypt.ts'
import { DIGEST_BYTES, salted, unsalted } from './digest.ts'
import { MAX_HASH_BYTES } from './limits.ts'
import { parseMd5Crypt, type Md5Crypt } from './md5-crypt.ts'
import { parseDovecotPbkdf2, parseLdapPbkdf2, type Pbkdf2 } from './pbkdf2.ts'
import { plain, plainTrunc, type Compare } from './plain.ts'
import { decodeStored, parseStoredHash, type StoredHash } from './scheme.ts'
import { parseShaCrypt, type ShaCrypt } from './sha-crypt.ts'
import { isUnusable, unusable, type Unusable } from './unusable.ts'

/** Cheap enough for the calling thread. */
export interface Immediate {
  readonly kind: 'immediate'
  readonly compare: Compare
}

/** Those of crypt(3) that nobody but a worker thread computes. */
export type WorkerCrypt = ShaCrypt | Md5Crypt | DesCrypt

export type Slow = Bcrypt | Argon2 | Pbkdf2 | WorkerCrypt

export type Comparison = Immediate | Slow

/** Reads `{SCHEME}hash`. Weak schemes are unusable unless `allowWeak`. Never throws. */
export function readComparison(hash: string, allowWeak: boolean): Comparison | Unusable {
  if (hash.length > MAX_HASH_BYTES || Buffer.byteLength(hash, 'utf8') > MAX_HASH_BYTES) {
    return unusable('hash over 1 KiB')
  }
  // A lone surrogate has no bytes: it would silently stand for U+FFFD.
  if (!hash.isWellFormed()) return unusable('hash is not text')
  const stored = parseStoredHash(hash)
  if (isUnusable(stored)) return stored
  const { method, name, weak } = stored.scheme
  if (weak && !allowWeak && method.family !== 'crypt') return unusable(`weak scheme ${name}`)
  switch (method.family) {
    case 'crypt':
      return ofText(stored, (text) => readCrypt(text, allowWeak))
    case 'pbkdf2-dovecot':
      return ofText(stored, parseDovecotPbkdf2)
    case 'pbkdf2-ldap':
      return ofText(stored, parseLdapPbkdf2)
    case 'plain':
      return immediate(decodeStored(stored, 0), plain)
    case 'plain-trunc':
      return immediate(decodeStored(stored, 0), plainTrunc)
    case 'unsalted': {
      const { digest } = method
      return immediate(decodeStored(stored, DIGEST_BYTES[digest]), (bytes) => unsalted(digest, bytes))
    }
    case 'salted': {
      const { digest } = method
      return immediate(decodeStored(stored, DIGEST_BYTES[digest]), (bytes) => salted(digest, bytes))
    }
  }
}

/** What this installation allows a hash to be. */
export interface Allowance {
  readonly allowWeak: boolean
  readonly argon2MemoryMib: number
}

/** Reads `{SCHEME}hash`; unusable, too, where it asks for more memory than there is for all. Never throws. */
export function readAllowed(hash: string, { allowWeak, argon2MemoryMib }: Allowance): Comparison | Unusable {
  const comparison = readComparison(hash, allowWeak)
  if (isUnusable(comparison) || !('memoryKib' in comparison)) return comparison
  return comparison.memoryKib > argon2MemoryMib * 1024
    ? unusable('ARGON2 memory over password.argon2_memory_mib')
    : comparison
}

/** A hash of the crypt family by its beginning. */
export function readCrypt(text: string, allowWeak: boolean): Bcrypt | Argon2 | WorkerCrypt | Unusable {
  // Any byte over 127 makes $2x$ forget up to three bytes before it.
  if (text.startsWith('$2x$') && !allowWeak) return unusable('weak scheme BLF-CRYPT of $2x$')
  if (text.startsWith('$2')) return parseBcrypt(text)
  if (text.startsWith('$argon2')) return parseArgon2(text)
  if (text.startsWith('$5$') || text.startsWith('$6$')) return complete(parseShaCrypt(text))
  if (text.startsWith('$1$')) {
    return allowWeak ? complete(parseMd5Crypt(text)) : unusable('weak scheme MD5-CRYPT')
  }
  if (/^[$_*!]/.test(text)) return unusable('unknown kind of CRYPT hash')
  return allowWeak ? parseDesCrypt(text) : unusable('weak scheme DES-CRYPT')
}

/** A setting alone has no digest to compare with. */
function complete<T extends WorkerCrypt>(parsed: T | Unusable): T | Unusable {
  return !isUnusable(parsed) && parsed.digest === '' ? unusable('hash without a digest') : parsed
}

/** Hashes that describe themselves are ASCII text; a suffix (`{CRYPT.B64}`) wraps that text. */
function ofText<T>(stored: StoredHash, read: (text: string) => T | Unusable): T | Unusable {
  const bytes = decodeStored(stored, 0)
  return Buffer.isBuffer(bytes) ? read(bytes.toString('latin1')) : bytes
}

function immediate(
  bytes: Buffer | Unusable,
  read: (bytes: Buffer) => Compare | Unusable,
): Immediate | Unusable {
  if (isUnusable(bytes)) return bytes
  const compare = read(bytes)
  return isUnusable(compare) ? compare : { kind: 'immediate', compare }
}
