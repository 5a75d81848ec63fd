/**
 * Base64 from bytes to bytes (RFC 4648 §4) as Dovecot 2.3 reads it: blanks, tabs and line ends anywhere are skipped,
 * padding is required, bits left over in the last character are ignored. Written here because Node's decoder takes
 * strings only, and a response must not become one: it holds a password.
 */
const INVALID = 0xff
const BLANK = 0xfe
const PADDING = 0x3d

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

const VALUES = new Uint8Array(256).fill(INVALID)
for (let value = 0; value < ALPHABET.length; value += 1) VALUES[ALPHABET.charCodeAt(value)] = value
for (const blank of ' \t\r\n') VALUES[blank.charCodeAt(0)] = BLANK

/**
 * Decodes all of `source` into `target`, which must have room for three quarters of it.
 * Returns the number of bytes written, or -1 when the text is not base64.
 */
export function decodeBase64(source: Buffer, target: Buffer): number {
  let written = 0
  let bits = 0
  let characters = 0
  let padding = 0
  for (let at = 0; at < source.length; at += 1) {
    const character = source[at] ?? 0
    const value = VALUES[character] ?? INVALID
    if (value === BLANK) continue
    if (character === PADDING) {
      padding += 1
      continue
    }
    if (value === INVALID || padding > 0) return -1
    bits = ((bits << 6) | value) & 0xffffff
    characters += 1
    if ((characters & 3) === 0) {
      target[written] = bits >>> 16
      target[written + 1] = bits >>> 8
      target[written + 2] = bits
      written += 3
    }
  }
  const left = characters & 3
  if (left === 0) return padding === 0 ? written : -1
  // Two characters carry one byte and want `==`, three carry two and want `=`; one carries none.
  if (left === 1 || left + padding !== 4) return -1
  if (left === 2) {
    target[written] = bits >>> 4
    return written + 1
  }
  target[written] = bits >>> 10
  target[written + 1] = bits >>> 2
  return written + 2
}
