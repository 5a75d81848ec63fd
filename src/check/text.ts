/** Texts of strangers, and lists, as a message may show them. */
import { cleanName } from '../login-log/clean-name.ts'

const MAX_LISTED = 5

/** `a, b, c and 4 more`; each cleaned of what a terminal would obey. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_LISTED).map(cleanName).join(', ')
  return names.length > MAX_LISTED ? `${shown} and ${names.length - MAX_LISTED} more` : shown
}

/** `1 domain`, `2 domains`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** `3 minutes`, `40 s`: of a difference in milliseconds. */
export function spanOf(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`
}

/** The middle of the values, 0 where there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
