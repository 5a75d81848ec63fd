/** The connection test of `mailpassd check --live`: this process opens directory and database itself. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createConnectionTest, type Report } from '../check/connection-test.ts'
import type { Clock } from '../clock.ts'
import type { LoadedConfig } from '../config/load.ts'
import { openDirectoryProbe } from '../directory/open-probe.ts'
import { openStore } from '../store/database.ts'
import { silentLogger } from '../telemetry/logger.ts'
import type { Io } from './command.ts'

/** Never throws: what goes wrong is a failed step. A SQLite file that is absent is not made. */
export async function testConnections(
  loaded: LoadedConfig,
  {
    address,
    clock,
    env,
  }: { readonly address: string | undefined; readonly clock: Clock; readonly env: Io['env'] },
): Promise<Report> {
  const { config, dataDir } = loaded
  const test = createConnectionTest(loaded, {
    clock,
    env,
    openDirectory: () => openDirectoryProbe(config.directory, dataDir, clock),
    async openStore() {
      if (config.store.kind === 'sqlite') {
        const path = resolve(dataDir, config.store.path)
        const isThere = await stat(path).then(
          () => true,
          () => false,
        )
        if (!isThere) return { absent: `SQLite ${path} is not there yet; serve makes it` }
      }
      const store = await openStore({ ...config.store, dataDir }, { clock, logger: silentLogger })
      return { probe: store.probe, close: () => store.close() }
    },
  })
  return test({ address })
}
