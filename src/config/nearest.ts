/** The known name that a mistyped one was most likely meant to be. */

/** Longer names are not compared: a file could hold a key of a megabyte. */
const MAX_NAME = 100

/** Edit distance with transpositions (optimal string alignment). */
function distance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1)
      row.push(best)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}

/**
 * The candidate closest to `name`, or undefined when none is close: at most a third of its letters may differ,
 * or one of the two begins with the other.
 */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  if (name.length > MAX_NAME) return undefined
  const lower = name.toLowerCase().replaceAll('-', '_')
  let best: string | undefined
  let bestDistance = Infinity
  for (const candidate of candidates) {
    const other = candidate.toLowerCase().replaceAll('-', '_')
    const begins = lower.length >= 3 && (other.startsWith(lower) || lower.startsWith(other))
    const away = distance(lower, other)
    const allowed = Math.max(1, Math.floor(Math.max(lower.length, other.length) / 3))
    if ((away <= allowed || begins) && away < bestDistance) {
      best = candidate
      bestDistance = away
    }
  }
  return best
}

/** ` (did you mean …?)`, or nothing when no candidate is close. */
export function didYouMean(name: string, candidates: readonly string[]): string {
  const nearest = nearestName(name, candidates)
  return nearest === undefined ? '' : ` (did you mean ${nearest}?)`
}
