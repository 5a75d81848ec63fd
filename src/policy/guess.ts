/**
 * Which outcomes are guesses, and at what. What counts is decided by what a stranger could have learned: where a wrong
 * password and an unknown name look alike, they count alike, or the penalty would tell them apart.
 */
import type { Outcome, Why } from '../login/outcome.ts'

/**
 * `account`: a password for a mailbox, whether there is one or not. `app`: meant for one app password, by its tag; it
 * never counts against the account. `name`: nothing was tried but the name.
 */
export type GuessKind = 'account' | 'app' | 'name'

/** "Don't know" after which a password is as good as tried. */
const TRIED: ReadonlySet<Why> = new Set([
  // Compared with 20 app passwords and the main one. Who has the 21st counts once, however often the client comes.
  'too_many_app_passwords',
  // Wrong by a record that may be old, which cannot be read again, or may not for want of budget.
  'reread_refused',
  'reread_failed',
  'lookups_spent',
])

/**
 * Nothing was found out for want of time, but comparisons may have begun: one that ends after its answer is remembered,
 * and of several hashes the first may have been compared each time. Else who sends more than the pool can do, or guesses
 * at a mailbox with many dear hashes, would guess for nothing.
 */
const CUT_SHORT: ReadonlySet<string> = new Set(['busy', 'deadline'])

/**
 * What the outcome counts as; undefined where nothing was guessed, or nothing is known.
 *
 * @param comparisons that were begun for it
 */
export function guessOf({ verdict, why, credential }: Outcome, comparisons = 0): GuessKind | undefined {
  if (comparisons > 0 && CUT_SHORT.has(why)) return 'account'
  switch (verdict) {
    case 'password_mismatch':
      if (why === 'hash_differs') return 'account'
      return why === 'app_password_differs' ? 'app' : undefined
    case 'user_unknown':
      return why === 'no_such_user' ? 'account' : 'name'
    case 'user_disabled':
    case 'service_denied':
    case 'pass_expired':
      // With a credential the password was right. Without one no hash was there to compare: told as a mismatch.
      return credential === undefined ? 'account' : undefined
    case 'temp_fail':
      return TRIED.has(why) ? 'account' : undefined
    case 'ok':
    case 'throttled':
      return undefined
  }
}
