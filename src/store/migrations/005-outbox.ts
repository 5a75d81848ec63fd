/** Work for others (Dovecot, Redis, Keycloak), written in the transaction of its cause and done until it succeeds. */
import type { Migration } from './ddl.ts'

export const outbox: Migration = {
  name: '005-outbox',
  standaloneOnly: false,
  statements: ({ bigAutoId, ownTable }) => [
    // Whoever works on a row sets lease_until_ms; after that time another may take it.
    `create table if not exists \`mailpassd_outbox\` (
  \`id\` ${bigAutoId},
  \`consumer\` varchar(64) not null,
  \`action\` varchar(32) not null,
  \`address\` varchar(255) not null,
  \`body\` text not null,
  \`created_ms\` bigint not null,
  \`due_ms\` bigint not null,
  \`lease_until_ms\` bigint not null default 0,
  \`tries\` int not null default 0,
  \`last_error\` varchar(255) not null default ''
) ${ownTable}`,
    'create index if not exists `mailpassd_outbox_by_due` on `mailpassd_outbox` (`consumer`, `due_ms`)',
  ],
}
