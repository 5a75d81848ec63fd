/** Mailboxes that an operator locked: stronger than the directory, templates and mailcow's own flags. */
import type { Migration } from './ddl.ts'

export const locks: Migration = {
  name: '004-locks',
  standaloneOnly: false,
  statements: ({ ownTable }) => [
    // until_ms NULL: until it is unlocked. The mailbox need not exist (yet).
    `create table if not exists \`mailpassd_lock\` (
  \`username\` varchar(255) not null primary key,
  \`since_ms\` bigint not null,
  \`until_ms\` bigint,
  \`reason\` varchar(255) not null
) ${ownTable}`,
  ],
}
