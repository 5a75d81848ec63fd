/**
 * Networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3): written in one way only, and whether an address is in
 * one. IPv4-mapped IPv6 (RFC 4291 §2.5.5.2) counts as IPv4, on both sides.
 */
import { parseV4, parseV6 } from './ip.ts'

interface Cidr {
  /** As it is stored and shown: host bits cleared, IPv6 as RFC 5952 writes it, always with its length. */
  readonly text: string
  /** 4 bytes or 16. */
  readonly bytes: readonly number[]
  readonly bits: number
}

/** An IPv6 address in full with a dotted end, and `/128`. */
const MAX_LENGTH = 64

/**
 * The network that `text` names, in its one spelling: `192.0.2.0/24`, `2001:db8::/32`. An address alone is a network
 * of one. Undefined where it is none, or has bits beyond its length, which is more often a slip than a wish.
 */
export function normaliseCidr(text: string): string | undefined {
  return parseCidr(text)?.text
}

/** Parsed by its text: an app password's networks are looked at with each login. Cleared when full. */
const MAX_REMEMBERED = 10_000
const remembered = new Map<string, Cidr | undefined>()

/**
 * Whether a textual IP address is in one of these networks. Never throws; what is no address is in none, and what is
 * no network holds nothing.
 */
export function isInNetworks(ip: string, networks: readonly string[]): boolean {
  const address = bytesOf(ip)
  if (address === undefined) return false
  return networks.some((text) => {
    const network = remember(text)
    return network !== undefined && contains(network, address)
  })
}

function remember(text: string): Cidr | undefined {
  const known = remembered.get(text)
  if (known !== undefined || remembered.has(text)) return known
  const parsed = parseCidr(text)
  if (remembered.size >= MAX_REMEMBERED) remembered.clear()
  remembered.set(text, parsed)
  return parsed
}

function contains({ bytes, bits }: Cidr, address: readonly number[]): boolean {
  if (bytes.length !== address.length) return false
  const whole = bits >> 3
  for (let at = 0; at < whole; at += 1) if (bytes[at] !== address[at]) return false
  const rest = bits & 7
  if (rest === 0) return true
  const mask = (0xff << (8 - rest)) & 0xff
  return ((bytes[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask)
}

function parseCidr(text: string): Cidr | undefined {
  if (text.length > MAX_LENGTH) return undefined
  const slash = text.indexOf('/')
  const written = slash === -1 ? text : text.slice(0, slash)
  // A zone (RFC 4007 §11) names a link of this machine, not a network. 010 is eight to some and ten to others.
  if (written.includes('%') || /(?:^|[.:])0\d+(?:\.|$)/.test(written)) return undefined
  const bytes = bytesOf(written)
  if (bytes === undefined) return undefined
  const most = bytes.length * 8
  const length = slash === -1 ? undefined : text.slice(slash + 1)
  if (length !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined
  // ::ffff:192.0.2.0/120 is 192.0.2.0/24.
  const isMapped = bytes.length === 4 && written.includes(':')
  const bits = length === undefined ? most : Number(length) - (isMapped ? 96 : 0)
  if (bits < 0 || bits > most || hasHostBits(bytes, bits)) return undefined
  return { text: `${format(bytes)}/${bits}`, bytes, bits }
}

function hasHostBits(bytes: readonly number[], bits: number): boolean {
  return bytes.some((byte, at) => {
    const kept = Math.min(8, Math.max(0, bits - at * 8))
    return (byte & (0xff >> kept)) !== 0
  })
}

/** 4 bytes, or 16 where it is IPv6 and not IPv4-mapped. */
function bytesOf(ip: string): readonly number[] | undefined {
  if (!ip.includes(':')) return parseV4(ip)
  const groups = parseV6(ip)
  if (groups === undefined) return undefined
  const bytes = groups.flatMap((group) => [group >> 8, group & 0xff])
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  return isMapped ? bytes.slice(12) : bytes
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`, the first of equals. */
function format(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0))
  let [start, length] = [-1, 1]
  for (let at = 0; at < 8; at += 1) {
    let end = at
    while (end < 8 && groups[end] === 0) end += 1
    if (end - at > length) [start, length] = [at, end - at]
  }
  const hex = groups.map((group) => group.toString(16))
  if (start === -1) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}
