/** The outcome of a login that threw: login promises not to, so this is a fault of ours. */
import type { Outcome } from '../../login/outcome.ts'

export const INTERNAL: Outcome = {
  verdict: 'temp_fail',
  why: 'internal',
  mailbox: undefined,
  credential: undefined,
  provisioned: false,
  recordAgeMs: undefined,
  retryAfterSeconds: undefined,
}
