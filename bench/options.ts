/** The arguments of `npm run bench`. */
import { parseArgs } from 'node:util'
import { MailpassdError } from '../src/errors.ts'

export interface BenchOptions {
  readonly only: readonly string[]
  readonly rounds: number
  readonly quick: boolean
  readonly million: boolean
  /** Where performance.md and performance.svg go; undefined: nowhere. */
  readonly out: string | undefined
  readonly help: boolean
}

function wholeNumber(text: string, most: number, what: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new MailpassdError('usage', `${what}: a whole number from 1 to ${most} is wanted, not ${text}`)
}

/** Throws MailpassdError usage. `sections` are the names that --only knows; `docs` the directory that a whole run writes to. */
export function parseOptions(
  args: readonly string[],
  sections: readonly string[],
  docs: string,
): BenchOptions {
  let values
  try {
    ;({ values } = parseArgs({
      args: [...args],
      options: {
        only: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        million: { type: 'boolean', default: false },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }))
  } catch (error) {
    throw new MailpassdError('usage', error instanceof Error ? error.message : String(error))
  }
  const only = (values.only ?? []).flatMap((text) => text.split(',')).filter((name) => name !== '')
  for (const name of only) {
    if (!sections.includes(name))
      throw new MailpassdError('usage', `--only: no section ${name}; there are ${sections.join(', ')}`)
  }
  const isWhole = only.length === 0 && !values.quick
  return {
    only,
    rounds:
      values.rounds === undefined ? (values.quick ? 1 : 5) : wholeNumber(values.rounds, 100, '--rounds'),
    quick: values.quick,
    million: values.million,
    out: values.out ?? (isWhole ? docs : undefined),
    help: values.help,
  }
}
