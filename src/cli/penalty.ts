/** `mailpassd penalty list|clear`: at what passwords are guessed, and letting somebody in again. */
import { Compile } from 'typebox/compile'
import { systemClock } from '../clock.ts'
import { EXIT, MailpassdError } from '../errors.ts'
import { printable } from '../login-log/clean-name.ts'
import { parseAddress } from '../login/address.ts'
import { openGuarding } from '../policy/guarding.ts'
import type { PenaltyDesk } from '../policy/desk.ts'
import { networkTarget, type Target } from '../policy/lifting.ts'
import { PenaltiesAnswer, penaltyAnswer, type PenaltyAnswer } from '../telemetry/penalty-answer.ts'
import { adminSocketOf, askDaemon, tellDaemon } from './admin-socket.ts'
import { parseArguments, type Arguments } from './args.ts'
import { CONFIG_OPTIONS_HELP, loadChosenConfig } from './choose-config.ts'
import { columns } from './columns.ts'
import type { Command, Io } from './command.ts'
import { otherVersion } from './directory.ts'
import { printJson, withConfiguredStore } from './with-store.ts'

const OPTIONS = `${CONFIG_OPTIONS_HELP}  --json           print the result as JSON (GET /v1/penalties in docs/openapi.json)
  --help           this text
`
/** What counted before is read from the database. */
const WAIT_MS = 5000
const MAX_LISTED = 1000

const answer = Compile(PenaltiesAnswer)

export const penaltyList: Command = {
  name: 'penalty list',
  summary: 'Show at which mailboxes and from where passwords are guessed',
  help: `Usage: mailpassd penalty list [ADDRESS|NETWORK] [OPTIONS]

Different wrong passwords of the last hour by mailbox, by network and by pairs of both, those where nothing more is compared
first. The running daemon is asked; without one the database. docs/operating.md says what counts.

  ADDRESS          a mailbox: it and its pairs
  NETWORK          192.0.2.0/24: it and what lies in it; 192.0.2.7: it and the networks around it
${OPTIONS}`,
  async run(args, io) {
    const given = parse('penalty list', args)
    const { positionals } = given
    const target = positionals[0] === undefined ? undefined : targetOf(positionals[0])
    const query = new URLSearchParams({ limit: String(MAX_LISTED), ...namesOf(target) }).toString()
    const penalties = await ask(given, io, {
      daemon: (socket) => askDaemon(socket, `/v1/penalties?${query}`),
      desk: async (desk) => desk.list(target, MAX_LISTED).map(penaltyAnswer),
    })
    if (given.flag('json')) printJson(io, { penalties })
    else if (penalties.length === 0) io.out('no penalties\n')
    else print(penalties, io)
    return EXIT.ok
  },
}

export const penaltyClear: Command = {
  name: 'penalty clear',
  summary: 'Let a mailbox or a network in again',
  help: `Usage: mailpassd penalty clear ADDRESS|NETWORK [OPTIONS]

What was guessed there counts no more, on every node within 3 s. Who guesses on is counted anew.

  ADDRESS          a mailbox: it and its pairs
  NETWORK          192.0.2.0/24: it and what lies in it; 192.0.2.7: it and the networks around it
${OPTIONS}`,
  async run(args, io) {
    const given = parse('penalty clear', args)
    const [name] = given.positionals
    if (name === undefined)
      throw new MailpassdError('usage', 'penalty clear: expected a mailbox address or a network')
    const target = targetOf(name)
    const penalties = await ask(given, io, {
      daemon: (socket) => tellDaemon(socket, '/v1/penalties/clear', namesOf(target)),
      desk: async (desk) => (await desk.clear(target)).map(penaltyAnswer),
    })
    if (given.flag('json')) printJson(io, { penalties })
    else if (penalties.length === 0) io.out(`${printable(name)}: nothing counted; cleared all the same\n`)
    else {
      print(penalties, io)
      io.out('cleared\n')
    }
    return EXIT.ok
  },
}

type Given = Arguments<'config' | 'data-dir', 'json'>

function parse(name: string, args: readonly string[]): Given {
  return parseArguments(name, args, {
    text: ['config', 'data-dir'],
    flags: ['json'],
    positionals: ['ADDRESS|NETWORK?'],
  })
}

/** Throws MailpassdError input_invalid. */
function targetOf(name: string): Target {
  const mailbox = parseAddress(name)?.full
  if (mailbox !== undefined) return { kind: 'mailbox', mailbox }
  const target = networkTarget(name)
  if (target !== undefined) return target
  throw new MailpassdError(
    'input_invalid',
    `${JSON.stringify(name.slice(0, 80))} is neither a mailbox address (jane@example.org) nor a network (192.0.2.0/24, without bits behind its length) nor an IP address`,
  )
}

function namesOf(target: Target | undefined): Record<string, string> {
  if (target === undefined) return {}
  return target.kind === 'mailbox' ? { address: target.mailbox } : { network: target.network }
}

/** The running daemon, or where there is none what it left. */
async function ask(
  given: Given,
  io: Io,
  ways: {
    readonly daemon: (socket: string) => Promise<object | undefined>
    readonly desk: (desk: PenaltyDesk) => Promise<readonly PenaltyAnswer[]>
  },
): Promise<readonly PenaltyAnswer[]> {
  const loaded = await loadChosenConfig(given, io)
  const socket = adminSocketOf(loaded)
  const told = socket === undefined ? undefined : await ways.daemon(socket)
  if (told !== undefined) {
    if (!answer.Check(told)) throw otherVersion()
    return told.penalties
  }
  io.err('mailpassd: no daemon answers on the admin socket; looking at the database myself\n')
  return withConfiguredStore(given, io, async (store, { loaded: { config }, logger }) => {
    const guarding = openGuarding(config.policy, {
      sharedSources: [],
      failureDelayMs: 0,
      shared: store.guesses,
      clock: systemClock,
      logger,
    })
    await guarding.start(WAIT_MS)
    try {
      return await ways.desk(guarding.desk)
    } finally {
      await guarding.close()
    }
  })
}

function print(penalties: readonly PenaltyAnswer[], io: Io): void {
  const rows = penalties.map(({ kind, mailbox, network, guesses, limit, throttled, until }) => [
    throttled ? 'held up' : 'counted',
    kind,
    `${guesses}${limit === null ? '' : ` of ${limit}`}`,
    `until ${until.slice(0, 16)}Z`,
    printable([mailbox, network].filter((text) => text !== null).join(' from ')),
  ])
  io.out(columns([['', 'of', 'guesses', 'counts', ''], ...rows]))
}
