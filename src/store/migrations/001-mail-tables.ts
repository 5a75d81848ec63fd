/**
 * mailcow's tables for a database without mailcow: the same names, columns and defaults, so that Postfix and Dovecot
 * look-ups written for mailcow work here, and a later move to mailcow is a dump. Written from the columns that its
 * source names (schema 19022026_1220).
 */
import { USER_ACL } from '../../mailbox/template.ts'
import type { Ddl, Migration } from './ddl.ts'

/** The template that every new mailcow has. */
const DEFAULT_TEMPLATE = JSON.stringify({
  tags: [],
  quota: 0,
  quarantine_notification: 'hourly',
  quarantine_category: 'reject',
  rl_frame: 's',
  rl_value: '',
  force_pw_update: 0,
  force_tfa: 0,
  sogo_access: 1,
  active: 1,
  tls_enforce_in: 0,
  tls_enforce_out: 0,
  imap_access: 1,
  pop3_access: 1,
  smtp_access: 1,
  sieve_access: 1,
  eas_access: 1,
  dav_access: 1,
  acl_spam_alias: 1,
  acl_tls_policy: 1,
  acl_spam_score: 1,
  acl_spam_policy: 1,
  acl_delimiter_action: 1,
  acl_syncjobs: 0,
  acl_eas_reset: 1,
  acl_sogo_profile_reset: 0,
  acl_pushover: 1,
  acl_quarantine: 1,
  acl_quarantine_attachments: 1,
  acl_quarantine_notification: 1,
  acl_quarantine_category: 1,
  acl_app_passwds: 1,
})

