/** The snapshot: what the directory said of users, sealed, for a start while it is down. */
import type { Migration } from './ddl.ts'

export const records: Migration = {
  name: '008-records',
  standaloneOnly: false,
  statements: ({ ownTable }) => [
    // key_id: which key sealed the row; nodes with different keys do not disturb each other.
    `create table if not exists \`mailpassd_record\` (
  \`key_id\` varchar(16) not null,
  \`address\` varchar(255) not null,
  \`at_ms\` bigint not null,
  \`sealed\` text not null,
  primary key (\`key_id\`, \`address\`)
) ${ownTable}`,
    'create index if not exists `mailpassd_record_by_time` on `mailpassd_record` (`at_ms`)',
  ],
}
