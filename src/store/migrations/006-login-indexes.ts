/** For reading the login log: of all, of one mailbox, of one network, each by the time of the last login. */
import type { Migration } from './ddl.ts'

export const loginIndexes: Migration = {
  name: '006-login-indexes',
  standaloneOnly: false,
  statements: () => [
    'create index if not exists `mailpassd_login_by_time` on `mailpassd_login` (`last_ms`)',
    'create index if not exists `mailpassd_login_by_mailbox` on `mailpassd_login` (`mailbox`, `last_ms`)',
    'create index if not exists `mailpassd_login_by_network` on `mailpassd_login` (`network`, `last_ms`)',
  ],
}
