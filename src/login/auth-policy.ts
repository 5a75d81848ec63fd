/**
 * Guessing at a Dovecot whose passwords are not ours, by its auth policy protocol: what it asks before a login is what
 * admit would say, and what it reports counts as a login of our own would. A password is known by Dovecot's hash of it
 * alone (12 bits as shipped), which is enough to tell different wrong ones apart.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import type { Policy } from '../policy/policy.ts'
import { Secret } from '../secret.ts'
import { parseAddress } from './address.ts'
import { refusal } from './decide.ts'
import type { Outcome, Why } from './outcome.ts'
import { ANSWER_WITHIN_MS, type LoginRequest } from './request.ts'
import type { Service } from './service.ts'

export interface PolicyAttempt {
  /** As the client sent it, at most 1024 characters. */
  readonly login: string
  readonly service: Service
  /** A textual IP address; absent where the client is not known. */
  readonly remoteIp: string | undefined
  /** Dovecot's hash of the password (auth_policy_hash_*); '' for mechanisms without one. */
  readonly pwhash: string
  readonly sessionId: string | undefined
}

export interface PolicyReport {
  readonly isSuccess: boolean
  /** Refused because we, or another policy, said so. */
  readonly isRejected: boolean
  /** Dovecot 2.4 says why a login failed; 2.3 does not, not even that it was a fault of its own. */
  readonly failType: string | undefined
}

export interface AuthPolicy {
  /** Whether a login may be tried now. Takes nothing from any budget: Dovecot may ask twice. */
  allow(attempt: PolicyAttempt): boolean
  report(attempt: PolicyAttempt, report: PolicyReport): void
}

/** Names whose last right password is remembered, by its hash. */
const MAX_REMEMBERED = 50_000

export function createAuthPolicy(parts: { readonly policy: Policy; readonly clock: Clock }): AuthPolicy {
  const { policy, clock } = parts
  const rightHashes = new LRUCache<string, string>({ max: MAX_REMEMBERED })

  function requestOf({ login, service, remoteIp, pwhash, sessionId }: PolicyAttempt): LoginRequest {
    const receivedAtMs = clock.monotonicMs()
    return {
      door: 'http',
      mechanism: 'PLAIN',
      service,
      username: login,
      secret: Secret.fromText(pwhash),
      remoteIp,
      localIp: undefined,
      tls: undefined,
      sessionId,
      receivedAtMs,
      deadlineMs: receivedAtMs + ANSWER_WITHIN_MS,
    }
  }

  /** What no outcome tells is "don't know": it counts for nothing. */
  function whyOf({ login, pwhash }: PolicyAttempt, { isSuccess, isRejected, failType }: PolicyReport): Why {
    if (isSuccess) return 'verified'
    if (isRejected) return 'busy'
    switch (failType) {
      case 'credentials':
        return 'hash_differs'
      case 'account':
        return 'no_such_user'
      case 'disabled':
        return 'directory_disabled'
      case 'expired':
        return 'app_password_expired'
      case 'policy':
        return 'busy'
      case undefined:
      case '':
        // 2.3: a password that was right the last time fails because something else does.
        return pwhash !== '' && rightHashes.get(login) === pwhash ? 'internal' : 'hash_differs'
      default:
        return 'internal'
    }
  }

  return {
    allow({ login, service, remoteIp }) {
      const foreseen = policy.foresee({ username: login, service, door: 'http', remoteIp })
      return foreseen.retryAfterSeconds === undefined
    },
    report(attempt, report) {
      const why = whyOf(attempt, report)
      if (why === 'verified') rightHashes.set(attempt.login, attempt.pwhash)
      const request = requestOf(attempt)
      policy.observe(request, outcomeOf(why, attempt.login))
      request.secret.wipe()
    },
  }
}

function outcomeOf(why: Why, login: string): Outcome {
  const address = parseAddress(login)
  const outcome = refusal(address === undefined && why === 'hash_differs' ? 'address_invalid' : why, address)
  switch (outcome.verdict) {
    // A password was right: these are no guesses.
    case 'ok':
    case 'user_disabled':
    case 'pass_expired':
      return { ...outcome, credential: 'main' }
    default:
      return outcome
  }
}
