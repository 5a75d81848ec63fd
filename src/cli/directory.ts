/** `mailpassd directory status`: the records of the directory in the running daemon, and what keeps them. */
import { Compile } from 'typebox/compile'
import type { LoadedConfig } from '../config/load.ts'
import { EXIT, MailpassdError, type ExitCode } from '../errors.ts'
import { ageText } from '../explain/amounts.ts'
import { DirectoryState, type MassChangeBody, type PassBody } from '../telemetry/directory-state.ts'
import { adminSocketOf, askDaemon } from './admin-socket.ts'
import { parseArguments } from './args.ts'
import { CONFIG_OPTIONS_HELP, loadChosenConfig } from './choose-config.ts'
import type { Command, Io } from './command.ts'
import { printFields, printJson } from './with-store.ts'

const HELP = `Usage: mailpassd directory status [--json] [--config FILE] [--data-dir DIR]

Asks the running daemon over its admin UNIX socket what it knows of the directory's users, and what keeps that fresh: how
many records there are, and whether a mass change is held (docs/operating.md).

Options:
  --json           as JSON (GET /v1/directory in docs/openapi.json)
${CONFIG_OPTIONS_HELP}
Exit status: 0 all is well; 1 a mass change is held; 69 no daemon answers.
`

const state = Compile(DirectoryState)

export const directoryStatus: Command = {
  name: 'directory status',
  summary: "Show how the directory's users are remembered.",
  help: HELP,
  async run(args, io) {
    const given = parseArguments('directory status', args, { text: ['config', 'data-dir'], flags: ['json'] })
    const loaded = await loadChosenConfig(given, io)
    const told = await askDaemon(socketOf(loaded), '/v1/directory')
    if (told === undefined) return sayNoDaemon(loaded, io)
    if (!state.Check(told)) throw otherVersion()
    if (given.flag('json')) printJson(io, told)
    else print(told, io)
    return told.mass_change.state === 'holding' ? EXIT.failed : EXIT.ok
  },
}

/** Throws MailpassdError usage where the admin door has no UNIX socket. */
export function socketOf(loaded: LoadedConfig): string {
  const socket = adminSocketOf(loaded)
  if (socket !== undefined) return socket
  throw new MailpassdError('usage', 'admin.listen has no UNIX socket to ask the daemon on')
}

/** What these commands are about is in the daemon alone. */
export function sayNoDaemon(loaded: LoadedConfig, io: Io): ExitCode {
  io.err(
    `mailpassd: no daemon answers on ${socketOf(loaded)}; what it knows of the directory is in it alone\n`,
  )
  return EXIT.unavailable
}

export function otherVersion(): MailpassdError {
  return new MailpassdError(
    'internal',
    'the daemon answers in another way than this command reads; is it of another version? Restart it',
  )
}

function print(told: DirectoryState, io: Io): void {
  printFields(io, {
    directory: told.where,
    mode: told.mode,
    records: `${told.records.count} of at most ${told.records.max}`,
    ...keptTexts(told, true),
    'mass change': massChangeText(told.mass_change),
  })
  printHeld(told.mass_change, io)
}

/** Lines on passes and the snapshot, for those who have them. */
export function keptTexts(told: DirectoryState, all = false): Record<string, string> {
  const { pass, snapshot, mass_change: change } = told
  const hasPasses = all || told.mode === 'mirror' || pass.running !== null
  return {
    ...(hasPasses ? { passes: passText(told) } : {}),
    ...(snapshot === null && !all ? {} : { snapshot: snapshotText(snapshot) }),
    ...(all || change.state === 'watching' ? {} : { 'mass change': massChangeText(change) }),
  }
}

function passText({
  mode,
  pass: { running, last, complete_age_ms: age, on_time: isOnTime },
}: DirectoryState): string {
  const now = running === null ? [] : [runningText(running)]
  const ended = last === null ? [] : [`last ${lastText(last)}`]
  const complete = age === null ? 'none is complete yet' : `complete ${ageText(age)} ago`
  const fresh = mode === 'lookup' ? [] : [isOnTime ? 'on time: logins cost no call' : 'late: logins look up']
  return [...now, complete, ...fresh, ...ended].join('; ')
}

/** `1200 of 5000 users read, 800 a second, 5 s left` */
export function runningText(running: NonNullable<PassBody['running']>): string {
  const { users, expected, per_second: perSecond, remaining_ms: restMs } = running
  return `${users} of ${expected} users read, ${perSecond} a second, ${ageText(restMs)} left`
}

export function lastText(last: NonNullable<PassBody['last']>): string {
  const { result, users, kept, faults, calls, duration_ms: ms } = last
  const unread = faults === 0 ? '' : `, ${faults} unreadable`
  return `${result}: ${users} users, ${kept} of hosted domains${unread}, ${calls} calls in ${ageText(ms)}`
}

function snapshotText(snapshot: DirectoryState['snapshot']): string {
  if (snapshot === null) return 'none: directory.snapshot_key_file is not set'
  const { loading, loaded, written, pending, unreadable, failing } = snapshot
  const bad = unreadable === 0 ? '' : `, ${unreadable} unreadable`
  const state = failing ? '; cannot be written now' : loading ? '; being read' : ''
  return `${loaded} read, ${written} written, ${pending} to be written${bad}${state}`
}

export function massChangeText({
  state: now,
  turned,
  limit,
  since,
  open_until: until,
}: MassChangeBody): string {
  switch (now) {
    case 'watching':
      return `none; ${turned} turned within 10 minutes, ${limit} may`
    case 'holding':
      return `HELD since ${since ?? '?'}: ${turned} users turned unknown, disabled or without a password, more than ${limit}`
    case 'open':
      return `accepted: changes of any number count until ${until ?? '?'}`
  }
}

/** Whom it is about, and what to do. */
export function printHeld(held: MassChangeBody, io: Io): void {
  if (held.state !== 'holding') return
  for (const { address, turn } of held.users) printFields(io, { [`  ${turn}`]: address })
  const more = held.turned - held.users.length
  if (more > 0) io.out(`  and ${more} more\n`)
  io.out(
    'What was known of them serves. Was it on purpose? mailpassd directory accept\nElse put the directory right: it ends by itself then (docs/operating.md).\n',
  )
}
