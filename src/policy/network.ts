/**
 * The network an address belongs to: what logs, budgets and queues count by. One IPv4 subscriber may move within
 * a /24, one IPv6 subscriber owns a whole /64 (RFC 6177), so that single addresses would be no bound at all.
 */

/** For requests whose client is not known. */
export const UNKNOWN_NETWORK = 'unknown'

/** Called for each login: IPv6 is parsed once per address. Cleared when full; the entries are cheap to make again. */
const MAX_REMEMBERED = 10_000
const remembered = new Map<string, string>()

/**
 * The network of a textual IP address: `192.0.2.0/24`, `2001:db8:0:1::/64`, or `unknown` where there is none.
 * IPv4-mapped IPv6 (RFC 4291 §2.5.5.2) counts as IPv4. Never throws; what is no address is `unknown`.
 */
export function networkOf(ip: string | undefined): string {
  if (ip === undefined || ip.length > 64) return UNKNOWN_NETWORK
  const known = remembered.get(ip)
  if (known !== undefined) return known
  const network = ip.includes(':') ? networkOfV6(ip) : networkOfV4(ip)
  if (remembered.size >= MAX_REMEMBERED) remembered.clear()
  // A copy: an address cut from a line would keep the whole line alive, and a password may stand in it.
  remembered.set(Buffer.from(ip).toString(), network)
  return network
}

function networkOfV4(ip: string): string {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(ip)
  if (parts === null) return UNKNOWN_NETWORK
  const octets = parts.slice(1).map(Number)
  if (octets.some((octet) => octet > 255)) return UNKNOWN_NETWORK
  return `${octets.slice(0, 3).join('.')}.0/24`
}

function networkOfV6(ip: string): string {
  const groups = parseV6(ip)
  if (groups === undefined) return UNKNOWN_NETWORK
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0] = groups
  if ((a | b | c | d | e) === 0 && f === 0xffff) return `${g >> 8}.${g & 255}.${(groups[7] ?? 0) >> 8}.0/24`
  // As RFC 5952 writes it: no leading zeros, the run of zeros up to the end (and before it) as `::`.
  const head = [a, b, c, d]
  while (head.length > 0 && head.at(-1) === 0) head.pop()
  return `${head.map((group) => group.toString(16)).join(':')}::/64`
}

/** The eight groups of an IPv6 address in any spelling (RFC 4291 §2.2), with or without a zone (RFC 4007 §11). */
function parseV6(ip: string): number[] | undefined {
  const zone = ip.indexOf('%')
  let text = zone === -1 ? ip : ip.slice(0, zone)
  const dotted = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (dotted !== null) {
    const [w = 0, x = 0, y = 0, z = 0] = dotted.slice(2).map(Number)
    if (Math.max(w, x, y, z) > 255) return undefined
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
