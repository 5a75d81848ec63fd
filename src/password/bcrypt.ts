/**
 * BLF-CRYPT: bcrypt as crypt_blowfish, PHP and Dovecot write it. `$2a$`, `$2b$` and `$2y$` are one algorithm, `$2x$`
 * the one of crypt_blowfish before 1.1, which extended the sign of bytes over 127 (weak).
 *
 * Computed by @node-rs/bcrypt on a thread of libuv; where its native build cannot be loaded by bcryptjs in a worker.
 * Known difference: for `$2a$` crypt_blowfish spoils passwords such as FF FF A3 on purpose (collisions of `$2x$`); no
 * other implementation does, and neither does this one.
 */
import { MAX_BCRYPT_COST } from './limits.ts'
import { unusable, type Unusable } from './unusable.ts'

export interface Bcrypt {
  readonly kind: 'bcrypt'
  readonly revision: 'a' | 'b' | 'x' | 'y'
  readonly cost: number
  /** The whole text, `$2y$10$` and 53 characters. */
  readonly text: string
}

// The salt's last character has two bits, of which crypt(3) writes only these four: others never match.
const SHAPE = /^\$2([abxy])\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}$/

export function parseBcrypt(text: string): Bcrypt | Unusable {
  const [, revision, cost] = SHAPE.exec(text) ?? []
  if (revision !== 'a' && revision !== 'b' && revision !== 'x' && revision !== 'y') {
    return unusable('malformed BLF-CRYPT hash')
  }
  const parsed: Bcrypt = { kind: 'bcrypt', revision, cost: Number(cost), text }
  if (parsed.cost < 4) return unusable('BLF-CRYPT cost under 4')
  if (parsed.cost > MAX_BCRYPT_COST) return unusable('BLF-CRYPT cost over 14')
  return parsed
}

/** How many bytes of a password count; the key schedule has 18 words (crypt(3), and every implementation). */
export const BCRYPT_KEY_BYTES = 72

/**
 * The 72 bytes that the key schedule of `$2x$` sees: password and NUL repeated, each byte or-ed with its sign extended
 * over the word so far. Given to ordinary bcrypt as the password they give what `$2x$` gives.
 *
 * @param password without NUL
 */
export function signExtendedKey(password: Uint8Array): Buffer {
  const key = Buffer.alloc(BCRYPT_KEY_BYTES)
  for (let at = 0; at < BCRYPT_KEY_BYTES; at += 4) {
    let word = 0
    for (let i = at; i < at + 4; i++) {
      const byte = password[i % (password.length + 1)] ?? 0
      word = (word << 8) | ((byte << 24) >> 24)
    }
    key.writeInt32BE(word, at)
  }
  return key
}

/** What is used of @node-rs/bcrypt. */
export interface NativeBcrypt {
  verify(password: Uint8Array, hash: string): Promise<boolean>
  hash(password: Uint8Array, cost: number): Promise<string>
}

/** The native build, or null where there is none for this machine. */
export async function loadNativeBcrypt(): Promise<NativeBcrypt | null> {
  try {
    const { verify, hash } = await import('@node-rs/bcrypt')
    return {
      verify: (password, text) => verify(password, text),
      hash: (password, cost) => hash(password, cost),
    }
  } catch {
    return null
  }
}

export async function verifyBcrypt(
  native: NativeBcrypt,
  password: Uint8Array,
  stored: Bcrypt,
): Promise<boolean> {
  if (stored.revision !== 'x') return native.verify(password, stored.text)
  const key = signExtendedKey(password)
  try {
    return await native.verify(key, stored.text)
  } finally {
    key.fill(0)
  }
}

/**
 * The text that bcryptjs is to be given for `password`, or null where it cannot be: it takes text alone, so that
 * bytes that are not UTF-8, and `$2x$` with bytes over 127, need the native build.
 */
export function textForBcryptjs(password: Uint8Array, { revision }: Bcrypt): string | null {
  const text = Buffer.from(password.buffer, password.byteOffset, password.byteLength).toString('utf8')
  if (!Buffer.from(text, 'utf8').equals(password)) return null
  return revision === 'x' && password.some((byte) => byte > 127) ? null : text
}
