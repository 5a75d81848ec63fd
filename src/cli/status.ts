/** `mailpassd status`: the running daemon in one look; without one, what the database alone can say. */
import { Compile } from 'typebox/compile'
import { systemClock } from '../clock.ts'
import type { LoadedConfig } from '../config/load.ts'
import { EXIT, MailpassdError, toMailpassdError, type ExitCode } from '../errors.ts'
import { ageText, bytesText } from '../explain/amounts.ts'
import { withStore } from '../store/database.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { directoryDownText } from '../telemetry/outage-text.ts'
import { Status } from '../telemetry/status.ts'
import { adminSocketOf, askDaemon } from './admin-socket.ts'
import { parseArguments } from './args.ts'
import { CONFIG_OPTIONS_HELP, loadChosenConfig } from './choose-config.ts'
import type { Command, Io } from './command.ts'
import { keptTexts } from './directory.ts'
import { absentDatabase, printFields, printJson } from './with-store.ts'

const HELP = `Usage: mailpassd status [--json] [--config FILE] [--data-dir DIR]

Asks the running daemon over its admin UNIX socket how it is: version, doors and connections, database, directory, what it
remembers, password comparisons, logins by verdict, and what waits to be written. Where no daemon answers it says so, and
what the database alone can tell.

Options:
  --json           as JSON (GET /v1/status in docs/openapi.json)
${CONFIG_OPTIONS_HELP}
Exit status: 0 the daemon runs and known users can log in; 1 it runs and they cannot; 69 no daemon answers.
`

const answer = Compile(Status)

export const status: Command = {
  name: 'status',
  summary: 'Show how the running daemon is.',
  help: HELP,
  async run(args, io) {
    const given = parseArguments('status', args, { text: ['config', 'data-dir'], flags: ['json'] })
    const loaded = await loadChosenConfig(given, io)
    const socket = adminSocketOf(loaded)
    const told = socket === undefined ? undefined : await askDaemon(socket, '/v1/status')
    if (told === undefined) return withoutDaemon(loaded, socket, given.flag('json'), io)
    if (!answer.Check(told))
      throw new MailpassdError(
        'internal',
        'the daemon answers in another way than this command reads; restart it',
      )
    if (given.flag('json')) printJson(io, told)
    else print(told, io)
    return told.ready ? EXIT.ok : EXIT.failed
  },
}

/** What can be said of an installation whose daemon does not run. */
async function withoutDaemon(
  loaded: LoadedConfig,
  socket: string | undefined,
  isJson: boolean,
  io: Io,
): Promise<ExitCode> {
  const asked =
    socket === undefined ? 'admin.listen has no UNIX socket to ask on' : `no daemon answers on ${socket}`
  io.err(`mailpassd: ${asked}\n`)
  const store = await lookAtStore(loaded)
  if (isJson) printJson(io, { running: false, store })
  else {
    printFields(io, {
      daemon: 'does not answer',
      database: `${store.where}: ${store.up ? 'answers' : (store.error ?? 'does not answer')}`,
      ...(store.last_change_id === null ? {} : { 'last change': store.last_change_id }),
    })
  }
  return EXIT.unavailable
}

/** Only reads: a database without our tables is not given any, and none is made. */
async function lookAtStore(loaded: LoadedConfig) {
  const options = { ...loaded.config.store, dataDir: loaded.dataDir }
  const nothing = { up: false, missing: [], last_change_id: null }
  const absent = absentDatabase(loaded)
  if (absent !== undefined)
    return { ...nothing, where: `SQLite ${absent}`, error: 'is not there yet; serve makes it' }
  const context = { clock: systemClock, logger: silentLogger }
  let where = options.kind === 'mysql' ? 'MariaDB' : 'SQLite'
  try {
    return await withStore(options, context, async (store) => {
      where = store.where
      const missing = await store.check()
      const lastChangeId = missing.length > 0 ? null : await store.changes.lastChangeId()
      return { where, up: true, error: null, missing, last_change_id: lastChangeId }
    })
  } catch (thrown) {
    return { ...nothing, where, error: toMailpassdError(thrown).message }
  }
}

