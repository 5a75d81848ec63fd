/** What the store says of one address: rows turned into values, compared byte for byte, loaded in one go. */
import type { FlaggedService } from '../login/service.ts'
import type { MailboxTemplate } from '../mailbox/template.ts'

export interface StoredDomain {
  readonly name: string
  readonly active: boolean
  /** 0 is none allowed: mailcow compares count >= mailboxes. */
  readonly maxMailboxes: number
  readonly maxMailboxQuotaBytes: number
  readonly quotaBytes: number
  /** Our own settings; absent where no row of ours exists (a mailcow domain never touched by us). */
  readonly autojoin: boolean | undefined
  readonly template: string | undefined
}

export type AuthSource = 'mailcow' | 'keycloak' | 'ldap' | 'generic-oidc'

export interface StoredMailbox {
  readonly username: string
  /** The SQL hash, '' where there is none. */
  readonly hash: string
  readonly authsource: AuthSource
  readonly active: 0 | 1 | 2
  /** '' for people; location, thing or group for resources. */
  readonly kind: string
  /** `attributes.<service>_access`; absent keys allow (mailcow denies only what is present and not '1'). */
  readonly services: Readonly<Partial<Record<FlaggedService, boolean>>>
  readonly tfaActive: boolean
  /** The directory id stored with the mailbox at its first good login. */
  readonly directoryId: string | undefined
  /** Rows that a mailbox must have beside its own; an earlier crash (of anybody) may have left them out. */
  readonly missing: {
    readonly alias: boolean
    readonly quota2: boolean
    readonly quota2replica: boolean
    readonly userAcl: boolean
  }
  readonly name: string
  readonly quotaBytes: number
  /** Path parts for userdb: attributes.mailbox_format and mailbox_path_prefix. */
  readonly mailboxFormat: string
  readonly pathPrefix: string
}

/** What is known of an app password that mailpassd made, beside mailcow's row. */
export interface OwnAppPassword {
  /** Part of the password that is no secret: finds the row without comparing hashes. */
  readonly tag: string
  /** The directory user it was made for; it opens the mailbox for no other. Absent: no directory user was bound. */
  readonly directoryId: string | undefined
  /** CIDR texts; empty for all. */
  readonly networks: readonly string[]
  readonly createdMs: number
  readonly expiresMs: number | undefined
  /** It expires when it was not used for so many days. */
  readonly unusedDays: number | undefined
  readonly revokedMs: number | undefined
}

/** App passwords made elsewhere (without a tag, each perhaps a bcrypt) that one login tries, last used first. */
export const MAX_UNTAGGED = 20

export interface StoredAppPassword {
  readonly id: number
  readonly hash: string
  readonly services: ReadonlySet<FlaggedService>
  /** False only for ours (revoked, expired or switched off), which are still compared to tell why they are refused. */
  readonly active: boolean
  /** Absent where it was made elsewhere, or its row holds another hash now. */
  readonly own: OwnAppPassword | undefined
  readonly lastUsedMs: number | undefined
}

/** An operator's lock: nobody logs in, whatever directory, template or flags say. */
export interface StoredLock {
  /** Wall-clock time; absent: until it is unlocked. */
  readonly untilMs: number | undefined
}

/** What making a mailbox depends on; loaded only where the mailbox is absent. */
export interface MakingFacts {
  readonly mailboxCount: number
  readonly quotaSumBytes: number
  readonly isAlias: boolean
  readonly isSpamAlias: boolean
  /** The database finds a mailbox row under this name that is not this name (collation). */
  readonly collides: boolean
  readonly templates: readonly MailboxTemplate[]
}

export interface StoredAccount {
  readonly domain: StoredDomain | undefined
  /** The domain is an active alias of this one; there is then no `domain`. */
  readonly aliasDomainOf: string | undefined
  readonly mailbox: StoredMailbox | undefined
  /** May be there without a mailbox. One whose time is over still is here: account/lock.ts. */
  readonly lock: StoredLock | undefined
  /** All of ours; of those made elsewhere the active ones that are tried. */
  readonly appPasswords: readonly StoredAppPassword[]
  /** How many more active ones were made elsewhere: too many to be tried. Absent: none. */
  readonly othersLeftOut?: number
  readonly making: MakingFacts | undefined
}

/** The store as the account room needs it. */
export interface AccountSource {
  /** Everything about this canonical address. Throws MailpassdError store_unavailable, store_failed. */
  loadAccount(address: {
    readonly local: string
    readonly domain: string
    readonly full: string
  }): Promise<StoredAccount>
}
