/** What can be said of a stored hash without a password: its scheme, and whether it would be compared at all. */
import type { HashFacts } from '../credential/hash-verifier.ts'
import { readAllowed, readComparison, type Allowance } from './comparison.ts'
import { parseStoredHash } from './scheme.ts'
import { isUnusable } from './unusable.ts'

/** Facts of `{SCHEME}hash`; nothing of the hash itself is among them. Never throws. */
export function inspectHash(hash: string, allowance: Allowance): HashFacts {
  const stored = parseStoredHash(hash)
  const comparison = readAllowed(hash, allowance)
  return {
    scheme: isUnusable(stored) ? undefined : stored.scheme.name,
    // The crypt family's name says nothing: `{CRYPT}$1$…` is MD5.
    weak: isUnusable(readComparison(hash, false)) && !isUnusable(readComparison(hash, true)),
    unusable: isUnusable(comparison) ? comparison.unusable : undefined,
  }
}
