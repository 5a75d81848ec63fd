/** Lines of the login log for people: fixed columns, so that they stay below each other while they come. */
import { cleanName } from '../login-log/clean-name.ts'
import type { LoginLine } from '../login-log/line.ts'
import { REASONS } from '../login/why.ts'

export interface LogStyle {
  /** One JSON object per line. */
  readonly isJson: boolean
  /** Times in this machine's zone. */
  readonly isLocal: boolean
}

/** Of the words that there are, the longest fits. */
const widest = (words: object) => Math.max(...Object.keys(words).map((word) => word.length))
const WIDTHS = [25, 6, 17, widest(REASONS), 7, 18, 10, 26] as const

export const LOG_HEAD = row(
  ['last', 'logins', 'verdict', 'why', 'service', 'network', 'credential', 'mailbox'],
  '',
)

export function logLineText(line: LoginLine, { isJson, isLocal }: LogStyle): string {
  if (isJson) return `${JSON.stringify(line)}\n`
  const { last, count, verdict, why, service, network, credential, mailbox, meaning } = line
  const at = isLocal ? localTime(last) : last.replace(/\.\d+Z$/, 'Z')
  const cells = [at, String(count), verdict, why, service, network, credential, mailbox]
  return row(cells.map(cleanName), verdict === 'ok' ? '' : meaning)
}

function row(cells: readonly string[], end: string): string {
  const padded = cells.map((cell, at) => (cell === '' ? '-' : cell).padEnd(WIDTHS[at] ?? 0))
  return `${[...padded, end].join('  ').trimEnd()}\n`
}

/** `2026-01-31T19:00:00+01:00` */
function localTime(iso: string): string {
  const at = new Date(iso)
  const offset = -at.getTimezoneOffset()
  const two = (value: number) => String(Math.trunc(Math.abs(value))).padStart(2, '0')
  const zone = `${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`
  return new Date(at.getTime() + offset * 60_000).toISOString().replace(/\.\d+Z$/, zone)
}
