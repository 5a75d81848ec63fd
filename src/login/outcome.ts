/**
 * What a login came to. One vocabulary for code, log, database, metric label and HTTP body (design contract).
 * `why` is for the operator and is never shown to whoever tried to log in.
 */
import type { Verdict, Why } from './why.ts'

export type { Verdict, Why } from './why.ts'

export interface Outcome {
  readonly verdict: Verdict
  readonly why: Why
  /** The canonical mailbox address; present with `ok`, and where the name was at least well formed. */
  readonly mailbox: string | undefined
  /** `main`, `app:<row id>` or `sogo`; present where the password was right. */
  readonly credential: string | undefined
  /** True when this login made the mailbox. */
  readonly provisioned: boolean
  /** Age of the directory record that was used, milliseconds; absent when none was needed. */
  readonly recordAgeMs: number | undefined
  readonly retryAfterSeconds: number | undefined
  /** How long after it came a refusal leaves a door that delays (SASL); absent: as long as that door does by itself. */
  readonly delayMs?: number
}
