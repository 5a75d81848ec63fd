/** Times as people and programs write them: a span such as `30m`, a date, or ISO 8601 with its zone. */

const UNIT_MS = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])
const SPAN = /^(\d{1,6})([smhd])$/
/** RFC 3339, seconds may be left out; a time without a zone would mean another one on each machine. */
const ISO =
  /^(\d{4}-\d\d-\d\d)(?:T([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d))?$/

/** Milliseconds of `90s`, `30m`, `2h`, `7d`; undefined where the text is none of these. */
export function parseSpan(text: string): number | undefined {
  const [, count, unit = ''] = SPAN.exec(text) ?? []
  return count === undefined ? undefined : Number(count) * (UNIT_MS.get(unit) ?? 0)
}

/**
 * Milliseconds since the epoch; a date is its beginning in UTC. Undefined where the text is no such time, as for the
 * 31st of April.
 */
export function parseIsoTime(text: string): number | undefined {
  const date = ISO.exec(text)?.[1]
  if (date === undefined) return undefined
  // Date.parse would take 31 April for 1 May.
  const dayMs = Date.parse(`${date}T00:00:00Z`)
  if (Number.isNaN(dayMs) || !new Date(dayMs).toISOString().startsWith(date)) return undefined
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? undefined : atMs
}
