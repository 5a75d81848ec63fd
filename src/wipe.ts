/** Overwriting bytes that may be a password. */

/** Up to here a loop costs less than the call of a built-in function (0.1 us and more). */
const SHORT_BYTES = 128

/** Overwrites `bytes[from, to)` with zeros. */
export function wipe(bytes: Uint8Array, from = 0, to = bytes.length): void {
  if (to - from > SHORT_BYTES) bytes.fill(0, from, to)
  else for (let at = from; at < to; at += 1) bytes[at] = 0
}
