/** The way to a server, one step at a time, as undici goes it at once: name, address, TLS. Nothing is sent over it. */
import { lookup } from 'node:dns/promises'
import { connect as connectTcp, isIP } from 'node:net'
import {
  checkServerIdentity,
  connect as connectTls,
  type DetailedPeerCertificate,
  type TLSSocket,
} from 'node:tls'
import type { Certificate, Connected, Handshake, Resolved } from '../../check/server-probe.ts'
import { tlsOptions, type Tls } from './http.ts'

/** More addresses than anybody has; each is tried. */
const MAX_ADDRESSES = 16
/** Longer chains are nobody's. */
const MAX_CHAIN = 10

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

/** By the machine's own way (hosts file, DNS), as every connection is. */
export async function resolveName(host: string): Promise<Resolved> {
  try {
    const found = await lookup(host, { all: true })
    return { kind: 'resolved', addresses: found.slice(0, MAX_ADDRESSES).map(({ address }) => address) }
  } catch (error) {
    return { kind: 'failed', code: codeOf(error) }
  }
}

export async function reachAddress(address: string, port: number, limitMs: number): Promise<Connected> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connectTcp({ host: address, port, timeout: limitMs })
  socket.once('connect', () => resolve(undefined))
  socket.once('timeout', () => resolve('ETIMEDOUT'))
  socket.once('error', (error) => resolve(codeOf(error)))
  const code = await promise
  socket.destroy()
  return { address, code }
}

/**
 * A handshake that goes on whatever the certificate is, so that it can be told what is wrong with it. Throws
 * config_unreadable, config_invalid (the file of authorities).
 */
export async function shakeHands(host: string, port: number, tls: Tls, limitMs: number): Promise<Handshake> {
  const { promise, resolve } = Promise.withResolvers<Handshake>()
  const socket = connectTls({
    ...tlsOptions(tls),
    rejectUnauthorized: false,
    host,
    port,
    // RFC 6066 §3: no address is a server name.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    timeout: limitMs,
    // Told apart from a chain that is not trusted, below.
    checkServerIdentity: () => undefined,
  })
  socket.once('secureConnect', () => resolve(handshakeOf(host, socket)))
  socket.once('timeout', () => resolve({ kind: 'failed', code: 'ETIMEDOUT' }))
  socket.once('error', (error) => resolve({ kind: 'failed', code: codeOf(error) }))
  socket.once('end', () => resolve({ kind: 'failed', code: 'ECONNRESET' }))
  const handshake = await promise
  socket.destroy()
  return handshake
}

function handshakeOf(host: string, socket: TLSSocket): Handshake {
  const own = socket.getPeerCertificate(true)
  const isOurs = checkServerIdentity(host, own) === undefined
  return {
    kind: 'done',
    protocol: socket.getProtocol() ?? 'TLS',
    chain: chainOf(own),
    fault: socket.authorized ? undefined : faultOf(socket.authorizationError),
    otherNames: isOurs ? undefined : namesOf(own),
  }
}

/** Node's types say Error, and it is OpenSSL's code as text. */
function faultOf(error: unknown): string {
  if (typeof error === 'string') return error
  return error instanceof Error ? codeOf(error) : 'not trusted'
}

function chainOf(own: DetailedPeerCertificate): Certificate[] {
  const chain: Certificate[] = []
  const seen = new Set<string>()
  let next: DetailedPeerCertificate | undefined = own
  while (next !== undefined && 'fingerprint256' in next && !seen.has(next.fingerprint256)) {
    seen.add(next.fingerprint256)
    if (chain.length === MAX_CHAIN) break
    chain.push({
      subject: nameOf(next.subject),
      issuer: nameOf(next.issuer),
      validFromMs: Date.parse(next.valid_from),
      validToMs: Date.parse(next.valid_to),
    })
    next = next.issuerCertificate
  }
  return chain
}

/** A distinguished name's parts that people know one by. */
function nameOf(name: Readonly<Record<string, unknown>>): string {
  const parts = ['CN', 'O', 'OU'].flatMap((key) => {
    const value = name[key]
    return typeof value === 'string' ? [`${key}=${value}`] : []
  })
  return parts.length === 0 ? 'without a name' : parts.join(', ')
}

function namesOf({ subjectaltname: names }: DetailedPeerCertificate): string[] {
  return (names ?? '').split(', ').flatMap((name) => {
    const [, kind, value] = /^(DNS|IP Address):(.+)$/.exec(name) ?? []
    return kind === undefined || value === undefined ? [] : [value]
  })
}
