/** A plan is a list of changes to rows; only the mailbox writer (store/) carries them out. */
import type { Why } from '../login/outcome.ts'
import type { StoredAccount } from '../account/stored.ts'
import type { UserAclColumn } from './template.ts'
import type { Address } from '../login/address.ts'
import type { RateLimit } from '../mailcow/rate-limit.ts'

export type Change =
  | {
      readonly kind: 'make_mailbox'
      readonly name: string
      readonly quotaBytes: number
      readonly active: 0 | 1 | 2
      /** mailbox.attributes: every value a string, as mailcow's PHP writes them; passwd_update is the writer's. */
      readonly attributes: Readonly<Record<string, string>>
    }
  | { readonly kind: 'make_alias'; readonly active: 0 | 1 | 2 }
  | { readonly kind: 'make_quota'; readonly table: 'quota2' | 'quota2replica' }
  | { readonly kind: 'make_acl'; readonly columns: Readonly<Record<UserAclColumn, boolean>> }
  | { readonly kind: 'add_tag'; readonly tag: string }
  /** Rspamd's rate limit; undefined takes away what an earlier mailbox of this name left. Outside of the database. */
  | { readonly kind: 'set_rate_limit'; readonly limit: RateLimit | undefined }
  /** The mailbox's row in SOGo's user view: mailcow's schema only. */
  | { readonly kind: 'make_sogo_row'; readonly name: string }
  /** Stores the directory id with the mailbox, and the template it was made from ('' for an existing mailbox). */
  | {
      readonly kind: 'bind_identity'
      readonly directoryId: string
      readonly template: string
      readonly applied: Readonly<Record<string, string>>
    }

export type Plan =
  | { readonly kind: 'changes'; readonly changes: readonly Change[] }
  | { readonly kind: 'refused'; readonly why: Why }

export type Applied =
  { readonly kind: 'done'; readonly made: boolean } | { readonly kind: 'refused'; readonly why: Why }

/** The only writer of mailbox rows. */
export interface MailboxWriter {
  /**
   * One transaction: locks the address's domain, loads the account anew, asks `plan` what to change, writes it
   * together with a row in the change table. Nothing is written when the plan refuses or is empty.
   * Deadlocks and duplicate keys are retried with a fresh look; throws MailpassdError store_*.
   */
  apply(address: Address, plan: (stored: StoredAccount) => Plan): Promise<Applied>
}
