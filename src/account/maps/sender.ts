/**
 * Which logins may use an address as sender, by rows. Pure. An address of one's own, aliases that lead to one and allow
 * it, and what sender_acl says; of these only logins that are open.
 */
import { parseAddress } from '../../login/address.ts'
import { isLocked } from '../lock.ts'
import type { AddressNames } from './names.ts'
import { addressesIn } from './recipient.ts'
import type { AddressRows, LoginRows } from './source.ts'

/** In sender_acl: every sender. */
const EVERY_SENDER = '*'

/** What sender_acl may call this sender. */
export function senderAclNames(names: AddressNames): readonly string[] {
  return [...names.exact, ...names.base, ...names.domains, EVERY_SENDER]
}

/** Names of logins that own the sender by its rows, open or not, as they stand there. */
export function ownersOf(names: AddressNames, rows: AddressRows): readonly string[] {
  const own = [...names.exact, ...names.base].find((name) => rows.mailboxes.has(name))
  return [...(own === undefined ? [] : [own]), ...aliasOwners(names, rows)]
}

/** One alias decides, the most exact there is: owners of a catch-all do not send as somebody else's alias. */
function aliasOwners(names: AddressNames, rows: AddressRows): readonly string[] {
  const candidates = [...names.exact, ...names.base, ...(names.isPlain ? names.domains : [])]
  for (const name of candidates) {
    const alias = rows.aliases.get(name)
    if (alias !== undefined) return alias.active === 1 && alias.senderAllowed ? addressesIn(alias.goto) : []
    // A mailbox that lacks an alias row (another program died while making it) is its owner's all the same.
    if (rows.mailboxes.has(name)) return []
  }
  return []
}

/**
 * A login as mailpassd names it to a mail server; undefined for what is no address, and for a name with a comma, which
 * Postfix takes for two: the part behind it would be somebody else.
 */
export function canonical(login: string): string | undefined {
  const full = parseAddress(login)?.full
  return full?.includes(',') === true ? undefined : full
}

/** Those that may log in now. `nowMs` is wall-clock time. */
export function openLogins(
  logins: readonly string[],
  rows: ReadonlyMap<string, LoginRows>,
  nowMs: number,
): readonly string[] {
  return logins.filter((login) => {
    const standing = rows.get(login)
    return standing !== undefined && standing.isOpen && !isLocked(standing, nowMs)
  })
}
