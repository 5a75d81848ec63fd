/**
 * A login name as a mailbox address. Only ASCII is lower-cased (Unicode folding would turn the Kelvin sign into a
 * `k` and open somebody else's mailbox); the domain goes by UTS-46 to A-labels.
 */
import { domainToASCII } from 'node:url'

export interface Address {
  readonly local: string
  /** A-labels, lower case. */
  readonly domain: string
  /** local@domain */
  readonly full: string
}

/** RFC 5321 §4.5.3.1.1, and §4.5.3.1.3 less the angle brackets. */
const MAX_LOCAL_BYTES = 64
const MAX_ADDRESS_BYTES = 254

const CONTROL = /[\u0000-\u0020\u007f]/
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const MAKEABLE = /^[a-z0-9_+=][a-z0-9_+=-]*(?:\.[a-z0-9_+=-]+)*$/
/** Paths and doveadm masks: never in a name that reaches a file system or an operator's command. */
const DANGEROUS = /[/*?%\\]/

/** Nothing to fold, to convert or to refuse but by length: nearly every name (the rest costs 0.5 us more). */
const PLAIN =
  /^[a-z0-9_+=-][a-z0-9_+=.-]*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase())
}

/** The address a login name stands for, or undefined when it is none. Never throws. */
export function parseAddress(name: string): Address | undefined {
  if (name.length > MAX_ADDRESS_BYTES) return undefined
  const at = name.indexOf('@')
  if (at <= MAX_LOCAL_BYTES && PLAIN.test(name) && !name.includes('xn--'))
    return { local: name.slice(0, at), domain: name.slice(at + 1), full: name }
  if (CONTROL.test(name)) return undefined
  if (at <= 0 || at !== name.lastIndexOf('@')) return undefined
  const local = lowerAscii(name.slice(0, at))
  const domain = parseDomain(name.slice(at + 1))
  if (local === '.' || local === '..') return undefined
  if (domain === undefined || DANGEROUS.test(local) || !local.isWellFormed()) return undefined
  if (Buffer.byteLength(local) > MAX_LOCAL_BYTES) return undefined
  const full = `${local}@${domain}`
  if (Buffer.byteLength(full) > MAX_ADDRESS_BYTES) return undefined
  return { local, domain, full }
}

/** A domain name in A-labels, or undefined. Plain ASCII takes no IDNA work (0.4 us a call). */
export function parseDomain(name: string): string | undefined {
  const lower = lowerAscii(name)
  const ascii = /^[a-z0-9.-]+$/.test(lower) && !lower.includes('xn--') ? lower : domainToASCII(lower)
  return ascii !== '' && DOMAIN.test(ascii) ? ascii : undefined
}

/** Whether a mailbox may be made for this local part: atoms of [a-z0-9_+=-] joined by single dots. */
export function isMakeable(address: Address): boolean {
  return MAKEABLE.test(address.local)
}
