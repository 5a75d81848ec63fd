/** What the connection test asks of the database. Facts, not judgments; the store implements it. Changes nothing. */

export interface DomainFigures {
  readonly name: string
  readonly active: boolean
  /** Undefined where no row of ours exists. */
  readonly autojoin: boolean | undefined
  readonly template: string | undefined
  readonly maxMailboxes: number
  /** Of people. */
  readonly mailboxes: number
  /** 0: mailboxes without a quota alone fit. */
  readonly quotaBytes: number
  readonly quotaSumBytes: number
}

export interface AliasDomain {
  readonly name: string
  readonly target: string
  readonly active: boolean
}

export interface TemplateState {
  readonly name: string
  /** Why it cannot be used. */
  readonly fault: string | undefined
}

export interface CrowdedMailbox {
  readonly mailbox: string
  readonly count: number
}

export interface MissingRight {
  readonly table: string
  readonly right: 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE'
}

export interface StoreProbe {
  /** `MariaDB 127.0.0.1:3306/mailcow`. */
  readonly where: string
  /** Each throws MailpassdError store_*. */
  version(): Promise<string>
  /** How many statements would bring the tables up to date; throws store_schema where they are somebody else's. */
  pendingStatements(): Promise<number>
  /** Needed rights that our user has not. Tables that are missing say nothing. */
  missingRights(options: { readonly maps: boolean }): Promise<readonly MissingRight[]>
  /** Needed tables and columns that are not there, as `table x` and `column x.y`; `maps`: for Postfix's maps as well. */
  missing(options: { readonly maps: boolean }): Promise<readonly string[]>
  domains(): Promise<readonly DomainFigures[]>
  aliasDomains(): Promise<readonly AliasDomain[]>
  /** Mailbox templates, the first of each name. */
  templates(): Promise<readonly TemplateState[]>
  /** Mailboxes with more than `most` active app passwords that mailpassd did not make; at most 100. */
  crowded(most: number): Promise<readonly CrowdedMailbox[]>
}
