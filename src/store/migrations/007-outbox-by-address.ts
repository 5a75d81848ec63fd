/** For finding what waits in the outbox about one mailbox: of some work only the last counts. */
import type { Migration } from './ddl.ts'

export const outboxByAddress: Migration = {
  name: '007-outbox-by-address',
  standaloneOnly: false,
  statements: () => [
    'create index if not exists `mailpassd_outbox_by_address` on `mailpassd_outbox` (`address`, `consumer`)',
  ],
}
