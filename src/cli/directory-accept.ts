/** `mailpassd directory accept`: a mass change in the directory was on purpose. */
import { Compile } from 'typebox/compile'
import { EXIT, MailpassdError } from '../errors.ts'
import { Accepted, DirectoryState } from '../telemetry/directory-state.ts'
import { askDaemon, tellDaemon } from './admin-socket.ts'
import { parseArguments } from './args.ts'
import { CONFIG_OPTIONS_HELP, loadChosenConfig } from './choose-config.ts'
import type { Command } from './command.ts'
import { massChangeText, otherVersion, printHeld, sayNoDaemon, socketOf } from './directory.ts'
import { printJson } from './with-store.ts'

const DEFAULT_MINUTES = 60
const MAX_MINUTES = 1440

const HELP = `Usage: mailpassd directory accept [--minutes N] [--dry-run] [--json] [--config FILE] [--data-dir DIR]

More than directory.max_change_percent of the known users turned unknown, disabled or without a password within 10
minutes. That is taken for a fault of the directory: what was known of them serves, until this command says that it was on
purpose. It shows whom it is about, and from then on what the directory says counts. The guard stays open for an hour,
because the daemon hears of most users only when they log in.

Also before many users are disabled on purpose. It is about the daemon that is asked: on several nodes, run it on each.

Options:
  --minutes N      how long changes of any number count: 0 to ${MAX_MINUTES}, default ${DEFAULT_MINUTES}
  --dry-run        only show whom it is about
  --json           as JSON (POST /v1/directory/accept in docs/openapi.json)
${CONFIG_OPTIONS_HELP}
Exit status: 0 accepted; 69 no daemon answers.
`

const accepted = Compile(Accepted)
const state = Compile(DirectoryState)

export const directoryAccept: Command = {
  name: 'directory accept',
  summary: 'Accept that many users were disabled or deleted at once.',
  help: HELP,
  async run(args, io) {
    const given = parseArguments('directory accept', args, {
      text: ['config', 'data-dir', 'minutes'],
      flags: ['json', 'dry-run'],
    })
    const minutes = parseMinutes(given.text('minutes'))
    const loaded = await loadChosenConfig(given, io)
    const socket = socketOf(loaded)
    const before = await askDaemon(socket, '/v1/directory')
    if (before === undefined) return sayNoDaemon(loaded, io)
    if (!state.Check(before)) throw otherVersion()
    if (given.flag('dry-run')) {
      if (given.flag('json')) printJson(io, before.mass_change)
      else {
        io.out(`${massChangeText(before.mass_change)}\n`)
        printHeld(before.mass_change, io)
      }
      return EXIT.ok
    }
    const told = await tellDaemon(socket, '/v1/directory/accept', { minutes })
    if (told === undefined) return sayNoDaemon(loaded, io)
    if (!accepted.Check(told)) throw otherVersion()
    if (given.flag('json')) {
      printJson(io, told)
      return EXIT.ok
    }
    for (const { address, turn } of before.mass_change.users) io.out(`  ${turn.padEnd(9)} ${address}\n`)
    io.out(
      told.accepted === 0
        ? `No mass change was held. ${massChangeText(told.mass_change)}\n`
        : `${told.accepted} users: what the directory says of them counts now. ${massChangeText(told.mass_change)}\n`,
    )
    return EXIT.ok
  },
}

function parseMinutes(text: string | undefined): number {
  if (text === undefined) return DEFAULT_MINUTES
  const minutes = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  if (minutes <= MAX_MINUTES) return minutes
  throw new MailpassdError(
    'usage',
    `directory accept: --minutes must be a whole number from 0 to ${MAX_MINUTES}`,
  )
}
