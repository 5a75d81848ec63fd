/** What others may know of each outcome: alarms, counters of their own. Called once, after the penalty has counted. */
import type { Outcome } from '../login/outcome.ts'
import type { LoginRequest } from '../login/request.ts'
import type { GuessKind } from './guess.ts'

export interface Observed {
  readonly request: LoginRequest
  readonly outcome: Outcome
  /** Canonical; absent where the name is no address. */
  readonly mailbox: string | undefined
  /** As `networkOf` writes it. */
  readonly network: string
  /** The client is not known, or others stand behind its address (`policy.shared_sources`). */
  readonly isShared: boolean
  readonly guess: GuessKind | undefined
  /** The guess had not counted before. */
  readonly isNewGuess: boolean
  /** The pair had a right password in the last 30 days, before this outcome. */
  readonly wasKnown: boolean
  /** Different wrong passwords at the mailbox by strangers, and from this pair, within the hour; this one among them. */
  guessesAtAddress(): number
  guessesFromPair(): number
}

/** Must not wait and must not keep the request, whose secret is wiped afterwards. */
export interface LoginObserver {
  observed(facts: Observed): void
}
