/** Steps as text: a line each, the way out below it. */
import type { Report } from '../check/connection-test.ts'
import type { Step } from '../check/step.ts'
import { counted, listed } from '../check/text.ts'

/** `failed   TLS: the certificate …`. */
export function formatStep({ name, result, detail, hint }: Step): string {
  const line = `${result.padEnd(7)}  ${name}: ${detail}\n`
  return hint === undefined ? line : `${line}${' '.repeat(9)}${hint}\n`
}

/** The steps of a connection test in columns (result, time, name, what was seen), and the result as the last line. */
export function formatTable(report: Report): string {
  const { steps } = report
  const nameWidth = Math.max(...steps.map(({ name }) => name.length))
  const lines = steps.map(({ name, result, detail, hint, ms }) => {
    const took = result === 'skipped' || ms === undefined ? '' : `${ms} ms`
    const head = `${result.padEnd(7)}  ${took.padStart(8)}  ${name.padEnd(nameWidth)}  `
    return `${head}${detail}\n${hint === undefined ? '' : `${' '.repeat(head.length)}${hint}\n`}`
  })
  return `${lines.join('')}\n${resultLine(report)}\n`
}

function resultLine({ result, steps, ms }: Report): string {
  const namesOf = (wanted: Step['result']) => [
    ...new Set(steps.filter((step) => step.result === wanted).map(({ name }) => name)),
  ]
  const parts = (['failed', 'warning', 'skipped'] as const).flatMap((wanted) => {
    const names = namesOf(wanted)
    if (names.length === 0) return []
    return wanted === 'skipped'
      ? [counted(names.length, 'step') + ' skipped']
      : [`${wanted}: ${listed(names)}`]
  })
  const about = parts.length === 0 ? '' : ` (${parts.join('; ')})`
  return `result: ${result}${about}, ${(ms / 1000).toFixed(1)} s`
}
