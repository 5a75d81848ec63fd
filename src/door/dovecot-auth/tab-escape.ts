/**
 * Dovecot's escaping of values in TAB-separated lines: byte 1 starts an escape, after it `0` is NUL, `1` is byte 1,
 * `t` TAB, `r` CR, `n` LF, and any other character itself.
 */
const ESCAPE = 0x01
const SPECIAL = /[\u0000\u0001\t\r\n]/
const EVERY_SPECIAL = /[\u0000\u0001\t\r\n]/g

const LETTERS: Readonly<Record<string, string>> = {
  '\u0000': '\u00010',
  '\u0001': '\u00011',
  '\t': '\u0001t',
  '\r': '\u0001r',
  '\n': '\u0001n',
}

/** The text with all that would end a field or a line escaped. */
export function escapeTabs(text: string): string {
  return SPECIAL.test(text) ? text.replaceAll(EVERY_SPECIAL, (found) => LETTERS[found] ?? found) : text
}

function unescapeByte(letter: number): number {
  switch (letter) {
    case 0x30:
      return 0
    case 0x31:
      return ESCAPE
    case 0x74:
      return 0x09
    case 0x72:
      return 0x0d
    case 0x6e:
      return 0x0a
    default:
      return letter
  }
}

/**
 * The bytes of a field without its escapes: the same bytes (a view) where there are none, which is nearly always.
 * An escape at the very end, with nothing after it, is dropped.
 */
export function unescapeTabs(field: Buffer): Buffer {
  const first = field.indexOf(ESCAPE)
  if (first === -1) return field
  const plain = Buffer.allocUnsafeSlow(field.length)
  let length = 0
  for (let at = 0; at < field.length; at += 1) {
    let byte = field[at] ?? 0
    if (byte === ESCAPE) {
      at += 1
      if (at === field.length) break
      byte = unescapeByte(field[at] ?? 0)
    }
    plain[length] = byte
    length += 1
  }
  return plain.subarray(0, length)
}
