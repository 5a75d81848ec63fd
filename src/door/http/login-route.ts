/** `POST /v1/login`: a login for Dovecot's Lua and whoever speaks HTTP. */
import { Type } from 'typebox'
import type { Login } from '../../login/login.ts'
import { ErrorBody } from './api-error.ts'
import type { HttpApp } from './base-app.ts'
import { LOGIN_STATUS, LoginAnswer, loginAnswer, retryAfter } from './login-answer.ts'
import { LoginBody, loginRequest } from './login-body.ts'

const LoginOrError = Type.Union([LoginAnswer, ErrorBody])

export function addLoginRoute(app: HttpApp, login: Login): void {
  app.post(
    '/v1/login',
    {
      config: { access: 'login' },
      schema: {
        operationId: 'login',
        summary: 'Try a login.',
        description:
          'A 401 or 403 is an answer about the login only where the body has a verdict; without one, it is about the token.',
        tags: ['auth'],
        security: [{ token: [] }],
        body: LoginBody,
        response: {
          200: { ...LoginAnswer, description: 'ok' },
          400: ErrorBody,
          401: {
            ...LoginOrError,
            description: 'password_mismatch, user_unknown; or an error about the token',
          },
          403: { ...LoginOrError, description: 'user_disabled, service_denied, pass_expired; or an error' },
          429: { ...LoginAnswer, description: 'throttled; Retry-After says when to come again' },
          503: { ...LoginAnswer, description: 'temp_fail; Retry-After says when to come again' },
        },
      },
    },
    async (request, reply) => {
      const { receivedAtMs, isBodyEscaped: isEscaped } = request
      const attempt = loginRequest(request.body, { door: 'http', receivedAtMs, isEscaped })
      // The body's strings are let go now: a login may wait seconds for its turn.
      Reflect.set(request, 'body', undefined)
      const outcome = await login(attempt)
      const seconds = retryAfter(outcome)
      if (seconds !== undefined) reply.header('retry-after', seconds)
      return reply.code(LOGIN_STATUS[outcome.verdict]).send(loginAnswer(outcome))
    },
  )
}
