/** Figures out of samples: medians, quantiles, and how far two distributions are apart. */

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b)
}

/** The value below which this share (0 to 1) of all lie; NaN where there are none. */
export function quantile(values: readonly number[], share: number): number {
  const ordered = sorted(values)
  return ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))] ?? Number.NaN
}

/** The middle one, or the mean of the two in the middle; NaN where there are none, or one of them was not measured. */
export function median(values: readonly number[]): number {
  if (values.some(Number.isNaN)) return Number.NaN
  const ordered = sorted(values)
  const middle = ordered.length / 2
  const upper = ordered[Math.floor(middle)] ?? Number.NaN
  if (!Number.isInteger(middle)) return upper
  return (upper + (ordered[middle - 1] ?? Number.NaN)) / 2
}

/**
 * Kolmogorov and Smirnov's distance: the most that the two distribution functions differ anywhere, 0 to 1; and what
 * distance two equal distributions of these sizes stay below 99 times of 100 (1.63 * sqrt((n + m) / nm)).
 */
export function distance(a: readonly number[], b: readonly number[]): { distance: number; chance: number } {
  const [left, right] = [sorted(a), sorted(b)]
  let most = 0
  let i = 0
  let j = 0
  while (i < left.length && j < right.length) {
    const value = Math.min(left[i] ?? Infinity, right[j] ?? Infinity)
    while (i < left.length && (left[i] ?? Infinity) <= value) i += 1
    while (j < right.length && (right[j] ?? Infinity) <= value) j += 1
    most = Math.max(most, Math.abs(i / left.length - j / right.length))
  }
  return { distance: most, chance: 1.63 * Math.sqrt((a.length + b.length) / (a.length * b.length)) }
}
