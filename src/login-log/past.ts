/** A time gone by as an operator writes it: `90s`, `30m`, `2h`, `7d` ago, a date, or ISO 8601 with its zone. */
import { parseIsoTime, parseSpan } from '../time-text.ts'

export const PAST_EXPECTED = '90s, 30m, 2h, 7d (ago), a date such as 2026-01-31, or 2026-01-31T18:00:00Z'

/** Milliseconds since the epoch; a date is its beginning in UTC. Undefined where the text is none of these. */
export function parsePast(text: string, nowMs: number): number | undefined {
  const spanMs = parseSpan(text)
  return spanMs === undefined ? parseIsoTime(text) : nowMs - spanMs
}
