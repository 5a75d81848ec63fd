/** What commands share that look at the database themselves: options, opening and closing, printing. */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
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
  const absent = isMade ? undefined : absentDatabase(loaded)
  if (absent !== undefined && whenAbsent === 'refuse') throw noDatabase(absent)
  const warn: Logger['warn'] = (fields, text) => io.err(`mailpassd: ${text} ${JSON.stringify(fields)}\n`)
  const logger: Logger = { ...silentLogger, warn, error: warn }
  const context = { clock: systemClock, logger, ending: sessionEnding(config) }
  const options = { ...config.store, dataDir, ...(absent === undefined ? {} : { path: ':memory:' }) }
  return withStore(options, context, (store) =>
    work(store, { loaded, logger, where: absent === undefined ? store.where : `SQLite ${absent}` }),
  )
}

/**
 * SQLite's file, where it is not there. Opening it would make it, as whoever runs the command: a daemon with a user of
 * its own could not use it then.
 */
export function absentDatabase({ config, dataDir }: LoadedConfig): string | undefined {
  const { kind, path } = config.store
  if (kind !== 'sqlite' || path === ':memory:') return undefined
  const file = resolve(dataDir, path)
  return existsSync(file) ? undefined : file
}

/** For commands that make none. Throws MailpassdError not_found where SQLite's file is absent. */
export function mustHaveDatabase(loaded: LoadedConfig): void {
  const absent = absentDatabase(loaded)
  if (absent !== undefined) throw noDatabase(absent)
}

function noDatabase(file: string): MailpassdError {
  return new MailpassdError(
    'not_found',
    `there is no database in ${dirname(file)}: name the daemon's configuration by --config FILE, or where an embedded default ran by --data-dir DIR`,
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
