/** A time in the future as an operator writes it: `30m`, `8h`, `7d`, a date, or ISO 8601 with a time zone. */
import { MailpassdError } from '../errors.ts'

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const RELATIVE = /^([1-9]\d{0,5})([mhd])$/
const DATE = /^\d{4}-\d\d-\d\d$/
/** A time without a zone would mean another one on each machine. */
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d)$/

/**
 * Milliseconds since the epoch. A date is its beginning, in UTC. `what` names the value in the error.
 * Throws MailpassdError input_invalid: not such a text, or not in the future.
 */
export function parseFuture(text: string, nowMs: number, what: string): number {
  const atMs = parse(text.trim(), nowMs)
  if (atMs === undefined)
    throw new MailpassdError(
      'input_invalid',
      `${what}: expected 30m, 8h, 7d, a date such as 2027-01-31, or a time with its zone such as 2027-01-31T18:00:00Z, got ${JSON.stringify(text.slice(0, 40))}`,
    )
  if (atMs <= nowMs)
    throw new MailpassdError(
      'input_invalid',
      `${what}: ${new Date(atMs).toISOString()} is not in the future; it is ${new Date(nowMs).toISOString()} now`,
    )
  return atMs
}

function parse(text: string, nowMs: number): number | undefined {
  const relative = RELATIVE.exec(text)
  if (relative !== null) {
    const unit = relative[2] === 'm' ? UNIT_MS.m : relative[2] === 'h' ? UNIT_MS.h : UNIT_MS.d
    return nowMs + Number(relative[1]) * unit
  }
  if (!DATE.test(text) && !DATE_TIME.test(text)) return undefined
  const atMs = Date.parse(text)
  if (Number.isNaN(atMs)) return undefined
  // Date.parse takes the 31st of June for the 1st of July.
  const day = Number(text.slice(8, 10))
  const lastDay = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate()
  return day <= lastDay ? atMs : undefined
}
