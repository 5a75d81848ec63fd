/** What nodes tell each other of guessing, and the pairs of mailbox and network that had a right password. */
import type { Migration } from './ddl.ts'

export const guessing: Migration = {
  name: '010-guessing',
  standaloneOnly: false,
  statements: ({ ownTable }) => [
    // How many different wrong passwords a node has counted at a scope (a mailbox, a network, a pair) in five minutes.
    // Numbers only. slot -1: an operator has cleared the scope. Rows go after two hours.
    `create table if not exists \`mailpassd_guess\` (
  \`scope\` varchar(330) not null,
  \`slot\` bigint not null,
  \`node\` varchar(32) not null,
  \`count\` int not null,
  \`changed_ms\` bigint not null,
  primary key (\`scope\`, \`slot\`, \`node\`)
) ${ownTable}`,
    'create index if not exists `mailpassd_guess_by_change` on `mailpassd_guess` (`changed_ms`)',
    // At most one row a day and pair is written. Rows go after 31 days.
    `create table if not exists \`mailpassd_known_pair\` (
  \`mailbox\` varchar(255) not null,
  \`network\` varchar(64) not null,
  \`last_ms\` bigint not null,
  \`changed_ms\` bigint not null,
  primary key (\`mailbox\`, \`network\`)
) ${ownTable}`,
    'create index if not exists `mailpassd_known_pair_by_change` on `mailpassd_known_pair` (`changed_ms`)',
  ],
}
