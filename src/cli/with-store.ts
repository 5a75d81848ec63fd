/** What commands share that look at the database themselves: options, opening and closing, printing. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { systemClock } from '../clock.ts'
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { sessionEnding } from '../dovecot/open.ts'
import { MailpassdError } from '../errors.ts'
import { parseAddress, parseDomain, type Address } from '../login/address.ts'
import { withStore, type Store } from '../store/database.ts'
import { printable } from '../login-log/clean-name.ts'
import { silentLogger, type Logger } from '../telemetry/logger.ts'
import type { Arguments } from './args.ts'
import { chooseConfig, CONFIG_OPTIONS_HELP } from './choose-config.ts'
import type { Io } from './command.ts'

export const STORE_OPTIONS_HELP = `${CONFIG_OPTIONS_HELP}  --json           print the result as JSON
  --help           this text
`

export interface StoreContext {
  readonly loaded: LoadedConfig
  readonly logger: Logger
  /** The database, for messages. */
  readonly where: string
}

/**
 * Opens the configured store, runs `work` and closes it. The embedded default's database is made by `serve` and by the
 * commands that say so: to others, that there is none is a mistaken directory. Where SQLite's file is absent, `in_memory`
 * works on a database that is gone afterwards. `where` names the one that is meant. Throws MailpassdError config_*,
 * store_*, not_found.
 */
export async function withConfiguredStore<T>(
  args: Pick<Arguments<'config' | 'data-dir', never>, 'text'>,
  io: Io,
  work: (store: Store, context: StoreContext) => Promise<T>,
  whenAbsent: 'refuse' | 'make' | 'in_memory' = 'refuse',
): Promise<T> {
  const path = chooseConfig(args)
  const isMade = whenAbsent === 'make' || (path !== undefined && whenAbsent === 'refuse')
  const loaded = await loadConfig({
    path,
    dataDir: args.text('data-dir'),
    env: io.env,
    makeDataDir: isMade,
  })
  const { config, dataDir } = loaded
  const file = resolve(dataDir, config.store.path)
  const isAbsent = !isMade && config.store.kind === 'sqlite' && !existsSync(file)
  if (isAbsent && whenAbsent === 'refuse') throw noDatabase(dataDir)
  const warn: Logger['warn'] = (fields, text) => io.err(`mailpassd: ${text} ${JSON.stringify(fields)}\n`)
  const logger: Logger = { ...silentLogger, warn, error: warn }
  const context = { clock: systemClock, logger, ending: sessionEnding(config) }
  const options = { ...config.store, dataDir, ...(isAbsent ? { path: ':memory:' } : {}) }
  return withStore(options, context, (store) =>
    work(store, { loaded, logger, where: isAbsent ? `SQLite ${file}` : store.where }),
  )
}

function noDatabase(dataDir: string): MailpassdError {
  return new MailpassdError(
    'not_found',
    `there is no database in ${dataDir}: name the daemon's configuration by --config FILE, or where an embedded default ran by --data-dir DIR`,
  )
}

/** The domain a name stands for, as A-labels. Throws MailpassdError input_invalid. */
export function domainArgument(name: string): string {
  const domain = parseDomain(name)
  if (domain !== undefined) return domain
  throw new MailpassdError('input_invalid', `${JSON.stringify(name.slice(0, 80))} is not a domain name`)
}

/** Throws MailpassdError input_invalid. */
export function addressArgument(name: string): Address {
  const address = parseAddress(name)
  if (address !== undefined) return address
  throw new MailpassdError(
    'input_invalid',
    `${JSON.stringify(name.slice(0, 80))} is not a mailbox address; it looks like jane@example.org`,
  )
}

/** Lines of `name: value`, the values below each other, without what would move the cursor: people choose names. */
export function printFields(io: Io, fields: Readonly<Record<string, string | number>>): void {
  const width = Math.max(...Object.keys(fields).map((name) => name.length)) + 2
  for (const [name, value] of Object.entries(fields))
    io.out(`${`${name}:`.padEnd(width)}${printable(String(value))}\n`)
}

export function printJson(io: Io, value: unknown): void {
  io.out(`${JSON.stringify(value, null, 2)}\n`)
}
