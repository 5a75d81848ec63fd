/**
 * `POST /`: what mailcow's own Lua asks its PHP, so that a mailcow needs no other Lua. That Lua takes
 * everything but 200 for a mismatch; the 503 is for callers that can tell "don't know" (conf/mailcow has such a Lua).
 */
import { Type } from 'typebox'
import type { Login } from '../../login/login.ts'
import type { Verdict } from '../../login/why.ts'
import { ErrorBody } from './api-error.ts'
import type { HttpApp } from './base-app.ts'
import { retryAfter } from './login-answer.ts'
import { MailcowBody, mailcowRequest } from './login-body.ts'

const MailcowAnswer = Type.Object({ success: Type.Boolean() }, { description: 'Whether the login is good.' })

/** Design contract §1. */
const MAILCOW_STATUS = {
  ok: 200,
  password_mismatch: 401,
  user_unknown: 401,
  user_disabled: 401,
  service_denied: 401,
  pass_expired: 401,
  throttled: 503,
  temp_fail: 503,
} as const satisfies Record<Verdict, number>

/**
 * `isSogo`: whether a client's address is SOGo's. It is the caller's word, as all of a body is: who may ask is
 * trusted with it (compat.networks, a token).
 */
export function addMailcowRoute(app: HttpApp, login: Login, isSogo: (clientIp: string) => boolean): void {
  app.post(
    '/',
    {
      config: { access: 'compat' },
      schema: {
        operationId: 'mailcowLogin',
        summary: "Try a login as mailcow's own Lua does.",
        description: 'Needs no token from the networks in compat.networks.',
        tags: ['auth'],
        security: [{ token: [] }, {}],
        body: MailcowBody,
        response: {
          200: { ...MailcowAnswer, description: 'ok' },
          400: ErrorBody,
          401: { ...MailcowAnswer, description: 'any refusal' },
          403: { ...ErrorBody, description: 'the caller is not in compat.networks and sent no token' },
          503: { ...MailcowAnswer, description: 'throttled, temp_fail' },
        },
      },
    },
    async (request, reply) => {
      const { receivedAtMs, isBodyEscaped: isEscaped } = request
      const attempt = mailcowRequest(request.body, { door: 'mailcow', receivedAtMs, isEscaped }, isSogo)
      Reflect.set(request, 'body', undefined)
      const outcome = await login(attempt)
      const seconds = retryAfter(outcome)
      if (seconds !== undefined) reply.header('retry-after', seconds)
      return reply.code(MAILCOW_STATUS[outcome.verdict]).send({ success: outcome.verdict === 'ok' })
    },
  )
}
