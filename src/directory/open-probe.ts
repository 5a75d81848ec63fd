/** The directory that the configuration names, opened for the connection test: beside the one that serves logins. */
import type { Clock } from '../clock.ts'
import type { DirectoryProbe } from '../check/directory-probe.ts'
import type { DirectoryConfig } from '../config/schema.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { openDirectory, realmFilePath, serverConfig } from './open.ts'

/** Opens nothing on the network yet. Throws MailpassdError config_invalid. */
export async function openDirectoryProbe(
  config: DirectoryConfig,
  dataDir: string,
  clock: Clock,
): Promise<DirectoryProbe> {
  if (config.kind === 'realm-file') {
    return {
      kind: 'realm-file',
      path: realmFilePath(config, dataDir),
      directory: await openDirectory(config, dataDir, { clock, logger: silentLogger }),
    }
  }
  const { createKeycloakProbe } = await import('./keycloak/probe.ts')
  return { kind: 'keycloak', server: createKeycloakProbe(serverConfig(config), clock) }
}
