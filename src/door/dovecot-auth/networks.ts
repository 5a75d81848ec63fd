/**
 * Who may connect to a TCP listener. The protocol has no client authentication, and whoever connects is believed what
 * it says of its client's address and TLS: so loopback, and the networks that the configuration names.
 */
import { BlockList, isIP } from 'node:net'
import { MailpassdError } from '../../errors.ts'

/** What Node puts before an IPv4 address that reached an IPv6 socket (RFC 4291 §2.5.5.2). */
const MAPPED = '::ffff:'

/**
 * A test for remote addresses. `networks` are addresses or prefixes (`10.0.0.0/8`, `2001:db8::/32`, `192.0.2.1`).
 * Throws config_invalid.
 */
export function allowNetworks(networks: readonly string[]): (remoteAddress: string) => boolean {
  const allowed = new BlockList()
  allowed.addSubnet('127.0.0.0', 8, 'ipv4')
  allowed.addAddress('::1', 'ipv6')
  for (const network of networks) {
    const slash = network.indexOf('/')
    const address = slash === -1 ? network : network.slice(0, slash)
    const version = isIP(address)
    const most = version === 4 ? 32 : 128
    const bits = slash === -1 ? String(most) : network.slice(slash + 1)
    if (version === 0 || !/^[0-9]{1,3}$/.test(bits) || Number(bits) > most) {
      throw new MailpassdError('config_invalid', `sasl.listeners networks: "${network}" is no network`)
    }
    allowed.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6')
  }
  return (remoteAddress) => {
    const address = remoteAddress.startsWith(MAPPED) ? remoteAddress.slice(MAPPED.length) : remoteAddress
    return allowed.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
  }
}
