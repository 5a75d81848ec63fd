/** The store as the maps need it: rows by their names, compared byte for byte. */
import type { StoredLock } from '../stored.ts'

/** What an active domain is here. */
export interface Hosting {
  /** Where it is an alias domain: the active domain whose addresses are its own, too. */
  readonly target: string | undefined
  /** Mail for it is handed on to another server (mailcow's backup MX), not delivered here. */
  readonly isRelayed: boolean
}

export interface AliasRow {
  /** As it stands there: addresses, separated by commas. */
  readonly goto: string
  /** 1, or 2: it receives, and nobody sends by it. Others do not count. */
  readonly active: 1 | 2
  readonly senderAllowed: boolean
}

export interface SpamAliasRow {
  readonly goto: string
  /** Wall-clock time. */
  readonly validUntilMs: number
  readonly isPermanent: boolean
}

export interface AddressRows {
  readonly aliases: ReadonlyMap<string, AliasRow>
  /** Name -> kind: '' for people; location, thing or group for resources. Mailboxes that receive (active 1 or 2). */
  readonly mailboxes: ReadonlyMap<string, string>
  readonly spamAliases: ReadonlyMap<string, SpamAliasRow>
}

/** Whether a mailbox may log in, as far as its rows say. */
export interface LoginRows {
  /** active = 1, of a person, in an active domain. */
  readonly isOpen: boolean
  readonly lock: StoredLock | undefined
}

/** Every call throws MailpassdError store_*. */
export interface MapSource {
  /** Undefined where the domain is not here or not active. */
  lookupHosting(domain: string): Promise<Hosting | undefined>
  /** Rows of any of these names, at most six. */
  loadAddresses(names: readonly string[]): Promise<AddressRows>
  /** Logins that sender_acl lets send as one of these, at most seven. */
  loadSenderAcl(sendAs: readonly string[]): Promise<readonly string[]>
  /** Those of these mailboxes that exist. */
  loadLogins(usernames: readonly string[]): Promise<ReadonlyMap<string, LoginRows>>
}
