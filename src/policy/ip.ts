/** Textual IP addresses as numbers. */

/** The four bytes of a dotted IPv4 address, or undefined. */
export function parseV4(ip: string): number[] | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(ip)
  if (parts === null) return undefined
  const octets = parts.slice(1).map(Number)
  return octets.some((octet) => octet > 255) ? undefined : octets
}

/** The eight groups of an IPv6 address in any spelling (RFC 4291 §2.2), with or without a zone (RFC 4007 §11). */
export function parseV6(ip: string): number[] | undefined {
  const zone = ip.indexOf('%')
  let text = zone === -1 ? ip : ip.slice(0, zone)
  const dotted = /^(.*:)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$/.exec(text)
  if (dotted !== null) {
    const octets = parseV4(dotted[2] ?? '')
    if (octets === undefined) return undefined
    const [w = 0, x = 0, y = 0, z = 0] = octets
    text = `${dotted[1]}${((w << 8) | x).toString(16)}:${((y << 8) | z).toString(16)}`
  }
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [left = [], right = []] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missing = 8 - left.length - right.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...left, ...Array<string>(halves.length === 2 ? missing : 0).fill('0'), ...right]
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined
  return groups.map((group) => Number.parseInt(group, 16))
}