function tables(ddl: Ddl): readonly string[] {
  const { created, modified, mailTable } = ddl
  const acl = Object.entries(USER_ACL).map(([column, on]) => `\`${column}\` tinyint not null default ${on}`)
  const ofMailbox = (column: string) =>
    `foreign key (\`${column}\`) references \`mailbox\` (\`username\`) on delete cascade on update no action`
  return [
    `create table if not exists \`domain\` (
  \`domain\` varchar(255) not null primary key,
  \`description\` varchar(255),
  \`aliases\` int not null default 0,
  \`mailboxes\` int not null default 0,
  \`defquota\` bigint not null default 3072,
  \`maxquota\` bigint not null default 102400,
  \`quota\` bigint not null default 102400,
  \`relayhost\` varchar(255) not null default '0',
  \`backupmx\` tinyint not null default 0,
  \`gal\` tinyint not null default 1,
  \`relay_all_recipients\` tinyint not null default 0,
  \`relay_unknown_only\` tinyint not null default 0,
  ${created},
  ${modified},
  \`active\` tinyint not null default 1
) ${mailTable}`,
    `create table if not exists \`mailbox\` (
  \`username\` varchar(255) not null primary key,
  \`password\` varchar(255) not null,
  \`name\` varchar(255),
  \`description\` varchar(255),
  \`mailbox_path_prefix\` varchar(150) default '/var/vmail/',
  \`quota\` bigint not null default 102400,
  \`local_part\` varchar(255) not null,
  \`domain\` varchar(255) not null,
  \`attributes\` ${ddl.json('attributes')},
  \`custom_attributes\` ${ddl.jsonObject('custom_attributes')},
  \`kind\` varchar(100) not null default '',
  \`multiple_bookings\` int not null default -1,
  \`authsource\` ${ddl.oneOf('authsource', ['mailcow', 'keycloak', 'generic-oidc', 'ldap'])} default 'mailcow',
  ${created},
  ${modified},
  \`active\` tinyint not null default 1
) ${mailTable}`,
    `create table if not exists \`alias\` (
  \`id\` ${ddl.autoId},
  \`address\` varchar(255) not null unique,
  \`goto\` text not null,
  \`domain\` varchar(255) not null,
  ${created},
  ${modified},
  \`private_comment\` text,
  \`public_comment\` text,
  \`sogo_visible\` tinyint not null default 1,
  \`internal\` tinyint not null default 0,
  \`sender_allowed\` tinyint not null default 1,
  \`active\` tinyint not null default 1
) ${mailTable}`,
    `create table if not exists \`alias_domain\` (
  \`alias_domain\` varchar(255) not null primary key,
  \`target_domain\` varchar(255) not null,
  ${created},
  ${modified},
  \`active\` tinyint not null default 1
) ${mailTable}`,
    `create table if not exists \`spamalias\` (
  \`address\` varchar(255) not null primary key,
  \`goto\` text not null,
  \`description\` text not null,
  ${created},
  ${modified},
  \`validity\` int,
  \`permanent\` tinyint not null default 0
) ${mailTable}`,
    `create table if not exists \`sender_acl\` (
  \`id\` ${ddl.autoId},
  \`logged_in_as\` varchar(255) not null,
  \`send_as\` varchar(255) not null,
  \`external\` tinyint not null default 0
) ${mailTable}`,
    ...['quota2', 'quota2replica'].map(
      (table) => `create table if not exists \`${table}\` (
  \`username\` varchar(255) not null primary key,
  \`bytes\` bigint not null default 0,
  \`messages\` bigint not null default 0
) ${mailTable}`,
    ),
    `create table if not exists \`app_passwd\` (
  \`id\` ${ddl.autoId},
  \`name\` varchar(255) not null,
  \`mailbox\` varchar(255) not null,
  \`domain\` varchar(255) not null,
  \`password\` varchar(255) not null,
  ${created},
  ${modified},
  \`imap_access\` tinyint not null default 1,
  \`smtp_access\` tinyint not null default 1,
  \`dav_access\` tinyint not null default 1,
  \`eas_access\` tinyint not null default 1,
  \`pop3_access\` tinyint not null default 1,
  \`sieve_access\` tinyint not null default 1,
  \`active\` tinyint not null default 1,
  ${ofMailbox('mailbox')}
) ${mailTable}`,
    `create table if not exists \`templates\` (
  \`id\` ${ddl.autoId},
  \`template\` varchar(255) not null,
  \`type\` varchar(255) not null,
  \`attributes\` ${ddl.json('attributes')},
  ${created},
  ${modified}
) ${mailTable}`,
    `create table if not exists \`user_acl\` (
  \`username\` varchar(255) not null primary key,
  ${acl.join(',\n  ')},
  ${ofMailbox('username')}
) ${mailTable}`,
    `create table if not exists \`sasl_log\` (
  \`service\` varchar(32) not null default '',
  \`app_password\` int,
  \`username\` varchar(255) not null,
  \`real_rip\` varchar(64) not null,
  \`datetime\` datetime not null default ${ddl.now},
  primary key (\`service\`, \`real_rip\`, \`username\`)
) ${mailTable}`,
    `create table if not exists \`tags_mailbox\` (
  \`tag_name\` varchar(255) not null,
  \`username\` varchar(255) not null,
  unique (\`tag_name\`, \`username\`),
  ${ofMailbox('username')}
) ${mailTable}`,
  ]
}

const INDEXES: readonly (readonly [table: string, ...columns: string[]])[] = [
  // Answers by itself what the mailboxes of a domain count and hold together.
  ['mailbox', 'domain', 'kind', 'quota'],
  ['mailbox', 'kind'],
  ['alias', 'domain'],
  ['alias_domain', 'active'],
  ['alias_domain', 'target_domain'],
  ['sender_acl', 'send_as'],
  ['app_passwd', 'mailbox'],
  ['app_passwd', 'domain'],
  ['sasl_log', 'username'],
  ['sasl_log', 'datetime'],
  ['tags_mailbox', 'username'],
]

export const mailTables: Migration = {
  name: '001-mail-tables',
  standaloneOnly: true,
  statements: (ddl) => [
    ...tables(ddl),
    ...INDEXES.map(
      ([table, ...columns]) =>
        `create index if not exists \`${table}_by_${columns[0]}\` on \`${table}\` (${columns
          .map((column) => `\`${column}\``)
          .join(', ')})`,
    ),
    `insert into \`templates\` (\`template\`, \`type\`, \`attributes\`)
select 'Default', 'mailbox', '${DEFAULT_TEMPLATE}' from (select 1 as \`one\`) as \`one\`
where not exists (select 1 from \`templates\` where \`template\` = 'Default' and \`type\` = 'mailbox')`,
  ],
}
