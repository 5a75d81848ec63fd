/** `POST /v1/login-attempts` on the admin door: a login that also says why. It is a real one and may make the mailbox. */
import { Type } from 'typebox'
import type { Login } from '../../login/login.ts'
import { REASONS } from '../../login/why.ts'
import { ErrorBody } from './api-error.ts'
import type { HttpApp } from './base-app.ts'
import { LoginAnswer, loginAnswer } from './login-answer.ts'
import { LoginBody, loginRequest } from './login-body.ts'

const AttemptAnswer = Type.Object(
  {
    ...LoginAnswer.properties,
    why: Type.Enum(Object.keys(REASONS), { description: 'The reason; docs/errors.md lists them.' }),
    meaning: Type.String({ description: 'The reason in words, and what to do about it.' }),
    record_age_ms: Type.Optional(Type.Number({ description: 'Age of the directory record that was used.' })),
  },
  { description: 'The outcome of a login with its reason.' },
)

export function addLoginAttemptsRoute(app: HttpApp, login: Login): void {
  app.post(
    '/v1/login-attempts',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'attemptLogin',
        summary: 'Try a login and be told why it came out so.',
        description: 'A real login: it is recorded, and may make the mailbox. 200 whatever the verdict.',
        tags: ['admin'],
        security: [{ token: [] }],
        body: LoginBody,
        response: { 200: AttemptAnswer, 400: ErrorBody, 401: ErrorBody, 403: ErrorBody },
      },
    },
    async (request, reply) => {
      const { receivedAtMs, isBodyEscaped: isEscaped } = request
      const attempt = loginRequest(request.body, { door: 'cli', receivedAtMs, isEscaped })
      Reflect.set(request, 'body', undefined)
      const outcome = await login(attempt)
      const { why, recordAgeMs } = outcome
      return reply.send({
        ...loginAnswer(outcome),
        why,
        meaning: REASONS[why].meaning,
        ...(recordAgeMs === undefined ? {} : { record_age_ms: recordAgeMs }),
      })
    },
  )
}
