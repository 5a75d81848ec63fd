/**
 * An app password of our own: its form, making one, and knowing one again as people type it.
 *
 *     k7m2xp-4h3t-9wqe-mn5c-bz8r-2vya
 *     `-tag-' `--- 20 secret characters
 *
 * 32 characters that are hard to take for one another (no 0, o, 1, l), of 5 bits each: a tag of 30 bits, which finds
 * the row and is no secret, and 100 secret bits. Lower case and one dash between groups: a phone's keyboard needs no
 * shift for it.
 */
import { randomBytes } from 'node:crypto'
import { Secret } from '../secret.ts'

const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'
const GROUPS = [6, 4, 4, 4, 4, 4] as const
const TAG_CHARACTERS = GROUPS[0]
const CHARACTERS = 26
/** With a dash between groups. */
const CANONICAL_BYTES = CHARACTERS + GROUPS.length - 1
/** What is longer is no typing of ours, whatever blanks stand in it. */
const MAX_TYPED_BYTES = 2 * CANONICAL_BYTES

const DASH = 0x2d
const BLANK = 0x20
/** Byte as typed -> the byte of the alphabet it stands for, 0 for none. */
const MEANT = new Uint8Array(256)
for (const character of ALPHABET) {
  MEANT[character.charCodeAt(0)] = character.charCodeAt(0)
  MEANT[character.toUpperCase().charCodeAt(0)] = character.charCodeAt(0)
}

/** An app password with its tag. `secret` is what its owner types, and what the stored hash is of. */
export interface AppPassword {
  readonly tag: string
  readonly secret: Secret
}

/** A new one, from the system's random source. The caller wipes the secret when it was told. */
export function makeAppPassword(): AppPassword {
  const random = randomBytes(CHARACTERS)
  // 256 is a multiple of 32: every character is as likely as another.
  for (const [at, byte] of random.entries()) random[at] = ALPHABET.charCodeAt(byte & 31)
  return inGroups(random)
}

/**
 * The app password of ours that a presented password is a typing of: dashes and blanks may be left out or stand
 * elsewhere, letters may be upper case. Undefined where it is none in form; that says nothing of its being right.
 * The caller wipes the secret.
 */
export function readAppPassword(presented: Secret): AppPassword | undefined {
  if (presented.byteLength < CHARACTERS || presented.byteLength > MAX_TYPED_BYTES) return undefined
  const characters = Buffer.allocUnsafeSlow(CHARACTERS)
  let length = 0
  for (const typed of presented.reveal()) {
    if (typed === DASH || typed === BLANK) continue
    const meant = MEANT[typed] ?? 0
    if (meant === 0 || length === CHARACTERS) {
      characters.fill(0)
      return undefined
    }
    characters[length] = meant
    length += 1
  }
  if (length === CHARACTERS) return inGroups(characters)
  characters.fill(0)
  return undefined
}

/** Takes the characters over and wipes them. */
function inGroups(characters: Buffer): AppPassword {
  const canonical = Buffer.allocUnsafeSlow(CANONICAL_BYTES)
  let [from, to] = [0, 0]
  for (const size of GROUPS) {
    if (to > 0) to = canonical.writeUInt8(DASH, to)
    to += characters.copy(canonical, to, from, from + size)
    from += size
  }
  const tag = characters.toString('latin1', 0, TAG_CHARACTERS)
  const secret = Secret.copyOf(canonical)
  characters.fill(0)
  canonical.fill(0)
  return { tag, secret }
}
