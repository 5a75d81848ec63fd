/** Why a mailbox is locked, as one operator writes it for others: checked once for command line and HTTP interface. */
import { MailpassdError } from '../errors.ts'

/** mailpassd_lock.reason is VARCHAR(255): characters, not UTF-16 units. */
export const MAX_REASON_CHARACTERS = 255

/** `what` names the value in the error. Throws MailpassdError input_invalid; its message does not hold the text. */
export function checkReason(reason: string | undefined, what: string): void {
  if (reason === undefined) return
  // Not counted where it is too long anyway: a character is two units at most.
  const isLong =
    reason.length > 2 * MAX_REASON_CHARACTERS || Array.from(reason).length > MAX_REASON_CHARACTERS
  if (isLong || /\p{Cc}/u.test(reason) || !reason.isWellFormed())
    throw new MailpassdError(
      'input_invalid',
      `${what}: expected one line of at most ${MAX_REASON_CHARACTERS} characters`,
    )
}
