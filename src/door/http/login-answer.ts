/** What a login's outcome is over HTTP: status and body. */
import { Type, type Static } from 'typebox'
import type { Outcome } from '../../login/outcome.ts'
import { VERDICTS, type Verdict } from '../../login/why.ts'

export const LoginAnswer = Type.Object(
  {
    verdict: Type.Enum([...VERDICTS], {
      description: 'What the login came to; decides, together with nothing else.',
    }),
    mailbox: Type.Optional(Type.String({ description: 'The canonical mailbox address.' })),
    credential: Type.Optional(
      Type.String({ description: '`main`, or `app:` and the id of the app password.' }),
    ),
    provisioned: Type.Optional(Type.Boolean({ description: 'True when this login made the mailbox.' })),
    retry_after_seconds: Type.Optional(Type.Number({ description: 'When to try again.' })),
  },
  {
    description:
      'The outcome of a login. Why it came so is for the operator: log and `mailpassd login` say it.',
  },
)

/** Design contract §1. */
export const LOGIN_STATUS = {
  ok: 200,
  password_mismatch: 401,
  user_unknown: 401,
  user_disabled: 403,
  service_denied: 403,
  pass_expired: 403,
  throttled: 429,
  temp_fail: 503,
} as const satisfies Record<Verdict, number>

/** For outcomes that do not say when: a mail server may ask again after this. */
const RETRY_AFTER_SECONDS = 2

/** The body. Built field by field: what is added to Outcome later stays inside. */
export function loginAnswer(outcome: Outcome): Static<typeof LoginAnswer> {
  return {
    verdict: outcome.verdict,
    ...(outcome.mailbox === undefined ? {} : { mailbox: outcome.mailbox }),
    ...(outcome.credential === undefined ? {} : { credential: outcome.credential }),
    ...(outcome.verdict === 'ok' ? { provisioned: outcome.provisioned } : {}),
    ...(outcome.retryAfterSeconds === undefined ? {} : { retry_after_seconds: outcome.retryAfterSeconds }),
  }
}

/** The value of Retry-After (RFC 9110 §10.2.3) for outcomes that may be another soon, else undefined. */
export function retryAfter({ verdict, retryAfterSeconds }: Outcome): number | undefined {
  if (verdict !== 'throttled' && verdict !== 'temp_fail') return undefined
  return Math.max(1, Math.ceil(retryAfterSeconds ?? RETRY_AFTER_SECONDS))
}
