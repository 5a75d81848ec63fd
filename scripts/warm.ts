/**
 * Fills the compile cache of `mailpassd` after `npm ci`, so that the first start is as quick as later ones: loads what
 * the daemon loads, in the process that has the cache switched on (NODE_COMPILE_CACHE), and ends.
 */
import { flushCompileCache } from 'node:module'

await Promise.all([
  import('../src/cli/run.ts'),
  import('../src/cli/commands.ts'),
  import('../src/cli/serve.ts'),
  import('../src/cli/login.ts'),
  import('../src/store/dialect/sqlite.ts'),
  import('../src/store/dialect/mysql.ts'),
  import('../src/directory/keycloak/directory.ts'),
  import('../src/directory/realm-file/directory.ts'),
  import('../src/password/worker.ts'),
])
flushCompileCache()
