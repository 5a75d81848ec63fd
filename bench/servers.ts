/** The Keycloak and MariaDB that some sections use: named by the variables of the tests, else started here where installed. */
import { join } from 'node:path'
import { defaultServersDir, keycloakInstalled, startKeycloak } from '../test/servers/keycloak.ts'
import { mariadbInstalled, startMariadb } from '../test/servers/mariadb.ts'
import type { Bench } from './bench.ts'
import type { Teardown } from './teardown.ts'

function named(variable: string): string | undefined {
  const value = process.env[variable]
  return value === undefined || value === '' ? undefined : value
}

/** `workDir` holds what they keep. Rejects where one is installed and does not start. */
export async function openServers(teardown: Teardown, workDir: string): Promise<Bench['servers']> {
  let keycloak = named('MAILPASSD_TEST_KEYCLOAK')
  let mariadb = named('MAILPASSD_TEST_MARIADB')
  if (keycloak === undefined && keycloakInstalled(defaultServersDir())) {
    const server = await startKeycloak({
      serversDir: defaultServersDir(),
      workDir: join(workDir, 'keycloak'),
    })
    teardown.teardown(() => server.stop())
    keycloak = server.url
    // The suites' own functions, which make realms, look there.
    process.env['MAILPASSD_TEST_KEYCLOAK'] = keycloak
  }
  if (mariadb === undefined && mariadbInstalled()) {
    const server = await startMariadb(join(workDir, 'mariadb'))
    teardown.teardown(() => server.stop())
    mariadb = server.socket
    process.env['MAILPASSD_TEST_MARIADB'] = mariadb
  }
  return { keycloak, mariadb }
}
