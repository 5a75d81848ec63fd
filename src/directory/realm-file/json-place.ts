/**
 * Where a text stops being JSON. JSON.parse does not always say, and quotes the text around the error, which in a
 * realm file is a hash. Only run after JSON.parse refused the text.
 */

const TOKEN =
  /[\t\n\r ]*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y

/** What may come next: a value, a key, a colon, a comma or a close, or nothing more. */
type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or close' | 'end'

/** `line 3 column 14`, both from 1; columns count UTF-16 units. */
export function jsonErrorPlace(text: string): string {
  const before = text.slice(0, errorOffset(text))
  const lines = before.split('\n')
  return `line ${lines.length} column ${(lines.at(-1)?.length ?? 0) + 1}`
}

/** The offset of the first character that no JSON text could hold there. */
function errorOffset(text: string): number {
  const open: ('{' | '[')[] = []
  let expected: Expected = 'value'
  let offset = 0
  TOKEN.lastIndex = 0
  for (;;) {
    const token = TOKEN.exec(text)
    if (token === null) break
    const next = follow(expected, token[1] ?? (token[2] === undefined ? 'scalar' : 'string'), open)
    if (next === undefined) return TOKEN.lastIndex - token[0].trimStart().length
    expected = next
    offset = TOKEN.lastIndex
  }
  while (offset < text.length && '\t\n\r '.includes(text.charAt(offset))) offset++
  return offset
}

/** What is expected after `token`, or undefined when it must not stand there. Keeps `open` up to date. */
function follow(expected: Expected, token: string, open: ('{' | '[')[]): Expected | undefined {
  const afterValue = (): Expected => (open.length === 0 ? 'end' : ', or close')
  const inObject = open.at(-1) === '{'
  switch (token) {
    case '{':
    case '[':
      if (expected !== 'value' && expected !== 'value or ]') return undefined
      open.push(token)
      return token === '{' ? 'key or }' : 'value or ]'
    case '}':
      if (!inObject || (expected !== 'key or }' && expected !== ', or close')) return undefined
      open.pop()
      return afterValue()
    case ']':
      if (inObject || (expected !== 'value or ]' && expected !== ', or close')) return undefined
      open.pop()
      return afterValue()
    case ',':
      if (expected !== ', or close') return undefined
      return inObject ? 'key' : 'value'
    case ':':
      return expected === ':' ? 'value' : undefined
    case 'string':
      if (expected === 'key' || expected === 'key or }') return ':'
      return expected === 'value' || expected === 'value or ]' ? afterValue() : undefined
    default:
      return expected === 'value' || expected === 'value or ]' ? afterValue() : undefined
  }
}
