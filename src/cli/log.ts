/** `mailpassd log`: who logged in, who could not and why, from the login log in the database. */
import { systemClock } from '../clock.ts'
import { EXIT, MailpassdError, toMailpassdError } from '../errors.ts'
import { DEFAULT_PAGE_LINES } from '../login-log/page.ts'
import { PAST_EXPECTED } from '../login-log/past.ts'
import { parseLoginQuery, type LoginQuery } from '../login-log/query.ts'
import { parseArguments } from './args.ts'
import { CONFIG_OPTIONS_HELP, loadChosenConfig } from './choose-config.ts'
import type { Command, Io } from './command.ts'
import { followLog } from './log-follow.ts'
import { newest, openLogPages, type LogPages } from './log-source.ts'
import { LOG_HEAD, logLineText, type LogStyle } from './log-text.ts'

const MAX_LINES = 10_000

const HELP = `Usage: mailpassd log [--address A] [--ip IP] [--credential C] [--service S] [--verdict V] [--since T] [--until T]
                     [--limit N] [--follow] [--local] [--json] [--config FILE] [--data-dir DIR]

Shows the login log, newest last. A line holds the logins of one hour that came out alike: mailbox, network, service,
credential, verdict and reason; its time is that of the last of them. Names that have no mailbox are counted under their
network alone, with an empty mailbox. The running daemon is asked over its admin UNIX socket; where none runs, the database is
read directly. What came in the last second may be missing.

Options:
  --address A      of this mailbox
  --ip IP          from this client. The log knows networks, not single addresses: the /24 (IPv6: /64) that IP belongs to is
                   shown. Also a wider network (192.0.0.0/16), or unknown
  --credential C   main, sogo, or app:ID
  --service S      imap, pop3, smtp, sieve, eas, dav, other
  --verdict V      ok, password_mismatch, user_unknown, user_disabled, service_denied, pass_expired, throttled, temp_fail
  --since T        ${PAST_EXPECTED}
  --until T        the same
  --limit N        the newest N lines; default ${DEFAULT_PAGE_LINES}, at most ${MAX_LINES}
  --follow         go on: show what comes, looked for each second; the number of logins is what is new. Ends with Ctrl-C
  --local          times in this machine's zone instead of UTC
  --json           one JSON object per line (as in GET /v1/logins of docs/openapi.json)
${CONFIG_OPTIONS_HELP}`

export const log: Command = {
  name: 'log',
  summary: 'Show who logged in, who could not, and why.',
  help: HELP,
  async run(args, io) {
    const given = parseArguments('log', args, {
      text: [
        'address',
        'ip',
        'credential',
        'service',
        'verdict',
        'since',
        'until',
        'limit',
        'config',
        'data-dir',
      ],
      flags: ['follow', 'local', 'json'],
    })
    const limit = limitOf(given.text('limit'))
    const isFollowing = given.flag('follow')
    const query: LoginQuery = {
      address: given.text('address'),
      ip: given.text('ip'),
      credential: given.text('credential'),
      service: given.text('service'),
      verdict: given.text('verdict'),
      since: given.text('since'),
      until: given.text('until'),
    }
    if (isFollowing && query.until !== undefined)
      throw new MailpassdError('usage', 'log: --follow and --until exclude each other')
    // Before anything is opened: mistakes are told at once, and alike with and without a daemon.
    checkQuery(query)
    const loaded = await loadChosenConfig(given, io)
    const style = { isJson: given.flag('json'), isLocal: given.flag('local') }
    const pages = openLogPages(loaded, () =>
      io.err('mailpassd: no daemon answers on the admin socket; reading the database myself\n'),
    )
    try {
      if (isFollowing) await followLog({ pages, query, limit, style, io })
      else await show(pages, query, limit, style, io)
    } finally {
      await pages.close()
    }
    return EXIT.ok
  },
}

function checkQuery(query: LoginQuery): void {
  try {
    parseLoginQuery(query, systemClock.nowMs())
  } catch (thrown) {
    throw new MailpassdError('usage', `log: --${toMailpassdError(thrown).message}`)
  }
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PAGE_LINES
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= MAX_LINES) return limit
  throw new MailpassdError('usage', `log: --limit takes a number from 1 to ${MAX_LINES}`)
}

async function show(
  pages: LogPages,
  query: LoginQuery,
  limit: number,
  style: LogStyle,
  io: Io,
): Promise<void> {
  const { lines, next } = await newest(pages, query, limit)
  if (!style.isJson && lines.length > 0) io.out(LOG_HEAD)
  for (const line of lines.toReversed()) io.out(logLineText(line, style))
  if (lines.length === 0) io.err(`mailpassd: no login in the log${next === null ? '' : ' so far back'}\n`)
  else if (next !== null && lines.length < limit)
    io.err('mailpassd: more than 100,000 lines were looked at; name an address, a network or --since\n')
}
