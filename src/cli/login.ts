/** `mailpassd login`: a real login, with the reason of its outcome; by the running daemon, or by itself. */
import { isIP } from 'node:net'
import type { LoadedConfig } from '../config/load.ts'
import { EXIT, MailpassdError, type ExitCode } from '../errors.ts'
import { ANSWER_WITHIN_MS } from '../login/request.ts'
import { parseService } from '../login/service.ts'
import { REASONS, VERDICTS } from '../login/why.ts'
import type { Verdict } from '../login/outcome.ts'
import type { Secret } from '../secret.ts'
import { adminSocketOf, attemptByDaemon, type Attempt } from './admin-socket.ts'
import { parseArguments } from './args.ts'
import { CONFIG_OPTIONS_HELP, loadChosenConfig } from './choose-config.ts'
import type { Command, Io } from './command.ts'
import { withOwnHouse } from './own-house.ts'
import { readPassword } from './read-password.ts'

const HELP = `Usage: mailpassd login ADDRESS [--service NAME] [--ip ADDRESS] [--json] [--config FILE] [--data-dir DIR]

Tries a login as a mail server would, and says why it came out so. It is a real one: a good first login makes the
mailbox, and it is recorded. The password is asked for without echo, or is the first line of stdin.

The running daemon is asked over its admin UNIX socket; where none runs, the command opens the database and the directory
itself and says so.

Options:
  --service NAME   imap (default), pop3, smtp, sieve, eas, dav, or what a mail server calls them (docs/services.md)
  --ip ADDRESS     the mail client's address
  --json           print the outcome as JSON
${CONFIG_OPTIONS_HELP}
Exit status: 0 the login is good; 1 refused; 75 not found out (temp_fail) or throttled; others as sysexits.
`

export const login: Command = {
  name: 'login',
  summary: 'Try a login and say why it came out so.',
  help: HELP,
  async run(args, io) {
    const given = parseArguments('login', args, {
      text: ['service', 'ip', 'config', 'data-dir'],
      flags: ['json'],
      positionals: ['ADDRESS'],
    })
    const attempt = attemptOf(given.positionals[0] ?? '', given.text('service') ?? 'imap', given.text('ip'))
    const loaded = await loadChosenConfig(given, io)
    const secret = await readPassword(io, `Password of ${attempt.username}: `)
    try {
      // A login with none would count as a guess.
      if (secret.byteLength === 0) throw new MailpassdError('input_invalid', 'login: the password is empty')
      const socket = adminSocketOf(loaded)
      const byDaemon = socket === undefined ? undefined : await attemptByDaemon(socket, attempt, secret)
      return print(
        byDaemon ?? (await attemptByOurselves(loaded, attempt, secret, io)),
        given.flag('json'),
        io,
      )
    } finally {
      secret.wipe()
    }
  },
}

function attemptOf(username: string, service: string, ip: string | undefined): Attempt {
  if (parseService(service) === 'other') {
    throw new MailpassdError(
      'usage',
      'login: --service must be imap, pop3, smtp, sieve, eas, dav, or what a mail server calls them (docs/services.md)',
    )
  }
  if (ip !== undefined && isIP(ip) === 0)
    throw new MailpassdError('usage', 'login: --ip must be an IP address')
  return { username, service, remoteIp: ip }
}

/** The rooms of the daemon without its doors. */
async function attemptByOurselves(
  loaded: LoadedConfig,
  attempt: Attempt,
  secret: Secret,
  io: Io,
): Promise<object> {
  return withOwnHouse(loaded, io, async (house) => {
    const receivedAtMs = house.clock.monotonicMs()
    const outcome = await house.login({
      door: 'cli',
      mechanism: 'PLAIN',
      service: parseService(attempt.service),
      username: attempt.username,
      secret,
      remoteIp: attempt.remoteIp,
      localIp: undefined,
      tls: undefined,
      sessionId: undefined,
      receivedAtMs,
      deadlineMs: receivedAtMs + ANSWER_WITHIN_MS,
    })
    return {
      verdict: outcome.verdict,
      mailbox: outcome.mailbox,
      credential: outcome.credential,
      provisioned: outcome.provisioned,
      why: outcome.why,
      meaning: REASONS[outcome.why].meaning,
      record_age_ms: outcome.recordAgeMs,
    }
  })
}

function print(answer: object, asJson: boolean, io: Io): ExitCode {
  if (asJson) io.out(`${JSON.stringify(answer)}\n`)
  else {
    for (const [key, value] of Object.entries(answer)) {
      if (value !== undefined) io.out(`${key.replaceAll('_', ' ').padEnd(14)} ${String(value)}\n`)
    }
  }
  const verdict = 'verdict' in answer ? VERDICTS.find((known) => known === answer.verdict) : undefined
  return exitCodeOf(verdict ?? 'temp_fail')
}

function exitCodeOf(verdict: Verdict): ExitCode {
  switch (verdict) {
    case 'ok':
      return EXIT.ok
    case 'temp_fail':
    case 'throttled':
      return EXIT.tempFail
    case 'password_mismatch':
    case 'user_unknown':
    case 'user_disabled':
    case 'service_denied':
    case 'pass_expired':
      return EXIT.failed
  }
}
