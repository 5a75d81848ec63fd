/** What commands share that look at the database themselves: options, opening and closing, printing. */
import { systemClock } from '../clock.ts'
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { sessionEnding } from '../dovecot/open.ts'
import { MailpassdError } from '../errors.ts'
import { parseAddress, parseDomain, type Address } from '../login/address.ts'
import { withStore, type Store } from '../store/database.ts'
import { silentLogger, type Logger } from '../telemetry/logger.ts'
import type { Arguments } from './args.ts'
import type { Io } from './command.ts'

export const STORE_OPTIONS_HELP = `  --config FILE    configuration file; without one the embedded default (SQLite)
  --data-dir DIR   where the daemon keeps its files
  --json           print the result as JSON
  --help           this text
`

/** Opens the configured store, runs `work` and closes it. Throws MailpassdError config_*, store_*. */
export async function withConfiguredStore<T>(
  args: Pick<Arguments<'config' | 'data-dir', never>, 'text'>,
  io: Io,
  work: (store: Store, context: { readonly loaded: LoadedConfig; readonly logger: Logger }) => Promise<T>,
): Promise<T> {
  const loaded = await loadConfig({
    path: args.text('config'),
    dataDir: args.text('data-dir'),
    env: io.env,
  })
  const warn: Logger['warn'] = (fields, text) => io.err(`mailpassd: ${text} ${JSON.stringify(fields)}\n`)
  const logger: Logger = { ...silentLogger, warn, error: warn }
  const { config, dataDir } = loaded
  const context = { clock: systemClock, logger, ending: sessionEnding(config) }
  return withStore({ ...config.store, dataDir }, context, (store) => work(store, { loaded, logger }))
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

/** Lines of `name: value`, the values below each other. */
export function printFields(io: Io, fields: Readonly<Record<string, string | number>>): void {
  const width = Math.max(...Object.keys(fields).map((name) => name.length)) + 2
  for (const [name, value] of Object.entries(fields)) io.out(`${`${name}:`.padEnd(width)}${value}\n`)
}

export function printJson(io: Io, value: unknown): void {
  io.out(`${JSON.stringify(value, null, 2)}\n`)
}
