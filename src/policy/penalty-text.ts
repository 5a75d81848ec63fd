/** Penalties in words, for operators. */
import type { Scope } from './scope.ts'

/** What a scope's text speaks of: `mailbox jane@example.org`, `network 192.0.2.0/24`, or both. */
export function describeScope(scope: string): string {
  const name = scope.slice(2)
  if (scope.startsWith('a:')) return `mailbox ${name}`
  if (scope.startsWith('n:')) return `network ${name}`
  const blank = name.lastIndexOf(' ')
  return `${name.slice(0, blank)} from ${name.slice(blank + 1)}`
}

/** `mailbox jane@example.org: 12 of 50 different wrong passwords within an hour`. */
export function describePenalty({ key, limit }: Scope, guesses: number): string {
  const most = Number.isFinite(limit) ? ` of ${limit}` : ''
  return `${describeScope(key)}: ${guesses}${most} different wrong passwords within an hour`
}
