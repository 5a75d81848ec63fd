/**
 * What mailcow's app_passwd has no column for. A row of ours counts only while `hash` equals app_passwd.password: who
 * writes another password into that row has made another app password, of which nothing is known here.
 */
import type { Migration } from './ddl.ts'

export const appPasswords: Migration = {
  name: '003-app-passwords',
  standaloneOnly: false,
  statements: ({ ownTable }) => [
    // id is app_passwd's. networks: JSON array of CIDR texts, empty for all. Written once, but for revoked_ms.
    `create table if not exists \`mailpassd_app_password\` (
  \`id\` int not null primary key,
  \`mailbox\` varchar(255) not null,
  \`hash\` varchar(255) not null,
  \`tag\` varchar(32) not null,
  \`directory_id\` varchar(255),
  \`networks\` text not null,
  \`expires_ms\` bigint,
  \`unused_days\` int,
  \`created_ms\` bigint not null,
  \`revoked_ms\` bigint
) ${ownTable}`,
    'create index if not exists `mailpassd_app_password_by_mailbox` on `mailpassd_app_password` (`mailbox`)',
    // Of any app password, ours or not: written behind the login.
    `create table if not exists \`mailpassd_app_password_use\` (
  \`id\` int not null primary key,
  \`mailbox\` varchar(255) not null,
  \`last_ms\` bigint not null,
  \`last_service\` varchar(16) not null,
  \`last_network\` varchar(64) not null
) ${ownTable}`,
    'create index if not exists `mailpassd_app_password_use_by_mailbox` on `mailpassd_app_password_use` (`mailbox`)',
  ],
}
