/** A time in the future as an operator writes it: `30m`, `8h`, `7d`, a date, or ISO 8601 with a time zone. */
import { MailpassdError } from '../errors.ts'
import { parseIsoTime, parseSpan } from '../time-text.ts'

/**
 * Milliseconds since the epoch. A date is its beginning, in UTC. `what` names the value in the error.
 * Throws MailpassdError input_invalid: not such a text, or not in the future.
 */
export function parseFuture(text: string, nowMs: number, what: string): number {
  const spanMs = parseSpan(text.trim())
  const atMs = spanMs === undefined ? parseIsoTime(text.trim()) : nowMs + spanMs
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
