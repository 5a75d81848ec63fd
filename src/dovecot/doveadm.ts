/**
 * One Dovecot as we need it, by whichever way it is reached. What can be asked of it is limited here, by construction,
 * to ending sessions and taking a name out of the authentication cache.
 */
import type { Address } from '../login/address.ts'
import { parseAddress } from '../login/address.ts'

export type DoveadmAction = 'kick' | 'flush_auth_cache'

export interface Doveadm {
  /** The endpoint's name in the configuration. */
  readonly name: string
  /**
   * Does it for this mailbox alone. That there was no session is done, too. Throws MailpassdError consumer_failed,
   * whose message names the endpoint and holds no secret.
   */
  run(action: DoveadmAction, target: Target, signal: AbortSignal): Promise<void>
}

declare const checked: unique symbol
/** A name that doveadm takes for one mailbox: canonical, and no mask of several. */
export type Target = string & { readonly [checked]: true }

/**
 * The name as doveadm's argument, or undefined. `kick` takes masks (`*` and `?`) and network ranges: one such name
 * would end everybody's sessions.
 */
export function targetOf(name: string): Target | undefined {
  const address = parseAddress(name)
  return address !== undefined && isTarget(address, name) ? name : undefined
}

function isTarget(address: Address, name: string): name is Target {
  return address.full === name && !/[*?\\%]/.test(name)
}
