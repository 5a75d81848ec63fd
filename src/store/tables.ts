/**
 * The tables as Kysely sees them: mailcow's, of which only the columns that mailpassd reads or writes are named,
 * and our own mailpassd_*. Column names are mailcow's (its database schema 19022026_1220). Over 300 lines, because
 * the types and the columns that must be there are one list.
 */
import type { ColumnType, Generated } from 'kysely'
import type { AuthSource } from '../account/stored.ts'
import type { FlaggedService } from '../login/service.ts'
import type { UserAclColumn } from '../mailbox/template.ts'

/** BIGINT: the driver gives a number, or text where a number would lose digits. */
export type BigNumber = ColumnType<number | string, number, number>
export type GeneratedBigNumber = ColumnType<number | string, number | undefined, number>

export interface MailboxTable {
  username: string
  password: string
  name: string | null
  mailbox_path_prefix: Generated<string | null>
  /** Bytes; 0 is unlimited. */
  quota: BigNumber
  local_part: string
  domain: string
  attributes: string | null
  kind: Generated<string>
  authsource: AuthSource | null
  active: number
}

export interface DomainTable {
  domain: string
  mailboxes: number
  /** MiB: a new mailbox's default, the most one may have, the most all may have. */
  defquota: GeneratedBigNumber
  maxquota: GeneratedBigNumber
  quota: GeneratedBigNumber
  backupmx: Generated<number>
  active: Generated<number>
}

export interface AliasTable {
  id: Generated<number>
  address: string
  goto: string
  domain: string
  sogo_visible: Generated<number>
  sender_allowed: Generated<number>
  active: Generated<number>
}

export interface AliasDomainTable {
  alias_domain: string
  target_domain: string
  active: Generated<number>
}

export interface SpamAliasTable {
  address: string
  goto: string
  /** Unix time in seconds. */
  validity: number | null
  permanent: Generated<number>
}

export interface SenderAclTable {
  id: Generated<number>
  logged_in_as: string
  /** An address, `@domain`, or `*`. */
  send_as: string
}

export interface QuotaTable {
  username: string
  bytes: BigNumber
  messages: BigNumber
}

export type AppPasswordTable = {
  id: Generated<number>
  name: string
  mailbox: string
  domain: string
  password: string
  active: Generated<number>
} & Record<`${FlaggedService}_access`, Generated<number>>

export interface TemplateTable {
  id: Generated<number>
  template: string
  type: string
  attributes: string | null
}

export type UserAclTable = { username: string } & Record<UserAclColumn, number>

export interface SaslLogTable {
  service: string
  app_password: number | null
  username: string
  real_rip: string
  datetime: string
}

export interface MailboxTagTable {
  tag_name: string
  username: string
}

/** SOGo's users; mailcow's alone. */
export interface SogoViewTable {
  c_uid: string
  domain: string
  c_name: string
  c_password: string
  c_cn: string
  mail: string
  /** Addresses with blanks between them, as are the next two. */
  aliases: string
  ad_aliases: string
  ext_acl: string
  kind: string
  multiple_bookings: number
}

export interface TfaTable {
  username: string
  active: number
}

export interface OwnDomainTable {
  domain: string
  /** NULL: not said here. */
  autojoin: number | null
  template: string | null
}

export interface OwnMailboxTable {
  username: string
  directory_id: string | null
  /** '' for a mailbox that no template of ours made. */
  template: string
  /** JSON object: what the template wrote last, per field. */
  applied: string
  created_ms: BigNumber
}

export interface ChangeTable {
  id: GeneratedBigNumber
  address: string
  kind: string
  at_ms: BigNumber
}

/** By app_passwd.id; counts while `hash` is that row's password. */
export interface OwnAppPasswordTable {
  id: number
  mailbox: string
  hash: string
  /** Part of the password that is no secret: finds the row without comparing hashes. */
  tag: string
  directory_id: string | null
  /** JSON array of CIDR texts; empty for all. */
  networks: string
  expires_ms: BigNumber | null
  unused_days: number | null
  created_ms: BigNumber
  revoked_ms: BigNumber | null
}

export interface AppPasswordUseTable {
  id: number
  mailbox: string
  last_ms: BigNumber
  last_service: string
  last_network: string
}

export interface LockTable {
  username: string
  since_ms: BigNumber
  /** NULL: until it is unlocked. */
  until_ms: BigNumber | null
  reason: string
}

export interface OutboxTable {
  id: GeneratedBigNumber
  consumer: string
  action: string
  address: string
  /** JSON. */
  body: string
  created_ms: BigNumber
  due_ms: BigNumber
  lease_until_ms: GeneratedBigNumber
  tries: Generated<number>
  last_error: Generated<string>
}

export interface DirectoryEventTable {
  directory: string
  at_ms: BigNumber
}

export interface LoginTable {
  hour_ms: BigNumber
  mailbox: string
  network: string
  service: string
  credential: string
  verdict: string
  why: string
  first_ms: BigNumber
  last_ms: BigNumber
  count: BigNumber
}

export interface GuessTable {
  scope: string
  slot: BigNumber
  node: string
  count: number
  changed_ms: BigNumber
}

