/**
 * What a door needs of the login path: one call, one outcome, never a throw. Whatever decide does, the outcome comes
 * by the request's deadline, is recorded once, and the password's bytes are wiped when nobody needs them any more.
 */
import type { Clock } from '../clock.ts'
import { toMailpassdError } from '../errors.ts'
import type { LoginLog } from '../login-log/event.ts'
import type { Policy } from '../policy/policy.ts'
import type { Logger } from '../telemetry/logger.ts'
import { refusal } from './decide.ts'
import type { Outcome, Why } from './outcome.ts'
import type { LoginRequest } from './request.ts'

/** May answer synchronously. The caller leaves the secret alone: it is wiped here. */
export type Login = (request: LoginRequest) => Outcome | Promise<Outcome>

export interface LoginParts {
  readonly decide: (request: LoginRequest) => Promise<Outcome>
  readonly policy: Policy
  readonly log: LoginLog
  readonly clock: Clock
  readonly logger: Logger
}

export function createLogin(parts: LoginParts): Login {
  return (request) =>
    new Promise((resolve) => {
      let isAnswered = false
      const answer = (outcome: Outcome) => {
        if (isAnswered) return
        isAnswered = true
        // First: a policy or log that throws must cost neither the client its answer nor us the process.
        resolve(outcome)
        try {
          parts.policy.observe(request, outcome)
          parts.log.record(request, outcome)
        } catch (thrown) {
          parts.logger.error({ err: toMailpassdError(thrown) }, 'a login was answered but not recorded')
        }
      }
      const leftMs = Math.max(0, request.deadlineMs - parts.clock.monotonicMs())
      const cancel = parts.clock.after(leftMs, () => answer(refusal('deadline', undefined)))
      void parts
        .decide(request)
        .catch((thrown: unknown) => refusal(whyOf(thrown, parts.logger), undefined))
        .then((outcome) => {
          answer(outcome)
          cancel()
          // Only now: an answer by deadline leaves a comparison running that still reads these bytes.
          request.secret.wipe()
        })
    })
}

/** The one place where a throw becomes a reason: "don't know" is temp_fail, whatever was thrown. */
export function whyOf(thrown: unknown, logger: Logger): Why {
  const error = toMailpassdError(thrown)
  switch (error.code) {
    case 'store_unavailable':
    case 'store_conflict':
    case 'store_failed':
    case 'store_schema':
      logger.warn({ err: error }, 'the database did not answer a login')
      return 'store_down'
    default:
      logger.error({ err: error }, 'a login failed by a fault of our own')
      return 'internal'
  }
}
