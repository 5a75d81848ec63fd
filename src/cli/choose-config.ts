/** Which configuration a command means that was given none: what a server is run with, not a new embedded default. */
import { statSync } from 'node:fs'
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { MailpassdError } from '../errors.ts'
import type { Arguments } from './args.ts'
import type { Io } from './command.ts'

/** What the shipped unit runs with. */
const INSTALLED = '/etc/mailpassd/mailpassd.toml'

export const CONFIG_OPTIONS_HELP = `  --config FILE    configuration; without it and --data-dir that of the service,
                   ${INSTALLED}, where there is one; else the embedded default (SQLite)
  --data-dir DIR   where the daemon keeps its files; as for serve
`

/**
 * The path for loadConfig: `--config`; else, where no `--data-dir` names an embedded default, the installed file. An
 * operator who locks an account in a hurry would otherwise lock it in a database that nobody uses.
 * Throws MailpassdError config_unreadable where there may be one and we may not look.
 */
export function chooseConfig(
  given: Pick<Arguments<'config' | 'data-dir', never>, 'text'>,
  installed = INSTALLED,
): string | undefined {
  const named = given.text('config')
  if (named !== undefined || given.text('data-dir') !== undefined) return named
  try {
    return statSync(installed, { throwIfNoEntry: false }) === undefined ? undefined : installed
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    if (code === 'ENOTDIR') return undefined
    throw new MailpassdError(
      'config_unreadable',
      `${installed} cannot be looked at (${code}): run this as the daemon's user (runuser -u mailpassd -- mailpassd …), or give --config or --data-dir`,
      { cause: error },
    )
  }
}

/** The configuration that a command means which only looks: no data directory is made. Throws MailpassdError config_*. */
export function loadChosenConfig(
  given: Pick<Arguments<'config' | 'data-dir', never>, 'text'>,
  { env }: Pick<Io, 'env'>,
): Promise<LoadedConfig> {
  return loadConfig({
    path: chooseConfig(given),
    dataDir: given.text('data-dir'),
    env,
    makeDataDir: false,
  })
}
