/**
 * What a door needs of the login path: one call, one outcome, never a throw. Whatever decide does, the outcome comes
 * by the request's deadline, is recorded once, and the password's bytes are wiped when nobody needs them any more. One
 * sweep looks after deadlines: a timer per request would cost 1.2-1.8 us each.
 */
import type { Clock } from '../clock.ts'
import { toMailpassdError } from '../errors.ts'
import type { LoginLog } from '../login-log/event.ts'
import type { Policy } from '../policy/policy.ts'
import type { Soon } from '../soon.ts'
import { Sweep } from '../sweep.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Due } from '../timetable.ts'
import { refusal } from './decide.ts'
import type { Outcome, Why } from './outcome.ts'
import type { LoginRequest } from './request.ts'

/** Answers at once where nothing has to be waited for. The caller leaves the secret alone: it is wiped here. */
export type Login = (request: LoginRequest) => Soon<Outcome>

export interface LoginParts {
  readonly decide: (request: LoginRequest) => Soon<Outcome>
  readonly policy: Policy
  readonly log: LoginLog
  readonly clock: Clock
  readonly logger: Logger
}

export function createLogin(parts: LoginParts): Login {
  const sweep = new Sweep(parts.clock)

  function attempt(request: LoginRequest): Soon<Outcome> {
    try {
      const deciding = parts.decide(request)
      return deciding instanceof Promise ? deciding.catch(failed) : deciding
    } catch (thrown) {
      return failed(thrown)
    }
  }

  const failed = (thrown: unknown): Outcome => refusal(whyOf(thrown, parts.logger), undefined)

  /** Before the password is wiped. A policy or log that throws must cost neither the client its answer nor us the process. */
  function record(request: LoginRequest, outcome: Outcome): void {
    try {
      parts.policy.observe(request, outcome)
      parts.log.record(request, outcome)
    } catch (thrown) {
      parts.logger.error({ err: toMailpassdError(thrown) }, 'a login was answered but not recorded')
    }
  }

  return (request) => {
    const deciding = attempt(request)
    if (!(deciding instanceof Promise)) {
      record(request, deciding)
      request.secret.wipe()
      return deciding
    }
    const waiting = new Waiting((outcome) => record(request, outcome))
    sweep.timetable.addBy(waiting, request.deadlineMs)
    sweep.arm()
    void deciding.then((outcome) => {
      sweep.timetable.remove(waiting)
      waiting.answer(outcome)
      // Only now: an answer by deadline leaves a comparison running that still reads these bytes.
      request.secret.wipe()
    })
    return waiting.answered
  }
}

/** A login that is being decided. Its outcome or its deadline, whichever comes first, is the answer. */
class Waiting implements Due {
  readonly answered: Promise<Outcome>
  readonly #resolve: (outcome: Outcome) => void
  readonly #record: (outcome: Outcome) => void
  #isAnswered = false
  bucket: number | undefined = undefined

  constructor(record: (outcome: Outcome) => void) {
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    this.answered = promise
    this.#resolve = resolve
    this.#record = record
  }

  answer(outcome: Outcome): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    this.#resolve(outcome)
    this.#record(outcome)
  }

  due(): void {
    this.answer(refusal('deadline', undefined))
  }
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