function print(told: Status, io: Io): void {
  const { store, directory, memory, passwords, logins, changes, events } = told
  printFields(io, {
    daemon: `mailpassd ${told.version}, pid ${told.pid}, up ${ageText(told.uptime_ms)}, Node ${told.node.replace(/^v/, '')}`,
    state:
      told.degraded.length === 0
        ? 'ready'
        : `${told.ready ? 'ready' : 'not ready'}: ${told.degraded.join(', ')}`,
    ...doorTexts(told.listeners),
    database: `${store.where}: ${store.up ? `answers in ${(store.latency_ms ?? 0).toFixed(1)} ms` : (store.error ?? 'does not answer')}`,
    directory: `${directory.where}: ${directoryText(directory)}`,
    'directory events': eventsText(events),
    ...keptTexts(told.records),
    remembered: `${memory.accounts} accounts, ${memory.memo_entries} right passwords; ${bytesText(memory.resident_bytes)} resident`,
    passwords: passwordsText(passwords),
    'logins, last minute': countsText(logins.last_minute),
    'logins, since start': countsText(logins.since_start),
    'login log': `${told.login_log_pending} entries to be written`,
    outbox: told.outbox_pending === null ? 'cannot be read' : `${told.outbox_pending} to be done`,
    changes: changesText(changes),
  })
}

function passwordsText(passwords: Status['passwords']): string {
  const { workers, running, queued, queued_strangers: strangers, wait_known_ms, wait_stranger_ms } = passwords
  const waiting =
    queued === 0
      ? '0 queued'
      : `${queued} queued (${strangers} of strangers; wait ${secondsText(wait_known_ms)}, strangers ${secondsText(wait_stranger_ms)})`
  return `${running} of ${workers} running, ${waiting}; ${passwords.done} done, ${passwords.busy} refused, ${passwords.failed} failed`
}

function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** A line for each door, with all its listeners. */
function doorTexts(listeners: Status['listeners']): Record<string, string> {
  const texts = new Map<string, string[]>()
  for (const { door, addresses, connections } of listeners) {
    const text = `${addresses.join(' ') || '(none)'}${connections === null ? '' : `, connections: ${connections}`}`
    const name = `${door} door`
    texts.set(name, [...(texts.get(name) ?? []), text])
  }
  return Object.fromEntries([...texts].map(([name, some]) => [name, some.join('; ')]))
}

function directoryText(directory: Status['directory']): string {
  const { state, error, answered_age_ms: answered, serving_records_up_to_ms: oldest } = directory
  switch (state) {
    case 'ok':
      return `answers, last asked ${ageText(answered ?? 0)} ago`
    case 'not_asked':
      return 'not asked yet'
    case 'down': {
      const since = ageText(directory.down_age_ms ?? 0)
      const most = `they serve up to an age of ${ageText(directory.records_limit_ms ?? 0)}`
      return `${directoryDownText(oldest)} (${error ?? 'unknown'}, for ${since}); ${most}`
    }
    case 'failing': {
      const since = answered === null ? 'never answered' : `last answered ${ageText(answered)} ago`
      const serving = oldest === null ? '' : `; records up to ${ageText(oldest)} old are served`
      return `fails (${error ?? 'unknown'}), ${since}${serving}`
    }
  }
}

function eventsText({ state, missing, error, read_age_ms, changes, pending }: Status['events']): string {
  const ago = read_age_ms === null ? 'not read yet' : `read ${ageText(read_age_ms)} ago`
  const told = `${ago}; ${changes} changes told, ${pending} to be looked up`
  switch (state) {
    case 'none':
      return 'this directory has none'
    case 'off':
      return 'off'
    case 'starting':
      return ago
    case 'reading':
      return told
    case 'failing':
      return `cannot be read (${error ?? 'unknown'}); ${told}`
    case 'not_kept':
      return `the realm does not keep ${missing.join(', ')}; ${told}`
    case 'hidden':
      return 'not shown to our client, which needs the role view-events'
  }
}

function changesText({ last_id, read_age_ms, failing }: Status['changes']): string {
  if (last_id === null) return 'not read yet'
  return `read up to ${last_id}, ${ageText(read_age_ms ?? 0)} ago${failing ? '; cannot be read now' : ''}`
}

function countsText(counts: Readonly<Record<string, number>>): string {
  const texts = Object.entries(counts).map(([verdict, count]) => `${count} ${verdict}`)
  return texts.join(', ') || 'none'
}
