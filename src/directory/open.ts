/** The directory that the configuration names. */
import { isAbsolute, join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { DirectoryConfig } from '../config/schema.ts'
import { MailpassdError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Directory } from './directory.ts'

/** The realm export file's absolute path. */
export function realmFilePath(config: DirectoryConfig, dataDir: string): string {
  return isAbsolute(config.file) ? config.file : join(dataDir, config.file)
}

/** The section with all that Keycloak needs in place. Throws MailpassdError config_invalid. */
export function serverConfig(config: DirectoryConfig) {
  const { server_url, realm, client_id, client_secret } = config
  if (
    server_url === undefined ||
    realm === undefined ||
    client_id === undefined ||
    client_secret === undefined
  ) {
    throw new MailpassdError(
      'config_invalid',
      'directory: keycloak needs server_url, realm, client_id and a client secret',
    )
  }
  return { ...config, server_url, realm, client_id, client_secret }
}

/** Where the directory is, for messages. */
export function directoryPlace(config: DirectoryConfig, dataDir: string): string {
  return config.kind === 'realm-file'
    ? `realm file ${realmFilePath(config, dataDir)}`
    : `Keycloak ${config.server_url ?? ''}, realm ${config.realm ?? ''}`
}

/** Opens nothing on the network yet; loads only the adapter that is used. Throws MailpassdError config_invalid, config_unreadable. */
export async function openDirectory(
  config: DirectoryConfig,
  dataDir: string,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<Directory> {
  if (config.kind === 'realm-file') {
    const { createRealmFileDirectory } = await import('./realm-file/directory.ts')
    return createRealmFileDirectory({
      path: realmFilePath(config, dataDir),
      passwordAttribute: config.password_attribute,
      templateAttribute: config.template_attribute,
      logger,
      clock,
    })
  }
  const { createKeycloakDirectory } = await import('./keycloak/directory.ts')
  return createKeycloakDirectory(serverConfig(config), { clock, logger })
}
