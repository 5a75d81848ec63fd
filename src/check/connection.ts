/** Judges the way to the directory server: its name, its addresses, and TLS with who vouches for it. */
import { isIP } from 'node:net'
import { isLoopback } from '../config/listen.ts'
import { EXIT } from '../errors.ts'
import type { Certificate, Connected, Handshake, Resolved, ServerProbe } from './server-probe.ts'
import { found, type Finding } from './step.ts'
import { listed } from './text.ts'

const DAY_MS = 86_400_000
/** Renewal is automatic at most places and happens a month before; this late it has failed. */
const WARN_DAYS = 14

export function judgeName(host: string, resolved: Resolved): Finding {
  if (resolved.kind === 'resolved')
    return found.ok(
      isIP(host) === 0
        ? `${host} is ${listed(resolved.addresses)}`
        : `${host} is an address; nothing to resolve`,
    )
  const isUnknown = resolved.code === 'ENOTFOUND'
  return found.failed(
    isUnknown ? `no DNS server knows ${host}` : `${host} was not resolved (${resolved.code})`,
    isUnknown
      ? 'compare the host in directory.server_url; ask with: getent hosts NAME'
      : 'look at /etc/resolv.conf and its servers',
    EXIT.unavailable,
  )
}

export function judgeConnections(port: number, connected: readonly Connected[]): Finding {
  const reached = connected.filter(({ code }) => code === undefined)
  const missed = connected.filter(({ code }) => code !== undefined)
  const show = (some: readonly Connected[]) =>
    listed(some.map(({ address, code }) => (code === undefined ? address : `${address} (${code})`)))
  if (reached.length === 0)
    return found.failed(
      `port ${port}: ${show(missed)}`,
      'is the port in directory.server_url right, does Keycloak run, does a firewall stand between?',
      EXIT.unavailable,
    )
  if (missed.length > 0)
    return found.warning(
      `port ${port}: ${show(reached)} answers, but not ${show(missed)}`,
      'each new connection may try the dead address first: take it out of the DNS, or open it',
    )
  return found.ok(`port ${port}: ${show(reached)}`)
}

/** Beside the certificate: how it is used. */
type TlsSettings = Pick<ServerProbe, 'host'> & {
  readonly insecure: boolean
  readonly caFile: string | undefined
  readonly nowMs: number
}

/** For a server that is spoken to without TLS. */
export function judgePlain(host: string): Finding {
  return isLoopback(host)
    ? found.ok('not encrypted; it does not leave this machine')
    : found.warning(
        'NOT ENCRYPTED: whoever is on the path reads the client secret and every hash',
        'let directory.server_url begin with https://',
      )
}

export function judgeTls(handshake: Handshake, settings: TlsSettings): Finding {
  if (handshake.kind === 'failed')
    return found.failed(
      `no TLS came about (${handshake.code})`,
      'does this port speak TLS, and version 1.2 or newer? Else let directory.server_url begin with http://',
      EXIT.unavailable,
    )
  const fault = faultOf(handshake, settings)
  const about = describe(handshake.protocol, handshake.chain, settings)
  if (settings.insecure)
    return found.warning(
      `certificates are NOT CHECKED (directory.tls.insecure): whoever is on the path reads the client secret and every hash; ${about}` +
        (fault === undefined ? '; it would be accepted' : `; it would be refused: ${fault.detail}`),
      fault === undefined
        ? 'take directory.tls.insecure out'
        : `take directory.tls.insecure out, and ${fault.hint}`,
    )
  if (fault !== undefined) return found.failed(fault.detail, fault.hint)
  const ending = soonestEnd(handshake.chain)
  if (ending !== undefined && ending.validToMs - settings.nowMs < WARN_DAYS * DAY_MS)
    return found.warning(about, `renew the certificate of ${ending.subject}`)
  return found.ok(about)
}

function soonestEnd(chain: readonly Certificate[]): Certificate | undefined {
  return [...chain].sort((a, b) => a.validToMs - b.validToMs)[0]
}

function dayOf(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 10) : 'an unknown day'
}

function describe(protocol: string, chain: readonly Certificate[], { caFile, nowMs }: TlsSettings): string {
  const [own] = chain
  const ending = soonestEnd(chain)
  if (own === undefined || ending === undefined) return `${protocol}, no certificate was shown`
  const days = Math.floor((ending.validToMs - nowMs) / DAY_MS)
  const whose = ending === own ? '' : ` (that of ${ending.subject})`
  const left = days < 0 ? `ended on ${dayOf(ending.validToMs)}` : `${days} days left`
  const by = caFile === undefined ? 'the system' : caFile
  return `${protocol}, ${own.subject} by ${own.issuer}, ${left}${whose}, authorities of ${by}`
}

/** What OpenSSL calls it, in the words of who must do something about it. */
function faultOf(
  { chain, fault, otherNames }: Extract<Handshake, { kind: 'done' }>,
  { host, caFile, nowMs }: TlsSettings,
): { readonly detail: string; readonly hint: string } | undefined {
  const [own] = chain
  const trust =
    caFile === undefined
      ? 'name a file with its authority in directory.tls.ca_file'
      : `put its authority into ${caFile}`
  switch (fault) {
    case undefined:
      return otherNames === undefined
        ? undefined
        : {
            detail: `the certificate is not for ${host}, but for ${otherNames.length === 0 ? 'no name at all' : listed(otherNames)}`,
            hint: 'use one of its names in directory.server_url, or get a certificate for this one',
          }
    case 'CERT_HAS_EXPIRED': {
      const over = chain.findLast(({ validToMs }) => validToMs < nowMs)
      const isOwn = over === own
      return {
        detail:
          over === undefined
            ? `an authority of ${own?.subject ?? 'the certificate'} has ended`
            : `${isOwn ? 'the certificate' : 'the authority'} ${over.subject} ended on ${dayOf(over.validToMs)}`,
        hint: isOwn
          ? 'renew it on the server, and look whether this machine has the right time'
          : `the server needs a certificate by an authority that is still good; then ${trust}`,
      }
    }
    case 'CERT_NOT_YET_VALID':
      return {
        detail: `a certificate begins only on ${dayOf(Math.max(...chain.map(({ validFromMs }) => validFromMs)))}`,
        hint: 'does this machine have the right time?',
      }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return {
        detail: `the certificate ${own?.subject ?? ''} is signed by itself, and nobody vouches for it`,
        hint: `${caFile === undefined ? 'name a file with the certificate in directory.tls.ca_file' : `put the certificate into ${caFile}`}, or get one by an authority`,
      }
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return {
        detail: `the authority ${chain.at(-1)?.issuer ?? ''} is not trusted (${fault})`,
        hint: `${trust}; or the server does not send its intermediate certificates`,
      }
    default:
      return { detail: `the certificate is refused (${fault})`, hint: trust }
  }
}
