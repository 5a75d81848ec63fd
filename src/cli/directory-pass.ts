/** `mailpassd directory pass`: the running daemon reads the whole directory now, and says how it goes. */
import { setTimeout as wait } from 'node:timers/promises'
import { Compile } from 'typebox/compile'
import { EXIT } from '../errors.ts'
import { DirectoryState, PassStarted } from '../telemetry/directory-state.ts'
import { askDaemon, tellDaemon } from './admin-socket.ts'
import { parseArguments } from './args.ts'
import { CONFIG_OPTIONS_HELP, loadChosenConfig } from './choose-config.ts'
import type { Command } from './command.ts'
import { lastText, otherVersion, runningText, sayNoDaemon, socketOf } from './directory.ts'
import { printJson } from './with-store.ts'

const HELP = `Usage: mailpassd directory pass [--no-wait] [--json] [--config FILE] [--data-dir DIR]

The running daemon reads all users of the directory now, page by page, at most 20 calls a second, and keeps those of hosted
domains. In mirror mode it does so by itself every directory.mirror_minutes; in lookup mode a pass fills the records once,
for example before Keycloak is taken down for maintenance.

Options:
  --no-wait        only begin it; mailpassd directory status says how it goes
  --json           the result as JSON
${CONFIG_OPTIONS_HELP}
Exit status: 0 complete (or begun); 1 failed or incomplete; 69 no daemon answers.
`

const LOOK_EVERY_MS = 500
const SAY_EVERY_MS = 5000

const state = Compile(DirectoryState)
const begun = Compile(PassStarted)

export const directoryPass: Command = {
  name: 'directory pass',
  summary: 'Read all users of the directory now.',
  help: HELP,
  async run(args, io) {
    const given = parseArguments('directory pass', args, {
      text: ['config', 'data-dir'],
      flags: ['json', 'no-wait'],
    })
    const loaded = await loadChosenConfig(given, io)
    const socket = socketOf(loaded)
    const answer = await tellDaemon(socket, '/v1/directory/pass', {})
    if (answer === undefined) return sayNoDaemon(loaded, io)
    if (!begun.Check(answer)) throw otherVersion()
    if (!answer.started) io.err('mailpassd: a pass runs already\n')
    if (given.flag('no-wait')) {
      if (given.flag('json')) printJson(io, answer)
      return EXIT.ok
    }
    let saidAtMs = performance.now()
    for (;;) {
      await wait(LOOK_EVERY_MS)
      const told = await askDaemon(socket, '/v1/directory')
      if (told === undefined) return sayNoDaemon(loaded, io)
      if (!state.Check(told)) throw otherVersion()
      const { running, last, active } = told.pass
      if (!active && last !== null) {
        if (given.flag('json')) printJson(io, told.pass)
        else io.out(`${lastText(last)}\n`)
        return last.result === 'complete' ? EXIT.ok : EXIT.failed
      }
      if (running === null || performance.now() - saidAtMs < SAY_EVERY_MS) continue
      saidAtMs = performance.now()
      io.err(`${runningText(running)}\n`)
    }
  },
}
