/** The command line as a whole: finds the command, runs it, and tells what went wrong with the way out. */
import { readFileSync } from 'node:fs'
import { didYouMean } from '../config/nearest.ts'
import { EXIT, MailpassdError, toMailpassdError, type ErrorCode, type ExitCode } from '../errors.ts'
import type { Command, Io } from './command.ts'

export type CommandTable = ReadonlyMap<string, () => Promise<Command>>

/** What to do about an error, where its message does not say. */
const WAY_OUT: Partial<Record<ErrorCode, string>> = {
  config_invalid: 'All keys are in docs/configuration.md.',
  directory_unavailable: '`mailpassd check --live` tries the directory step by step.',
  directory_refused: '`mailpassd check --live` says whether realm, client, secret or role is wrong.',
  directory_invalid: 'Is directory.server_url the base URL of Keycloak? See docs/keycloak.md.',
  store_unavailable: '`mailpassd check --live` tries the database step by step.',
  store_schema: '`mailpassd migrate` makes what is missing of our own tables.',
  internal: 'Set MAILPASSD_TRACE=1 to see where it happened.',
}

/** The version of package.json. */
export function version(): string {
  const parsed: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const found =
    typeof parsed === 'object' && parsed !== null && 'version' in parsed ? parsed.version : undefined
  return typeof found === 'string' ? found : 'unknown'
}

async function overview(table: CommandTable, prefix: string): Promise<string> {
  const names = [...table.keys()].filter((name) => name.startsWith(prefix))
  const width = Math.max(...names.map((name) => name.length))
  const lines = await Promise.all(
    names.map(
      async (name) =>
        `  ${name.padEnd(width)}  ${((await table.get(name)?.())?.summary ?? '').replace(/\.$/, '')}\n`,
    ),
  )
  return `Usage: mailpassd COMMAND [OPTIONS]

Answers a mail server's question: may this client use this mailbox now?

Commands:
${lines.join('')}
  mailpassd help COMMAND    all about one command (also: mailpassd COMMAND --help)
  mailpassd --version       the version

Passwords are read from the terminal or from stdin, never from the command line.
`
}

function isHelp(argument: string | undefined): boolean {
  return argument === '--help' || argument === '-h'
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).some(isHelp)
}

/** The command whose words `args` begin with, longest first, and how many words that takes. */
function find(table: CommandTable, args: readonly string[]): { name: string; words: number } | undefined {
  for (const words of [2, 1]) {
    const name = args.slice(0, words).join(' ')
    if (args.length >= words && table.has(name)) return { name, words }
  }
  return undefined
}

function unknown(table: CommandTable, args: readonly string[]): MailpassdError {
  const first = args[0] ?? ''
  const group = [...table.keys()].filter((name) => name.startsWith(`${first} `))
  const typed = args
    .filter((argument) => !argument.startsWith('-'))
    .slice(0, group.length > 0 ? 2 : 1)
    .join(' ')
  const shown = JSON.stringify(typed.slice(0, 60))
  if (group.length > 0) {
    const what = typed === first ? `${first} needs one more word` : `unknown command ${shown}`
    return new MailpassdError('usage', `${what}: ${group.join(', ')}; see: mailpassd --help`)
  }
  const firstWords = [...table.keys(), 'help']
  const kind = first.startsWith('-') ? `unknown option ${first.slice(0, 60)}` : `unknown command ${shown}`
  const hint = first.startsWith('-')
    ? ''
    : didYouMean(args.slice(0, 2).join(' '), firstWords) || didYouMean(first, firstWords)
  return new MailpassdError('usage', `${kind}${hint}; see: mailpassd --help`)
}

async function dispatch(table: CommandTable, args: readonly string[], io: Io): Promise<ExitCode> {
  const [first, ...rest] = args
  if (first === undefined || isHelp(first) || (first === 'help' && rest.length === 0)) {
    const text = await overview(table, '')
    if (first === undefined) io.err(text)
    else io.out(text)
    return first === undefined ? EXIT.usage : EXIT.ok
  }
  if (first === '--version' || first === '-V') {
    io.out(`mailpassd ${version()}\n`)
    return EXIT.ok
  }
  const wanted = first === 'help' ? rest : args
  const found = find(table, wanted)
  const load = found === undefined ? undefined : table.get(found.name)
  if (found === undefined || load === undefined) {
    const isGroup = [...table.keys()].some((name) => name.startsWith(`${wanted[0] ?? ''} `))
    if (!isGroup || (first !== 'help' && !asksForHelp(args))) throw unknown(table, wanted)
    io.out(await overview(table, `${wanted[0] ?? ''} `))
    return EXIT.ok
  }
  const command = await load()
  const commandArgs = wanted.slice(found.words)
  if (first === 'help' || asksForHelp(commandArgs)) {
    io.out(command.help.endsWith('\n') ? command.help : `${command.help}\n`)
    return EXIT.ok
  }
  return command.run(commandArgs, io)
}

/** Runs `mailpassd args…` and gives its exit code. Never throws: what went wrong is on `io.err`. */
export async function runCli(table: CommandTable, args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    return await dispatch(table, args, io)
  } catch (thrown) {
    const error = toMailpassdError(thrown)
    io.err(`mailpassd: ${error.message}\n`)
    const wayOut = WAY_OUT[error.code]
    if (wayOut !== undefined) io.err(`mailpassd: ${wayOut}\n`)
    if (io.env['MAILPASSD_TRACE'] === '1') io.err(`${error.stack ?? ''}\n${traceOf(error.cause)}`)
    return error.exitCode
  }
}

function traceOf(cause: unknown): string {
  return cause instanceof Error ? `caused by ${cause.stack ?? cause.message}\n` : ''
}
