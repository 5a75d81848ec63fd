/** `POST /policy?command=allow|report`: Dovecot's auth policy protocol (auth_policy_server_url). */
import { isIP } from 'node:net'
import { Type, type Static } from 'typebox'
import type { AuthPolicy, PolicyAttempt } from '../../login/auth-policy.ts'
import { MAX_USERNAME_BYTES } from '../../login/request.ts'
import { parseService } from '../../login/service.ts'
import { ErrorBody } from './api-error.ts'
import type { HttpApp } from './base-app.ts'

const PolicyBody = Type.Object(
  {
    login: Type.String({ description: 'The login name as the client sent it.' }),
    remote: Type.Optional(
      Type.String({ description: 'Address of the mail client; empty where it is not known.' }),
    ),
    pwhash: Type.Optional(
      Type.String({
        maxLength: 256,
        description: "Dovecot's hash of the password; tells different ones apart.",
      }),
    ),
    protocol: Type.Optional(Type.String({ maxLength: 64, description: 'imap, pop3, submission, sieve.' })),
    session_id: Type.Optional(
      Type.String({ maxLength: 255, description: "Dovecot's id of the connection." }),
    ),
    success: Type.Optional(Type.Boolean({ description: 'report: whether the login was good.' })),
    policy_reject: Type.Optional(Type.Boolean({ description: 'report: whether a policy refused it.' })),
    fail_type: Type.Optional(
      Type.String({
        maxLength: 64,
        description:
          'report, Dovecot 2.4: credentials and account count; internal, expired, disabled, policy and others do not.',
      }),
    ),
  },
  { description: 'What auth_policy_request_attributes gives by default; other keys are ignored.' },
)

const PolicyAnswer = Type.Object(
  {
    status: Type.Integer({ description: '0: go on. -1: refuse.' }),
    msg: Type.String({ description: 'Shown to the mail program with a refusal.' }),
  },
  { description: 'The answer, as Dovecot reads it. That to a report says nothing.' },
)

const GO_ON = { status: 0, msg: '' }
const REFUSED = { status: -1, msg: 'Too many wrong passwords. Try again later.' }

function attemptOf(body: Static<typeof PolicyBody>): PolicyAttempt {
  const { login, remote = '', pwhash = '', protocol = '', session_id: sessionId = '' } = body
  return {
    // What is cut is still no address.
    login: login.slice(0, MAX_USERNAME_BYTES),
    service: parseService(protocol),
    // An error would be a login that goes on unseen: what is no address counts as not known.
    remoteIp: isIP(remote) === 0 ? undefined : remote,
    pwhash,
    sessionId: sessionId === '' ? undefined : sessionId,
  }
}

export function addPolicyRoute(app: HttpApp, authPolicy: AuthPolicy): void {
  app.post(
    '/policy',
    {
      config: { access: 'login' },
      schema: {
        operationId: 'dovecotPolicy',
        summary: "Dovecot's auth policy protocol.",
        description:
          'For a Dovecot whose passwords are elsewhere: its attempts count as guesses as those at mailpassd do.',
        tags: ['auth'],
        security: [{ token: [] }],
        querystring: Type.Object({
          command: Type.Enum(['allow', 'report'], {
            description: 'allow: may this login be tried? report: how it came out.',
          }),
        }),
        body: PolicyBody,
        response: { 200: PolicyAnswer, 400: ErrorBody, 401: ErrorBody, 403: ErrorBody },
      },
    },
    async (request, reply) => {
      const { body } = request
      const attempt = attemptOf(body)
      if (request.query.command === 'allow') return reply.send(authPolicy.allow(attempt) ? GO_ON : REFUSED)
      authPolicy.report(attempt, {
        isSuccess: body.success ?? false,
        isRejected: body.policy_reject ?? false,
        failType: body.fail_type,
      })
      return reply.send(GO_ON)
    },
  )
}
