/** Our own tables, beside mailcow's in either schema. Text keys are compared by bytes; no foreign keys to mailcow's. */
import type { Migration } from './ddl.ts'

export const ownTables: Migration = {
  name: '002-own-tables',
  standaloneOnly: false,
  statements: ({ bigAutoId, ownTable }) => [
    // What mailcow's domain row has no column for. autojoin NULL: directory.login_provisioning decides.
    `create table if not exists \`mailpassd_domain\` (
  \`domain\` varchar(255) not null primary key,
  \`autojoin\` tinyint,
  \`template\` varchar(255)
) ${ownTable}`,
    // The directory user of a mailbox, and what its template wrote last (JSON).
    `create table if not exists \`mailpassd_mailbox\` (
  \`username\` varchar(255) not null primary key,
  \`directory_id\` varchar(255),
  \`template\` varchar(255) not null default '',
  \`applied\` text not null,
  \`created_ms\` bigint not null
) ${ownTable}`,
    // Read by every node each second; kept for an hour.
    `create table if not exists \`mailpassd_change\` (
  \`id\` ${bigAutoId},
  \`address\` varchar(255) not null,
  \`kind\` varchar(16) not null,
  \`at_ms\` bigint not null
) ${ownTable}`,
    'create index if not exists `mailpassd_change_by_time` on `mailpassd_change` (`at_ms`)',
    // The login log, merged by hour. The hour leads the key: rows of a time lie together and go together.
    `create table if not exists \`mailpassd_login\` (
  \`hour_ms\` bigint not null,
  \`mailbox\` varchar(255) not null,
  \`network\` varchar(64) not null,
  \`service\` varchar(64) not null,
  \`credential\` varchar(64) not null,
  \`verdict\` varchar(64) not null,
  \`why\` varchar(64) not null,
  \`first_ms\` bigint not null,
  \`last_ms\` bigint not null,
  \`count\` bigint not null,
  primary key (\`hour_ms\`, \`mailbox\`, \`network\`, \`service\`, \`credential\`, \`verdict\`, \`why\`)
) ${ownTable}`,
  ],
}
