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

export interface StoredAppPassword {
  readonly id: number
  readonly hash: string
  readonly services: ReadonlySet<FlaggedService>
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
  readonly appPasswords: readonly StoredAppPassword[]
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
