/**
 * MD5-CRYPT (`$1$`), the scheme of FreeBSD 2 that crypt(3) still verifies. Weak: 1000 rounds of MD5, fixed.
 * Synchronous (some 2 ms): only worker threads call it.
 */
import { hash } from 'node:crypto'
import { cryptDigest } from './crypt-text.ts'
import { unusable, type Unusable } from './unusable.ts'

export interface Md5Crypt {
  readonly kind: 'md5-crypt'
  readonly salt: string
  readonly setting: string
  /** The digest as text; empty in a setting. */
  readonly digest: string
}

const SHAPE = /^\$1\$([!-#%-9;-~]{0,8})\$((?:[./0-9A-Za-z]{22})?)$/

/** Parses a hash or a setting. A salt over 8 bytes is refused: crypt(3) cuts it and never gives that text. */
export function parseMd5Crypt(text: string): Md5Crypt | Unusable {
  const [, salt, digest] = SHAPE.exec(text) ?? []
  if (salt === undefined || digest === undefined) return unusable('malformed MD5-CRYPT hash')
  return { kind: 'md5-crypt', salt, setting: text.slice(0, text.length - digest.length), digest }
}

/** Order in which the digest's bytes are written; the twelfth stands alone at the end. */
const ORDER = [0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5, -1, -1, 11]

/** The hash text of `password` under the parsed setting. */
export function md5Crypt(password: Uint8Array, { salt: saltText, setting }: Md5Crypt): string {
  const md5 = (...parts: Uint8Array[]): Buffer => hash('md5', Buffer.concat(parts), 'buffer')
  const salt = Buffer.from(saltText, 'latin1')

  const mixed = md5(password, salt, password)
  const parts: Uint8Array[] = [password, Buffer.from('$1$'), salt]
  for (let left = password.length; left > 0; left -= 16) parts.push(mixed.subarray(0, Math.min(16, left)))
  // Historic: a NUL where the length has a one bit, else the password's first byte.
  for (let bits = password.length; bits > 0; bits >>>= 1) {
    parts.push(bits & 1 ? Uint8Array.of(0) : password.subarray(0, 1))
  }
  let digest = md5(...parts)
  for (let round = 0; round < 1000; round++) {
    const input: Uint8Array[] = [round & 1 ? password : digest]
    if (round % 3 !== 0) input.push(salt)
    if (round % 7 !== 0) input.push(password)
    input.push(round & 1 ? digest : password)
    digest = md5(...input)
  }
  return setting + cryptDigest(digest, ORDER)
}
