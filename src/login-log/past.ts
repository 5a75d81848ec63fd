/** A time gone by as an operator writes it: `90s`, `30m`, `2h`, `7d` ago, a date, or ISO 8601 with its zone. */

const UNIT_MS = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])
const AGO = /^(\d{1,6})([smhd])$/
/** A time without a zone would mean another one on each machine. */
const ISO =
  /^(\d{4}-\d\d-\d\d)(?:T([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d))?$/

export const PAST_EXPECTED = '90s, 30m, 2h, 7d (ago), a date such as 2026-01-31, or 2026-01-31T18:00:00Z'

/** Milliseconds since the epoch; a date is its beginning in UTC. Undefined where the text is none of these. */
export function parsePast(text: string, nowMs: number): number | undefined {
  const [, count, unit = ''] = AGO.exec(text) ?? []
  if (count !== undefined) return nowMs - Number(count) * (UNIT_MS.get(unit) ?? 0)
  const date = ISO.exec(text)?.[1]
  if (date === undefined) return undefined
  // 31 April would be taken for 1 May.
  const dayMs = Date.parse(`${date}T00:00:00Z`)
  if (Number.isNaN(dayMs) || !new Date(dayMs).toISOString().startsWith(date)) return undefined
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? undefined : atMs
}
