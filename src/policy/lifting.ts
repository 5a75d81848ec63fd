/** Penalties as an operator sees and lifts them: by a mailbox, by a network or an address, or all. */
import { isInNetworks, normaliseCidr } from './cidr.ts'
import { networksOf } from './network.ts'
import { describeScope } from './penalty-text.ts'
import type { Counted } from './rate.ts'

/** `mailbox`: a canonical address. `network`: CIDR text, an address alone with its /32 or /128. */
export type Target =
  | { readonly kind: 'mailbox'; readonly mailbox: string }
  | { readonly kind: 'network'; readonly network: string }

export interface Penalty {
  readonly scope: string
  readonly kind: 'mailbox' | 'network' | 'pair'
  readonly mailbox: string | undefined
  readonly network: string | undefined
  readonly guesses: number
  /** Absent where there is none. */
  readonly limit: number | undefined
  readonly isThrottled: boolean
  /** Wall-clock time from which fewer count. */
  readonly untilMs: number
  readonly text: string
}

/** The network that an operator named, or undefined where it is none. */
export function networkTarget(text: string): Target | undefined {
  const network = normaliseCidr(text)
  return network === undefined ? undefined : { kind: 'network', network }
}

export function penaltyOf({ scope, guesses, untilMs }: Counted, limit: number | undefined): Penalty {
  const { mailbox, network } = partsOf(scope)
  const most = limit === undefined || !Number.isFinite(limit) ? undefined : limit
  return {
    scope,
    kind: mailbox === undefined ? 'network' : network === undefined ? 'mailbox' : 'pair',
    mailbox,
    network,
    guesses,
    limit: most,
    isThrottled: most !== undefined && guesses >= most,
    untilMs,
    text: describeScope(scope),
  }
}

/**
 * Whether the scope is of what was named: of a mailbox also its pairs; of a network itself, those within and their
 * pairs; of a single address also the networks around it, which would hold it up as well.
 */
export function concerns(target: Target, scope: string): boolean {
  const { mailbox, network } = partsOf(scope)
  if (target.kind === 'mailbox') return mailbox === target.mailbox
  if (network === undefined) return false
  const [address = '', bits] = target.network.split('/')
  const isSingle = bits === (address.includes(':') ? '128' : '32')
  if (isSingle && (network === target.network || networksOf(address).includes(network))) return true
  const [first = '', narrow = '0'] = network.split('/')
  return Number(narrow) >= Number(bits) && isInNetworks(first, [target.network])
}

function partsOf(scope: string): {
  readonly mailbox: string | undefined
  readonly network: string | undefined
} {
  const name = scope.slice(2)
  if (scope.startsWith('a:')) return { mailbox: name, network: undefined }
  if (scope.startsWith('n:')) return { mailbox: undefined, network: name }
  const blank = name.lastIndexOf(' ')
  return { mailbox: name.slice(0, blank), network: name.slice(blank + 1) }
}
