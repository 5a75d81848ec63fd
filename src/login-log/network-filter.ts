/** Which rows of the login log an `--ip` means: the log knows networks (/24, IPv6 /64), not single addresses. */
import { isInNetworks, normaliseCidr } from '../policy/cidr.ts'
import { networkOf, UNKNOWN_NETWORK } from '../policy/network.ts'

export type NetworkFilter =
  /** Rows of exactly this network, as the log writes it. */
  | { readonly kind: 'one'; readonly network: string }
  /** Rows of every network in this wider one. */
  | { readonly kind: 'within'; readonly cidr: string }

/** Reads an address, a network in CIDR notation, or `unknown`; undefined where it is none of them. */
export function parseNetworkFilter(text: string): NetworkFilter | undefined {
  if (text === UNKNOWN_NETWORK) return { kind: 'one', network: UNKNOWN_NETWORK }
  const cidr = normaliseCidr(text)
  if (cidr === undefined) return undefined
  const slash = cidr.indexOf('/')
  const address = cidr.slice(0, slash)
  const bits = Number(cidr.slice(slash + 1))
  return bits >= (address.includes(':') ? 64 : 24)
    ? { kind: 'one', network: networkOf(address) }
    : { kind: 'within', cidr }
}

/** Whether a row's network is meant. */
export function isMeant(filter: NetworkFilter, network: string): boolean {
  if (filter.kind === 'one') return network === filter.network
  const slash = network.indexOf('/')
  return slash !== -1 && isInNetworks(network.slice(0, slash), [filter.cidr])
}
