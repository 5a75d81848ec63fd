/**
 * The network an address belongs to: what logs, budgets and queues count by. One IPv4 subscriber may move within
 * a /24, one IPv6 subscriber owns a whole /64 (RFC 6177), so that single addresses would be no bound at all.
 */
import { parseV4, parseV6 } from './ip.ts'

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

const UNKNOWN_NETWORKS: readonly string[] = Object.freeze([UNKNOWN_NETWORK])
const rememberedNested = new Map<string, readonly string[]>()

/**
 * The networks an address lies in, from wide to narrow; the last is `networkOf`. IPv4: its /24. IPv6: its /32, /48, /56
 * and /64, since a provider's customer may own any of these (RFC 6177) and walk through it.
 */
export function networksOf(ip: string | undefined): readonly string[] {
  if (ip === undefined || ip.length > 64) return UNKNOWN_NETWORKS
  const known = rememberedNested.get(ip)
  if (known !== undefined) return known
  const narrowest = networkOf(ip)
  const groups = narrowest.endsWith('::/64') ? parseV6(narrowest.slice(0, -3)) : undefined
  const networks = Object.freeze([...(groups === undefined ? [] : wider(groups)), narrowest])
  if (rememberedNested.size >= MAX_REMEMBERED) rememberedNested.clear()
  rememberedNested.set(Buffer.from(ip).toString(), networks)
  return networks
}

function wider([a = 0, b = 0, c = 0, d = 0]: readonly number[]): string[] {
  return [prefix([a, b], 32), prefix([a, b, c], 48), prefix([a, b, c, d & 0xff00], 56)]
}

function networkOfV4(ip: string): string {
  const octets = parseV4(ip)
  return octets === undefined ? UNKNOWN_NETWORK : `${octets.slice(0, 3).join('.')}.0/24`
}

function networkOfV6(ip: string): string {
  const groups = parseV6(ip)
  if (groups === undefined) return UNKNOWN_NETWORK
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0] = groups
  if ((a | b | c | d | e) === 0 && f === 0xffff) return `${g >> 8}.${g & 255}.${(groups[7] ?? 0) >> 8}.0/24`
  return prefix([a, b, c, d], 64)
}

/** As RFC 5952 writes it: no leading zeros, the run of zeros up to the end (and before it) as `::`. */
function prefix(groups: readonly number[], bits: number): string {
  const head = [...groups]
  while (head.length > 0 && head.at(-1) === 0) head.pop()
  return `${head.map((group) => group.toString(16)).join(':')}::/${bits}`
}
