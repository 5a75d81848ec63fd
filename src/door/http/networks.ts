/** Whether an address is in one of the networks that the configuration names. */
import { BlockList, isIP } from 'node:net'

/**
 * A test for textual addresses: false for what is none. `networks` in CIDR notation or single addresses, checked by the
 * configuration. An IPv4 address that reached an IPv6 socket (RFC 4291 §2.5.5.2) is in its IPv4 network.
 */
export function inNetworks(networks: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const slash = network.lastIndexOf('/')
    const address = slash === -1 ? network : network.slice(0, slash)
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    const bits = slash === -1 ? (family === 'ipv6' ? 128 : 32) : Number(network.slice(slash + 1))
    list.addSubnet(address, bits, family)
  }
  return (address) => {
    const version = address === undefined ? 0 : isIP(address)
    return address !== undefined && version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4')
  }
}
