/**
 * The maps that a mail server asks instead of a database (Postfix by socketmap). Rows are read for each look-up; what
 * the directory says of a login comes from the memory of accounts, with its rules on age.
 */
import type { Clock } from '../../clock.ts'
import type { SettingsSource } from '../../config/settings.ts'
import { toMailpassdError } from '../../errors.ts'
import { parseAddress, parseDomain } from '../../login/address.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Accounts } from '../accounts.ts'
import { ABSENT, found, type LookupMap, type MailMaps, type MapAnswer } from './lookup.ts'
import { maySend } from './may-send.ts'
import { namesOf } from './names.ts'
import { mailboxOf, targetsOf } from './recipient.ts'
import { canonical, openLogins, ownersOf, senderAclNames } from './sender.ts'
import type { AddressRows, MapSource } from './source.ts'

/** What a client is told whose login may not send any more; a reason is in our own log. */
const REJECT = 'REJECT this account may not send mail now'

/** Read in one turn of the event loop: 2 ms where none of them is plain ASCII. */
const LOGINS_AT_ONCE = 250

/** Each once. */
async function canonicalLogins(names: readonly string[]): Promise<readonly string[]> {
  const distinct = [...new Set(names)]
  const logins = new Set<string>()
  for (let at = 0; at < distinct.length; at += LOGINS_AT_ONCE) {
    if (at > 0) await new Promise<void>((resolve) => void setImmediate(resolve))
    for (const name of distinct.slice(at, at + LOGINS_AT_ONCE)) {
      const login = canonical(name)
      if (login !== undefined) logins.add(login)
    }
  }
  return [...logins]
}

const NO_ROWS: AddressRows = { aliases: new Map(), mailboxes: new Map(), spamAliases: new Map() }

export interface MailMapParts {
  readonly source: MapSource
  readonly accounts: Pick<Accounts, 'get'>
  readonly settings: SettingsSource
  readonly clock: Clock
  readonly logger: Logger
  /** Characters that begin an address extension, as Postfix's recipient_delimiter. */
  readonly recipientDelimiter: string
}

export function createMailMaps(parts: MailMapParts): MailMaps {
  const { source, accounts, settings, clock, logger, recipientDelimiter } = parts

  /** A domain that mail is delivered for here, alias domains too. */
  async function mailboxDomain(key: string): Promise<MapAnswer> {
    const domain = parseDomain(key)
    if (domain === undefined) return ABSENT
    const hosting = await source.lookupHosting(domain)
    return hosting === undefined || hosting.isRelayed ? ABSENT : found(domain)
  }

  /** A mailbox that receives (active 1 or 2); the value is its path, as Postfix's own table would have it. */
  async function mailbox(key: string): Promise<MapAnswer> {
    const address = parseAddress(key)
    if (address === undefined) return ABSENT
    const names = namesOf(address, undefined, recipientDelimiter)
    const name = mailboxOf(names, await source.loadAddresses([...names.exact, ...names.base]))
    return name === undefined ? ABSENT : found(`${address.domain}/${name.slice(0, name.indexOf('@'))}/`)
  }

  /** Where mail for an address of an active domain goes. */
  async function alias(key: string): Promise<MapAnswer> {
    const address = parseAddress(key)
    const hosting = address === undefined ? undefined : await source.lookupHosting(address.domain)
    if (address === undefined || hosting === undefined) return ABSENT
    const names = namesOf(address, hosting.target, recipientDelimiter)
    const rows = await source.loadAddresses([...names.exact, ...names.base, ...names.domains])
    return found(targetsOf(names, rows, clock.nowMs()).join(','))
  }

  /** The logins that may use an address as sender: any address, since sender_acl may name foreign ones. */
  async function sender(key: string): Promise<MapAnswer> {
    const address = parseAddress(key)
    if (address === undefined) return ABSENT
    const hosting = await source.lookupHosting(address.domain)
    const names = namesOf(address, hosting?.target, recipientDelimiter)
    const [rows, acl] = await Promise.all([
      hosting === undefined
        ? NO_ROWS
        : source.loadAddresses([...names.exact, ...names.base, ...names.domains]),
      source.loadSenderAcl(senderAclNames(names)),
    ])
    const logins = await canonicalLogins([...ownersOf(names, rows), ...acl])
    if (logins.length === 0) return ABSENT
    return found(openLogins(logins, await source.loadLogins(logins), clock.nowMs()).join(','))
  }

  /** For check_sasl_access: refused is who would not get in now; who may send is not here, so that other rules count. */
  async function saslAccess(key: string): Promise<MapAnswer> {
    const address = parseAddress(key)
    if (address === undefined) return found(REJECT)
    const answer = maySend(await accounts.get(address), settings(), clock.nowMs())
    switch (answer.kind) {
      case 'may':
        return ABSENT
      case 'unknown':
        return { kind: 'temp_fail', why: answer.why }
      case 'refused':
        logger.warn(
          { mailbox: address.full, why: answer.why },
          'a sender is logged in who may not send any more',
        )
        return found(REJECT)
    }
  }

  const guarded =
    (lookup: LookupMap): LookupMap =>
    async (key) => {
      try {
        return await lookup(key)
      } catch (thrown) {
        const error = toMailpassdError(thrown)
        logger.warn({ err: error }, 'a map look-up was not answered')
        return { kind: 'temp_fail', why: error.code === 'internal' ? 'internal' : 'store_down' }
      }
    }

  return new Map(
    Object.entries({
      'virtual-mailbox-domains': mailboxDomain,
      'virtual-mailbox': mailbox,
      'virtual-alias': alias,
      'sender-login': sender,
      'sasl-access': saslAccess,
    }).map(([name, lookup]) => [name, guarded(lookup)]),
  )
}
