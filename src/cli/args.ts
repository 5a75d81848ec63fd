/** The command line of one command: `--name value`, `--flag` and positionals; mistakes are told with the way out. */
import { parseArgs } from 'node:util'
import { MailpassdError } from '../errors.ts'
import { didYouMean } from '../config/nearest.ts'

export interface ArgumentSpec<Text extends string, Flag extends string> {
  /** Options that take a value. */
  readonly text?: readonly Text[]
  /** Options that are there or not. */
  readonly flags?: readonly Flag[]
  /** One-letter forms: `{ s: 'scheme' }`. */
  readonly short?: Readonly<Record<string, Text | Flag>>
  /** Names of the positionals as the help shows them; one that may be left out ends in `?`. */
  readonly positionals?: readonly string[]
}

export interface Arguments<Text extends string, Flag extends string> {
  /** The option's value, or undefined when it was not given. */
  text(name: Text): string | undefined
  flag(name: Flag): boolean
  readonly positionals: readonly string[]
}

function usage(command: string, text: string): MailpassdError {
  return new MailpassdError('usage', `${command}: ${text}; see: mailpassd ${command} --help`)
}

/**
 * Parses what follows the command's name. Values are never repeated in a message: somebody may have typed a
 * password where none belongs.
 * Throws MailpassdError usage.
 */
export function parseArguments<Text extends string = never, Flag extends string = never>(
  command: string,
  args: readonly string[],
  spec: ArgumentSpec<Text, Flag>,
): Arguments<Text, Flag> {
  const texts: readonly string[] = spec.text ?? []
  const flags: readonly string[] = spec.flags ?? []
  const flagsGiven = new Set<string>()
  const textsGiven = new Map<string, string>()
  const positionals: string[] = []

  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {}
  for (const name of texts) options[name] = { type: 'string' }
  for (const name of flags) options[name] = { type: 'boolean' }
  for (const [letter, name] of Object.entries<string>(spec.short ?? {})) {
    const option = options[name]
    if (option !== undefined) option.short = letter
  }

  // Not strict: its messages are not ours, and it stops short of the nearest name.
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value } = token
    if (textsGiven.has(name) || flagsGiven.has(name)) throw usage(command, `${rawName} is given twice`)
    if (texts.includes(name)) {
      // `--config --json` would take the next option for a file.
      const isOption = token.inlineValue === false && value?.startsWith('--') === true
      if (value === undefined || value === '' || isOption) throw usage(command, `${rawName} needs a value`)
      textsGiven.set(name, value)
    } else if (flags.includes(name)) {
      if (token.inlineValue === true) throw usage(command, `${rawName} takes no value`)
      flagsGiven.add(name)
    } else {
      const hint = didYouMean(name, [...texts, ...flags]).replace('did you mean ', 'did you mean --')
      throw usage(command, `unknown option ${rawName}${hint}`)
    }
  }

  const expected = spec.positionals ?? []
  const missing = expected.slice(positionals.length).find((name) => !name.endsWith('?'))
  if (missing !== undefined) throw usage(command, `${missing} is missing`)
  if (positionals.length > expected.length) throw usage(command, 'too many arguments')

  return {
    text: (name) => textsGiven.get(name),
    flag: (name) => flagsGiven.has(name),
    positionals,
  }
}
