/** Steps of `mailpassd check` over the database: reachable, its tables as needed, something in them. Only reads. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { systemClock } from '../clock.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { settingsFromConfig } from '../config/settings.ts'
import { withStore, type Store } from '../store/database.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { judgeAppPasswords, judgeTemplates } from '../check/store.ts'
import { MAX_UNTAGGED } from '../account/stored.ts'
import { failed, failedBy, ok, warning, type Step } from '../check/step.ts'

const NAME = 'store'

async function checkContent(store: Store, config: Config): Promise<Step[]> {
  const domains = await store.probe.domains()
  if (domains.length === 0)
    return [
      warning('domains', 'there is none, so that nobody can log in', 'mailpassd domain add example.org'),
    ]
  const settings = settingsFromConfig(config.directory, config.store)
  const templates = { name: 'templates', ...judgeTemplates(await store.probe.templates(), domains, settings) }
  const crowded = judgeAppPasswords(await store.probe.crowded(MAX_UNTAGGED), MAX_UNTAGGED)
  const steps = [templates, { name: 'app passwords', ...crowded }]
  return [ok('domains', `${domains.length}`), ...steps.filter(({ result }) => result !== 'ok')]
}

async function checkTables(store: Store, config: Config): Promise<Step[]> {
  await store.ping()
  // Refuses a database that is not what store.schema says, naming what it lacks.
  const pending = await store.migrate({ dryRun: true })
  if (pending.length > 0)
    return [
      ok(
        NAME,
        `${store.where} answers; ${pending.length} statements bring its tables up to date, which serve runs at its start (mailpassd migrate --dry-run shows them)`,
      ),
    ]
  const missing = await store.check({ maps: config.socketmap.listeners.length > 0 })
  if (missing.length > 0)
    return [
      failed(NAME, `${store.where} lacks ${missing.join(', ')}`, 'somebody changed the tables; restore them'),
    ]
  return [ok(NAME, `${store.where} answers; all tables are there`), ...(await checkContent(store, config))]
}

/** Opens the database and looks at its tables. A SQLite file that is absent is not made. */
export async function checkStore({ config, dataDir }: LoadedConfig): Promise<Step[]> {
  if (config.store.kind === 'sqlite') {
    const path = resolve(dataDir, config.store.path)
    const isThere = await stat(path).then(
      () => true,
      () => false,
    )
    if (!isThere) return [ok(NAME, `SQLite ${path} is not there yet; serve makes it`)]
  }
  try {
    return await withStore(
      { ...config.store, dataDir },
      { clock: systemClock, logger: silentLogger },
      (store) => checkTables(store, config),
    )
  } catch (error) {
    return [failedBy(NAME, error)]
  }
}
