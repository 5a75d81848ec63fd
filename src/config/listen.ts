/** Listener addresses and networks as the configuration writes them: parsed, and what follows from them. */
import { BlockList, isIP, isIPv4 } from 'node:net'

export type Listen =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** sun_path of unix(7) less its final NUL byte. */
const MAX_UNIX_PATH_BYTES = 107
const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$/

/** `host:port`, `[v6]:port` or `unix:path`; undefined when it is none of them. Port 0 takes any free one. */
export function parseListen(text: string): Listen | undefined {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length)
    if (path === '' || path.includes('\0') || Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES) return undefined
    return { kind: 'unix', path }
  }
  const colon = text.lastIndexOf(':')
  const digits = text.slice(colon + 1)
  if (colon <= 0 || !/^\d{1,5}$/.test(digits) || Number(digits) > 65535) return undefined
  const written = text.slice(0, colon)
  const bracketed = written.startsWith('[') && written.endsWith(']')
  const host = bracketed ? written.slice(1, -1) : written
  if (bracketed ? isIP(host) !== 6 : !isIPv4(host) && (/^[\d.]+$/.test(host) || !HOST_NAME.test(host)))
    return undefined
  return { kind: 'tcp', host, port: Number(digits) }
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether only this machine can reach a listener on this host. */
export function isLoopback(host: string): boolean {
  const version = isIP(host)
  return version === 0 ? host === 'localhost' : LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4')
}

const WILDCARDS = new Set(['0.0.0.0', '::'])

/** Whether two listeners would want the same address. UNIX paths are compared as written. */
export function collide(a: Listen, b: Listen): boolean {
  if (a.kind === 'unix' || b.kind === 'unix')
    return a.kind === 'unix' && b.kind === 'unix' && a.path === b.path
  if (a.port !== b.port || a.port === 0) return false
  return a.host === b.host || WILDCARDS.has(a.host) || WILDCARDS.has(b.host)
}

export interface Network {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** A network in CIDR notation (RFC 4632 §3.1), or undefined. */
export function parseNetwork(text: string): Network | undefined {
  const match = /^([0-9a-fA-F:.]{2,45})\/(\d{1,3})$/.exec(text)
  const address = match?.[1]
  const prefix = Number(match?.[2])
  if (address === undefined) return undefined
  const version = isIP(address)
  if (version === 0 || prefix > (version === 4 ? 32 : 128)) return undefined
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
}