export interface KnownPairTable {
  mailbox: string
  network: string
  last_ms: BigNumber
  changed_ms: BigNumber
}

/** The snapshot, sealed. */
export interface RecordTable {
  key_id: string
  address: string
  at_ms: BigNumber
  /** Base64. */
  sealed: string
}

export interface MigrationTable {
  name: string
  at_ms: BigNumber
}

export interface Tables {
  mailbox: MailboxTable
  domain: DomainTable
  alias: AliasTable
  alias_domain: AliasDomainTable
  spamalias: SpamAliasTable
  sender_acl: SenderAclTable
  quota2: QuotaTable
  quota2replica: QuotaTable
  app_passwd: AppPasswordTable
  templates: TemplateTable
  user_acl: UserAclTable
  sasl_log: SaslLogTable
  tags_mailbox: MailboxTagTable
  tfa: TfaTable
  _sogo_static_view: SogoViewTable
  mailpassd_domain: OwnDomainTable
  mailpassd_mailbox: OwnMailboxTable
  mailpassd_change: ChangeTable
  mailpassd_login: LoginTable
  mailpassd_app_password: OwnAppPasswordTable
  mailpassd_app_password_use: AppPasswordUseTable
  mailpassd_lock: LockTable
  mailpassd_outbox: OutboxTable
  mailpassd_directory_event: DirectoryEventTable
  mailpassd_guess: GuessTable
  mailpassd_known_pair: KnownPairTable
  mailpassd_record: RecordTable
  mailpassd_migration: MigrationTable
}

/** The columns a database must have; `tfa` and `_sogo_static_view` are mailcow's alone and may be absent. */
export const NEEDED_COLUMNS = {
  mailbox: [
    'username',
    'password',
    'name',
    'mailbox_path_prefix',
    'quota',
    'local_part',
    'domain',
    'attributes',
    'kind',
    'authsource',
    'active',
  ],
  domain: ['domain', 'mailboxes', 'defquota', 'maxquota', 'quota', 'active'],
  alias: ['id', 'address', 'goto', 'domain', 'active'],
  alias_domain: ['alias_domain', 'target_domain', 'active'],
  spamalias: ['address'],
  quota2: ['username', 'bytes', 'messages'],
  quota2replica: ['username', 'bytes', 'messages'],
  app_passwd: [
    'id',
    'name',
    'mailbox',
    'domain',
    'password',
    'active',
    'imap_access',
    'pop3_access',
    'smtp_access',
    'sieve_access',
    'eas_access',
    'dav_access',
  ],
  templates: ['id', 'template', 'type', 'attributes'],
  user_acl: [
    'username',
    'spam_alias',
    'tls_policy',
    'spam_score',
    'spam_policy',
    'delimiter_action',
    'syncjobs',
    'eas_reset',
    'sogo_profile_reset',
    'pushover',
    'quarantine',
    'quarantine_attachments',
    'quarantine_notification',
    'quarantine_category',
    'app_passwds',
    'pw_reset',
  ],
  sasl_log: ['service', 'app_password', 'username', 'real_rip', 'datetime'],
  tags_mailbox: ['tag_name', 'username'],
  mailpassd_domain: ['domain', 'autojoin', 'template'],
  mailpassd_mailbox: ['username', 'directory_id', 'template', 'applied', 'created_ms'],
  mailpassd_change: ['id', 'address', 'kind', 'at_ms'],
  mailpassd_login: [
    'hour_ms',
    'mailbox',
    'network',
    'service',
    'credential',
    'verdict',
    'why',
    'first_ms',
    'last_ms',
    'count',
  ],
  mailpassd_app_password: [
    'id',
    'mailbox',
    'hash',
    'tag',
    'directory_id',
    'networks',
    'expires_ms',
    'unused_days',
    'created_ms',
    'revoked_ms',
  ],
  mailpassd_app_password_use: ['id', 'mailbox', 'last_ms', 'last_service', 'last_network'],
  mailpassd_guess: ['scope', 'slot', 'node', 'count', 'changed_ms'],
  mailpassd_known_pair: ['mailbox', 'network', 'last_ms', 'changed_ms'],
  mailpassd_lock: ['username', 'since_ms', 'until_ms', 'reason'],
  mailpassd_directory_event: ['directory', 'at_ms'],
  mailpassd_record: ['key_id', 'address', 'at_ms', 'sealed'],
  mailpassd_outbox: [
    'id',
    'consumer',
    'action',
    'address',
    'body',
    'created_ms',
    'due_ms',
    'lease_until_ms',
    'tries',
    'last_error',
  ],
} as const satisfies { readonly [T in keyof Tables]?: readonly (keyof Tables[T])[] }

/** What the maps read on top; asked for by their first look-up, so that a mailcow without them still has logins. */
export const MAP_COLUMNS = {
  domain: ['backupmx'],
  alias: ['sender_allowed'],
  spamalias: ['goto', 'validity', 'permanent'],
  sender_acl: ['id', 'logged_in_as', 'send_as'],
} as const satisfies { readonly [T in keyof Tables]?: readonly (keyof Tables[T])[] }
