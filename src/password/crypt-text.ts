/** The radix-64 text of crypt(3): digits `./0-9A-Za-z`, least significant first. */
const DIGITS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** `count` digits of `value` (an unsigned integer of at most 24 bits). */
export function cryptDigits(value: number, count: number): string {
  let text = ''
  for (let rest = value, i = 0; i < count; i++, rest >>>= 6) text += DIGITS.charAt(rest & 63)
  return text
}

/**
 * A digest as crypt(3) writes it: groups of three bytes in the order that the algorithm prescribes.
 *
 * @param order indices into `digest`, most significant byte of a group first; -1 stands for a zero byte. A group of
 *   which bytes are absent gets only the digits that it needs (Drepper, "Unix crypt using SHA-256 and SHA-512", step 22).
 */
export function cryptDigest(digest: Uint8Array, order: readonly number[]): string {
  let text = ''
  for (let i = 0; i < order.length; i += 3) {
    const group = order.slice(i, i + 3)
    const [high = 0, middle = 0, low = 0] = group.map((index) => (index < 0 ? 0 : (digest[index] ?? 0)))
    const bytes = group.filter((index) => index >= 0).length
    text += cryptDigits((high << 16) | (middle << 8) | low, bytes === 3 ? 4 : bytes === 2 ? 3 : 2)
  }
  return text
}

/** Characters of that alphabet, one for each random byte (6 bits of each are used: no bias). */
export function cryptSalt(random: Uint8Array): string {
  return Array.from(random, (byte) => DIGITS.charAt(byte & 63)).join('')
}
