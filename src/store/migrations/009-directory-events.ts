/** Up to where a directory's events were read, and whose mailbox an event is about. */
import type { Migration } from './ddl.ts'

export const directoryEvents: Migration = {
  name: '009-directory-events',
  standaloneOnly: false,
  statements: ({ ownTable }) => [
    // at_ms is on the directory's clock: all before it was read, and sessions that had to end were written down.
    `create table if not exists \`mailpassd_directory_event\` (
  \`directory\` varchar(255) not null primary key,
  \`at_ms\` bigint not null
) ${ownTable}`,
    'create index if not exists `mailpassd_mailbox_by_directory` on `mailpassd_mailbox` (`directory_id`)',
  ],
}
