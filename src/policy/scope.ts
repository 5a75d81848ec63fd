/**
 * What guesses are counted at: a mailbox (`a:jane@example.org`), a network (`n:192.0.2.0/24`), a pair of both
 * (`p:jane@example.org 192.0.2.0/24`). One text each, the same in memory, in the database and between nodes.
 */
import { isInNetworks } from './cidr.ts'
import { parseV4, parseV6 } from './ip.ts'
import { networkOf, networksOf, UNKNOWN_NETWORK } from './network.ts'

/** Different wrong passwords an hour; 0: any number. */
export interface GuessLimits {
  readonly pair: number
  readonly address: number
  readonly v4: { readonly 32: number; readonly 24: number }
  readonly v6: { readonly 64: number; readonly 56: number; readonly 48: number; readonly 32: number }
}

export interface Scope {
  readonly key: string
  /** `Infinity` for any number. */
  readonly limit: number
}

/** Where a request comes from, as far as guesses are counted by it. */
export interface Origin {
  /** Wide to narrow, as a ticket has them. */
  readonly networks: readonly string[]
  /** The last of them. */
  readonly network: string
  /** Others stand behind this address, or it is not known: nothing is counted by it. */
  readonly isShared: boolean
  /** The narrowest first. None where it is shared. */
  readonly scopes: readonly Scope[]
}

const MAX_REMEMBERED = 10_000

export class Scopes {
  readonly #limits: GuessLimits
  readonly #shared: readonly string[]
  readonly #origins = new Map<string, Origin>()
  /** The last pair of each mailbox: a text that is made anew must be hashed anew for each map. */
  readonly #pairs = new Map<string, { readonly network: string; readonly scope: Scope }>()
  readonly #unknown: Origin

  constructor(limits: GuessLimits, shared: readonly string[]) {
    this.#limits = limits
    this.#shared = shared
    this.#unknown = this.#make(undefined)
  }

  /** By a textual IP address; what is none is shared. */
  originOf(ip: string | undefined): Origin {
    if (ip === undefined || ip.length > 64) return this.#unknown
    const known = this.#origins.get(ip)
    if (known !== undefined) return known
    const origin = this.#make(ip)
    if (this.#origins.size >= MAX_REMEMBERED) this.#origins.clear()
    // A copy: an address cut from a line would keep the whole line alive, and a password may stand in it.
    this.#origins.set(Buffer.from(ip).toString(), origin)
    return origin
  }

  ofAddress(mailbox: string): Scope {
    return { key: addressScope(mailbox), limit: limitOf(this.#limits.address) }
  }

  ofPair(mailbox: string, network: string): Scope {
    const last = this.#pairs.get(mailbox)
    if (last?.network === network) return last.scope
    const scope = { key: pairScope(mailbox, network), limit: limitOf(this.#limits.pair) }
    if (this.#pairs.size >= MAX_REMEMBERED) this.#pairs.clear()
    // A copy, as of an address.
    this.#pairs.set(Buffer.from(mailbox).toString(), { network, scope })
    return scope
  }

  /** The limit of a scope by its text; undefined for a text that is none. */
  limitOf(scope: string): number | undefined {
    if (scope.startsWith('a:')) return limitOf(this.#limits.address)
    if (scope.startsWith('p:')) return limitOf(this.#limits.pair)
    return scope.startsWith('n:') ? this.#networkLimit(scope.slice(2)) : undefined
  }

  #make(ip: string | undefined): Origin {
    const networks = networksOf(ip)
    const network = networkOf(ip)
    const isShared =
      ip === undefined || network === UNKNOWN_NETWORK || isInNetworks(withoutZone(ip), this.#shared)
    if (isShared) return Object.freeze({ networks, network, isShared, scopes: Object.freeze([]) })
    const counted = [...singleOf(ip), ...networks.toReversed()]
    const scopes = counted.map((text) => ({
      key: networkScope(text),
      limit: this.#networkLimit(text) ?? Number.POSITIVE_INFINITY,
    }))
    return Object.freeze({ networks, network, isShared, scopes: Object.freeze(scopes) })
  }

  #networkLimit(network: string): number | undefined {
    const { v4, v6 } = this.#limits
    const limits: Readonly<Record<string, number>> = network.includes(':') ? { ...v6 } : { ...v4 }
    const limit = limits[network.slice(network.indexOf('/') + 1)]
    return limit === undefined ? undefined : limitOf(limit)
  }
}

export function addressScope(mailbox: string): string {
  return `a:${mailbox}`
}

export function networkScope(network: string): string {
  return `n:${network}`
}

export function pairScope(mailbox: string, network: string): string {
  return `p:${mailbox} ${network}`
}

function limitOf(limit: number): number {
  return limit === 0 ? Number.POSITIVE_INFINITY : limit
}

/** An IPv4 address by itself; of IPv6 a /64 is the least that one client has. */
function singleOf(ip: string): string[] {
  // ::ffff:192.0.2.7 is in a /24 of IPv4 as well, and 64:ff9b::192.0.2.7 is not.
  if (networkOf(ip).includes(':')) return []
  const octets =
    parseV4(ip) ??
    parseV6(ip)
      ?.slice(6)
      .flatMap((group) => [group >> 8, group & 255])
  return octets === undefined ? [] : [`${octets.join('.')}/32`]
}

function withoutZone(ip: string): string {
  const zone = ip.indexOf('%')
  return zone === -1 ? ip : ip.slice(0, zone)
}
