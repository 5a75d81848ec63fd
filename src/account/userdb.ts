/** Dovecot's userdb answer for a mailbox: where its mail is. No password is involved, and no directory. */
import type { UserDbConfig } from '../config/schema.ts'
import { toMailpassdError } from '../errors.ts'
import { parseAddress, type Address } from '../login/address.ts'
import type { Why } from '../login/outcome.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { StoredAccount, StoredMailbox } from './stored.ts'

export interface UserDbEntry {
  /** The canonical address. */
  readonly user: string
  readonly uid: string
  readonly gid: string
  readonly home: string
  /** Dovecot mail_location, e.g. maildir:/var/vmail/example.org/jane/ */
  readonly mail: string
  /** 0 is unlimited. */
  readonly quotaBytes: number
}

/** "Don't know" is never "absent": LMTP would bounce mail for it. */
export type UserDbAnswer =
  | { readonly kind: 'found'; readonly entry: UserDbEntry }
  | { readonly kind: 'absent' }
  | { readonly kind: 'temp_fail'; readonly why: Why }

export type UserDb = (name: string) => Promise<UserDbAnswer>

/** What the userdb needs of the memory of accounts. */
export interface StoredAccounts {
  stored(address: Address): Promise<StoredAccount>
}

/**
 * Answers for mailboxes that are active or receive only (active 1 or 2), as mailcow's userdb does: mail goes on
 * arriving for who may not log in.
 */
export function createUserDb(accounts: StoredAccounts, config: UserDbConfig, logger: Logger): UserDb {
  return async (name) => {
    const address = parseAddress(name)
    if (address === undefined) return { kind: 'absent' }
    try {
      const { mailbox } = await accounts.stored(address)
      if (mailbox === undefined || mailbox.active === 0) return { kind: 'absent' }
      return { kind: 'found', entry: entryOf(address, mailbox, config) }
    } catch (thrown) {
      const error = toMailpassdError(thrown)
      logger.warn({ err: error }, 'a userdb look-up was not answered')
      return { kind: 'temp_fail', why: error.code === 'internal' ? 'internal' : 'store_down' }
    }
  }
}

function entryOf(address: Address, mailbox: StoredMailbox, config: UserDbConfig): UserDbEntry {
  const fill = (template: string) =>
    template.replace(/%[dn]/g, (key) => (key === '%d' ? address.domain : address.local))
  const { mailboxFormat, pathPrefix } = mailbox
  return {
    user: address.full,
    uid: config.uid,
    gid: config.gid,
    home: config.home === undefined ? `${pathPrefix}${address.domain}/${address.local}` : fill(config.home),
    mail:
      config.mail === undefined
        ? `${mailboxFormat}${pathPrefix}${address.domain}/${address.local}/`
        : fill(config.mail),
    quotaBytes: mailbox.quotaBytes,
  }
}
