/**
 * PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd` in one message, as Dovecot reads it: exactly two NULs, and an
 * authzid equal to the authcid counts as none (some clients always send one).
 */
import { Secret } from '../secret.ts'
import { MALFORMED, parseName, type Exchange, type Mechanism, type Step } from './mechanism.ts'

const ASK: Step = { kind: 'continue', challenge: '' }

function read(message: Buffer): Step {
  let first = -1
  let second = -1
  for (let at = 0; at < message.length; at += 1) {
    if (message[at] !== 0) continue
    // RFC 4616 §2: a password has no NUL, so a third one is not a longer password but another grammar.
    if (second !== -1) return MALFORMED
    if (first === -1) first = at
    else second = at
  }
  if (second === -1) return MALFORMED
  const authid = parseName(message, first + 1, second)
  if (authid === undefined) return MALFORMED
  // There are no master users: acting as somebody else is refused before any password work.
  if (first > 0 && message.compare(message, 0, first, first + 1, second) !== 0) {
    return { kind: 'refused', reason: 'authzid_differs', authid }
  }
  return {
    kind: 'credentials',
    authid,
    secret: Secret.copyOf(message, second + 1),
  }
}

/** Keeps nothing between its two calls, so one serves everybody. */
const exchange: Exchange = {
  start: (initial) => (initial === undefined ? ASK : read(initial)),
  next: read,
}

export const plain: Mechanism = { name: 'PLAIN', begin: () => exchange }
