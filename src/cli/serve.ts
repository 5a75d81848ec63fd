/** `mailpassd serve`: the daemon. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import closeWithGrace from 'close-with-grace'
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { startDaemon, type Daemon } from '../daemon.ts'
import { openHouse } from '../house.ts'
import { realmFilePath } from '../directory/open.ts'
import { takeInherited } from '../door/inherited.ts'
import { prepareEmbeddedDefault, TRY_ADDRESS, TRY_DOMAIN } from '../embedded-default.ts'
import { EXIT } from '../errors.ts'
import type { Store } from '../store/database.ts'
import { createLogger } from '../telemetry/log.ts'
import { parseArguments } from './args.ts'
import type { Command, Io } from './command.ts'
import { version } from './run.ts'

const HELP = `Usage: mailpassd serve [--config FILE] [--data-dir DIR] [--http HOST:PORT] [--sasl HOST:PORT] [--admin HOST:PORT]

Runs the daemon until it is told to stop (SIGTERM, SIGINT). Requests in flight are answered first.

Listening sockets that systemd passes (socket activation) are used for the listeners with their addresses.

Without --config it runs on its embedded default: SQLite and a realm export file in the data directory, one domain that
makes mailboxes on login, one user with a random password; it prints how to try a login.

Options:
  --config FILE       configuration (docs/configuration.md); all problems in it are told at once
  --data-dir DIR      where its files and UNIX sockets are (default: var beside the program, or where a package
                      installed it ~/.local/state/mailpassd; with --config /var/lib/mailpassd, or systemd's state
                      directory)
  --http HOST:PORT    the auth door's TCP listener, instead of the configured ones
  --sasl HOST:PORT    the SASL door's TCP listener, instead of the configured ones
  --admin HOST:PORT   the admin door's TCP listener, instead of the configured ones
`

/** In flight requests have 8 s, buffers a little more. */
const STOP_WITHIN_MS = 15_000

export const serve: Command = {
  name: 'serve',
  summary: 'Run the daemon.',
  help: HELP,
  async run(args, io) {
    const given = parseArguments('serve', args, { text: ['config', 'data-dir', 'http', 'sasl', 'admin'] })
    // The process's own environment: children of ours must not see it.
    const bound = takeInherited(process.env)
    const path = given.text('config')
    const overrides = { http: given.text('http'), sasl: given.text('sasl'), admin: given.text('admin') }
    const loaded = await loadConfig({ path, dataDir: given.text('data-dir'), env: io.env, overrides })
    // The metrics are made after the log that counts in them.
    let recordDrop = () => {}
    const logger = createLogger(loaded.config.log.level, { onDrop: () => recordDrop() })
    for (const warning of loaded.warnings) logger.warn({}, warning)

    const trial = path === undefined ? await prepareTrial(loaded) : undefined
    const configured = trial?.loaded ?? loaded
    const [house] = await Promise.all([openHouse(configured, logger, version()), trial?.realmFile])
    recordDrop = () => house.metrics.recordDroppedLogLine()
    if (trial !== undefined) await addTrialDomain(house.store)
    releaseStartupMemory()
    const daemon = await startDaemon(house, configured, logger, version(), bound)
    logger.info(
      { ...daemon.addresses, source: loaded.source, data_dir: loaded.dataDir, version: version() },
      'ready',
    )
    if (trial !== undefined) sayHowToTry(io, trial, daemon)

    await new Promise<void>((resolve) => {
      closeWithGrace({ delay: STOP_WITHIN_MS, logger: false }, async ({ err, signal }) => {
        if (err !== undefined) logger.error({ err }, 'a fault that nobody caught; stopping')
        else logger.info({ signal }, 'stopping')
        await daemon.close()
        logger.info({}, 'stopped')
        logger.close()
        resolve()
      })
    })
    return EXIT.ok
  },
}

/**
 * Loading some 1,300 modules leaves a heap twice as large as what stays alive, and V8 gives nothing back while the
 * daemon idles. One collection before anything listens keeps 16 MB out of resident memory.
 */
function releaseStartupMemory(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  setFlagsFromString('--no-expose-gc')
}

interface Trial {
  readonly loaded: LoadedConfig
  readonly token: string
  readonly password: string | undefined
  readonly realmFile: Promise<void>
}

/** Makes what the embedded default needs, and puts its token into the configuration. */
async function prepareTrial(loaded: LoadedConfig): Promise<Trial> {
  const { config, dataDir } = loaded
  const { token, snapshotKey, password, realmFile } = await prepareEmbeddedDefault(
    dataDir,
    realmFilePath(config.directory, dataDir),
  )
  const tokens = [
    ...config.tokens,
    { name: 'embedded', scopes: ['login' as const, 'read' as const], secret: token },
  ]
  const directory = { ...config.directory, snapshot_key: snapshotKey }
  return { loaded: { ...loaded, config: { ...config, directory, tokens } }, token, password, realmFile }
}

async function addTrialDomain(store: Store): Promise<void> {
  const domains = await store.domains.list()
  if (domains.length === 0) await store.domains.add(TRY_DOMAIN, { autojoin: true })
}

function sayHowToTry(io: Io, trial: Trial, daemon: Daemon): void {
  const door = daemon.addresses.http.find((address) => !address.startsWith('unix:'))
  if (door === undefined || trial.password === undefined) return
  const body = JSON.stringify({
    username: TRY_ADDRESS,
    password: trial.password,
    service: 'imap',
    remote_ip: '192.0.2.1',
  })
  const headers = `-H 'Authorization: Bearer ${trial.token}' -H 'Content-Type: application/json'`
  io.out(`\nTry a login; it makes the mailbox ${TRY_ADDRESS}:\n\n`)
  io.out(`  curl -s ${headers} -d '${body}' http://${door}/v1/login\n\n`)
}
