/** The rooms of the daemon without its doors: for commands that find no daemon to ask. */
import type { LoadedConfig } from '../config/load.ts'
import type { House } from '../house.ts'
import { createLogger } from '../telemetry/log.ts'
import type { Io } from './command.ts'
import { version } from './run.ts'
import { mustHaveDatabase } from './with-store.ts'

/** For what counts of guesses; a daemon has it in memory. */
const OWN_WAIT_MS = 3000

/** Opens database and directory, says so, runs `work`, and closes them. Throws MailpassdError config_*, store_*, not_found. */
export async function withOwnHouse<T>(
  loaded: LoadedConfig,
  io: Io,
  work: (house: House) => Promise<T>,
): Promise<T> {
  mustHaveDatabase(loaded)
  io.err('mailpassd: no daemon answers on the admin socket; opening the database and the directory myself\n')
  const logger = createLogger('warn', { destination: { write: (line) => io.err(line) } })
  const { openHouse } = await import('../house.ts')
  const house = await openHouse(loaded, logger, version())
  try {
    await house.guarding.start(OWN_WAIT_MS)
    return await work(house)
  } finally {
    await house.close()
  }
}
