/** Steps of `mailpassd check` over the database: reachable, its tables as needed, something in them. Only reads. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { systemClock } from '../clock.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Config, DirectoryConfig } from '../config/schema.ts'
import { withStore, type Store } from '../store/database.ts'
import type { HostedDomain } from '../store/domains.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { failed, failedBy, ok, warning, type Step } from '../check/step.ts'

const NAME = 'store'

/** Names of templates that the configuration or a domain gives and the database does not have. */
async function missingTemplates(
  store: Store,
  domains: readonly HostedDomain[],
  directory: DirectoryConfig,
): Promise<Step[]> {
  const named = new Map<string, string>()
  for (const { name, template } of domains) if (template !== undefined) named.set(template, `domain ${name}`)
  for (const [index, { template }] of directory.mappings.entries())
    named.set(template, `directory.mappings[${index}]`)
  if (directory.default_template !== undefined)
    named.set(directory.default_template, 'directory.default_template')
  const [first] = domains
  if (named.size === 0 || first === undefined) return []
  // What making a mailbox would see; this one never exists, for `/` is in no mailbox's name.
  const local = 'mailpassd/check'
  const { making } = await store.accounts.loadAccount({
    local,
    domain: first.name,
    full: `${local}@${first.name}`,
  })
  const known = new Set(making?.templates.map(({ name }) => name))
  return [...named]
    .filter(([template]) => !known.has(template))
    .map(([template, by]) =>
      failed(
        'templates',
        `${by} names the mailbox template ${JSON.stringify(template)}, which does not exist`,
      ),
    )
}

async function checkContent(store: Store, directory: DirectoryConfig): Promise<Step[]> {
  const domains = await store.domains.list()
  if (domains.length > 0)
    return [ok('domains', `${domains.length}`), ...(await missingTemplates(store, domains, directory))]
  return [warning('domains', 'there is none, so that nobody can log in', 'mailpassd domain add example.org')]
}

async function checkTables(store: Store, { directory, socketmap }: Config): Promise<Step[]> {
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
  const missing = await store.check({ maps: socketmap.listeners.length > 0 })
  if (missing.length > 0)
    return [
      failed(NAME, `${store.where} lacks ${missing.join(', ')}`, 'somebody changed the tables; restore them'),
    ]
  return [ok(NAME, `${store.where} answers; all tables are there`), ...(await checkContent(store, directory))]
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
