/** `GET /v1/logins`: the login log, page by page. */
import { Type } from 'typebox'
import { toMailpassdError } from '../../errors.ts'
import type { LoginLogSource } from '../../login-log/event.ts'
import { DEFAULT_PAGE_LINES, loginPage, LoginPage, MAX_PAGE_LINES } from '../../login-log/page.ts'
import { PAST_EXPECTED } from '../../login-log/past.ts'
import { parseLoginQuery } from '../../login-log/query.ts'
import { ApiError, ErrorBody } from './api-error.ts'
import type { BaseOptions, HttpApp } from './base-app.ts'

const Text = (description: string, maxLength = 64) => Type.Optional(Type.String({ maxLength, description }))

const Query = Type.Object(
  {
    address: Text('Of this mailbox.', 1024),
    ip: Text('From the network of this address (/24, IPv6 /64), from this network, or unknown.'),
    credential: Text('main, sogo, or app: and the id of an app password.'),
    service: Text('As for a login.'),
    verdict: Text('With this verdict.'),
    since: Text(`Not before: ${PAST_EXPECTED}.`),
    until: Text(`Before: ${PAST_EXPECTED}.`),
    limit: Type.Optional(
      Type.String({
        pattern: '^[1-9][0-9]{0,3}$',
        description: `Lines of a page, at most ${MAX_PAGE_LINES}; default ${DEFAULT_PAGE_LINES}.`,
      }),
    ),
    cursor: Text('What an earlier page has as next.', 4096),
  },
  { additionalProperties: false },
)

const RETRY_AFTER_SECONDS = '5'

export function addLoginsRoute(app: HttpApp, log: LoginLogSource, { clock, logger }: BaseOptions): void {
  app.get(
    '/v1/logins',
    {
      config: { access: 'read' },
      schema: {
        operationId: 'logins',
        summary: 'The login log.',
        description:
          'Lines hold the logins of one hour that came out alike. Names without a mailbox are counted under their network alone. What came in the last second may be missing.',
        tags: ['admin'],
        security: [{ token: [] }],
        querystring: Query,
        response: {
          200: LoginPage,
          400: ErrorBody,
          401: ErrorBody,
          403: ErrorBody,
          503: { ...ErrorBody, description: 'temp_fail: the database did not answer' },
        },
      },
    },
    async (request, reply) => {
      const { limit = String(DEFAULT_PAGE_LINES), cursor, ...query } = request.query
      const lines = Math.min(MAX_PAGE_LINES, Number(limit))
      try {
        const filter = parseLoginQuery(query, clock.nowMs())
        return await reply.send(await loginPage(log, filter, { limit: lines, cursor }))
      } catch (thrown) {
        const error = toMailpassdError(thrown)
        if (error.code === 'input_invalid') throw new ApiError('field_invalid', error.message)
        if (error.code === 'internal') throw error
        logger.warn({ err: error }, 'the login log could not be read')
        throw new ApiError('temp_fail', 'the database did not answer', { 'retry-after': RETRY_AFTER_SECONDS })
      }
    },
  )
}
