/**
 * A login name as it may be printed. Strangers choose names: control characters forge log lines and terminal
 * commands, bidi characters make a line read as another (CVE-2021-42574).
 */

/** What a name may cost in a line or a row. */
const MAX_NAME_BYTES = 255

/** C0, DEL, C1, line and paragraph separators, marks and overrides of direction, zero width, lone surrogates. */
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu

/** A text without control and bidi characters. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '')
}

/** The name without control and bidi characters, cut at 255 bytes between characters. */
export function cleanName(name: string): string {
  // A name of 255 bytes has at most 255 units; the rest of a long one is not even looked at.
  const start = name.length > 4 * MAX_NAME_BYTES ? name.slice(0, 4 * MAX_NAME_BYTES) : name
  const clean = printable(start)
  const bytes = Buffer.from(clean, 'utf8')
  if (bytes.length <= MAX_NAME_BYTES) return clean
  let end = MAX_NAME_BYTES
  // Continuation bytes are 10xxxxxx: go back to the start of a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.toString('utf8', 0, end)
}
