/** `POST /v1/connection-test` on the admin door: the connection test, with the daemon's own configuration. */
import { Type } from 'typebox'
import type { ConnectionTest } from '../../check/connection-test.ts'
import { parseAddress } from '../../login/address.ts'
import { ApiError, ErrorBody } from './api-error.ts'
import type { HttpApp } from './base-app.ts'

const TestBody = Type.Object(
  {
    address: Type.Optional(
      Type.String({ maxLength: 254, description: 'A user to look for in the directory. Never the hash.' }),
    ),
  },
  { additionalProperties: false, description: 'What to look at beside the rest.' },
)

const Result = ['ok', 'warning', 'failed']

const TestAnswer = Type.Object(
  {
    ok: Type.Boolean({ description: 'Nothing failed; warnings may stand.' }),
    result: Type.Enum(Result, { description: 'The worst of all steps; skipped ones do not count.' }),
    exit_code: Type.Integer({
      description: 'As of `mailpassd check`: 0, 69 something is not reachable, 78 something must be changed.',
    }),
    ms: Type.Integer({ description: 'How long the whole test took.' }),
    steps: Type.Array(
      Type.Object({
        name: Type.String({ description: 'docs/connection-test.md lists them.' }),
        result: Type.Enum([...Result, 'skipped'], {
          description: 'skipped: an earlier step makes it moot.',
        }),
        detail: Type.String({ description: 'What was seen.' }),
        hint: Type.Optional(Type.String({ description: 'The way out.' })),
        ms: Type.Optional(Type.Integer()),
      }),
    ),
  },
  { description: 'The test ran; its result is in the body.' },
)

export function addConnectionTestRoute(app: HttpApp, connectionTest: ConnectionTest): void {
  // One at a time: a test is some 30 requests to Keycloak, and two of them tell no more than one.
  let isRunning = false

  app.post(
    '/v1/connection-test',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'connectionTest',
        summary: 'Try everything that mailpassd asks, step by step.',
        description: 'Takes at most a minute and changes nothing. One test runs at a time.',
        tags: ['admin'],
        security: [{ token: [] }],
        body: TestBody,
        response: { 200: TestAnswer, 400: ErrorBody, 401: ErrorBody, 403: ErrorBody, 409: ErrorBody },
      },
      // A POST without a body is a test without an address.
      preValidation: async (request) => {
        if (request.body === undefined || request.body === null) Reflect.set(request, 'body', {})
      },
    },
    async (request, reply) => {
      const { address } = request.body
      const parsed = address === undefined ? undefined : parseAddress(address)
      if (address !== undefined && parsed === undefined)
        throw new ApiError('field_invalid', 'address: is no mailbox address')
      if (isRunning) throw new ApiError('busy', 'a connection test runs already; ask again when it has ended')
      isRunning = true
      try {
        const { result, exitCode, steps, ms } = await connectionTest({ address: parsed?.full })
        return await reply.send({
          ok: exitCode === 0,
          result,
          exit_code: exitCode,
          ms,
          steps: steps.map(({ name, result, detail, hint, ms }) => ({
            name,
            result,
            detail,
            ...(hint === undefined ? {} : { hint }),
            ...(ms === undefined ? {} : { ms }),
          })),
        })
      } finally {
        isRunning = false
      }
    },
  )
}
