/** `mailpassd explain`: why somebody can or cannot log in; by the running daemon, or by itself. */
import { isIP } from 'node:net'
import { Compile } from 'typebox/compile'
import { EXIT, MailpassdError, type ExitCode } from '../errors.ts'
import type { ExplainRequest } from '../explain/explain.ts'
import { Explanation } from '../explain/explanation.ts'
import { parseService } from '../login/service.ts'
import { adminSocketOf, askDaemon } from './admin-socket.ts'
import { parseArguments } from './args.ts'
import { CONFIG_OPTIONS_HELP, loadChosenConfig } from './choose-config.ts'
import type { Command } from './command.ts'
import { explanationText } from './explain-text.ts'
import { withOwnHouse } from './own-house.ts'
import { printJson } from './with-store.ts'

const HELP = `Usage: mailpassd explain ADDRESS [--service NAME] [--ip ADDRESS] [--json] [--config FILE] [--data-dir DIR]

Says why ADDRESS can or cannot log in: walks the rooms of a login without a password, and tells what each would decide and
on what facts, whether the main password and each app password would get in, and what to do, in the order to try it. Nothing
is written, and no hash is shown.

The running daemon is asked over its admin UNIX socket, so that what it remembers counts; where none runs, the command
opens the database and the directory itself and says so.

Options:
  --service NAME   imap (default), pop3, smtp, sieve, eas, dav, or what a mail server calls them
  --ip ADDRESS     the mail client's address
  --json           print the explanation as JSON (GET /v1/explain in docs/openapi.json)
${CONFIG_OPTIONS_HELP}
Exit status: 0 the main password or an app password would get in; 1 none would; 75 not known now; others as sysexits.
`

/** A name longer than this is no address, and no URL either. */
const MAX_NAME_LENGTH = 1024

const explanation = Compile(Explanation)

export const explain: Command = {
  name: 'explain',
  summary: 'Say why somebody can or cannot log in.',
  help: HELP,
  async run(args, io) {
    const given = parseArguments('explain', args, {
      text: ['service', 'ip', 'config', 'data-dir'],
      flags: ['json'],
      positionals: ['ADDRESS'],
    })
    const name = given.positionals[0] ?? ''
    const service = given.text('service') ?? 'imap'
    const ip = given.text('ip')
    if (ip !== undefined && isIP(ip) === 0)
      throw new MailpassdError('usage', 'explain: --ip must be an IP address')
    if (name === '' || name.length > MAX_NAME_LENGTH || !name.isWellFormed())
      throw new MailpassdError('usage', 'explain: ADDRESS must be 1 to 1024 characters')
    const loaded = await loadChosenConfig(given, io)
    const socket = adminSocketOf(loaded)
    const byDaemon = socket === undefined ? undefined : await askDaemon(socket, pathOf(name, service, ip))
    const request: ExplainRequest = { name, service: parseService(service), door: 'http', remoteIp: ip }
    const told =
      byDaemon === undefined
        ? await withOwnHouse(loaded, io, (house) => house.explain(request))
        : parse(byDaemon)
    if (given.flag('json')) printJson(io, told)
    else io.out(explanationText(told))
    return exitCodeOf(told)
  },
}

function pathOf(name: string, service: string, ip: string | undefined): string {
  const query = new URLSearchParams({ service, ...(ip === undefined ? {} : { ip }) })
  return `/v1/explain/${encodeURIComponent(name)}?${query.toString()}`
}

function parse(told: object): Explanation {
  if (explanation.Check(told)) return told
  throw new MailpassdError(
    'internal',
    'the daemon explains in another way than this command reads; is it of another version? Restart it',
  )
}

function exitCodeOf({ answer }: Explanation): ExitCode {
  switch (answer) {
    case 'yes':
      return EXIT.ok
    case 'no':
      return EXIT.failed
    case 'unknown':
      return EXIT.tempFail
  }
}
