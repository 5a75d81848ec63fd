/** `GET /v1/userdb/{address}`: where the mail of a mailbox is, for Dovecot's userdb (LMTP asks for each recipient). */
import { Type } from 'typebox'
import type { UserDb, UserDbAnswer } from '../../account/userdb.ts'
import { ANSWER_WITHIN_MS } from '../../login/request.ts'
import { ApiError, ErrorBody } from './api-error.ts'
import type { BaseOptions, HttpApp } from './base-app.ts'

const UserDbBody = Type.Object(
  {
    user: Type.String({ description: 'The canonical address.' }),
    uid: Type.String(),
    gid: Type.String(),
    home: Type.String(),
    mail: Type.String({ description: "Dovecot's mail_location, e.g. maildir:/var/vmail/example.org/jane/" }),
    quota_bytes: Type.Number({ description: '0 is unlimited.' }),
  },
  { description: 'The mailbox.' },
)

const RETRY_AFTER_SECONDS = '5'

export function addUserDbRoute(app: HttpApp, userdb: UserDb, { clock, logger }: BaseOptions): void {
  /** Never later than a login's answer would be, and never a throw. */
  async function lookup(address: string): Promise<UserDbAnswer> {
    const late = Promise.withResolvers<UserDbAnswer>()
    const cancel = clock.after(ANSWER_WITHIN_MS, () => late.resolve({ kind: 'temp_fail', why: 'deadline' }))
    try {
      return await Promise.race([userdb(address), late.promise])
    } catch (error) {
      logger.error({ err: error }, 'userdb lookup threw')
      return { kind: 'temp_fail', why: 'internal' }
    } finally {
      cancel()
    }
  }

  app.get(
    '/v1/userdb/:address',
    {
      config: { access: 'login' },
      schema: {
        operationId: 'userdb',
        summary: 'Where the mail of a mailbox is.',
        description:
          'Only a 404 with the error code no_mailbox says that there is no such mailbox; LMTP bounces mail for it.',
        tags: ['auth'],
        security: [{ token: [] }],
        params: Type.Object({ address: Type.String({ description: 'The mailbox address.' }) }),
        response: {
          200: UserDbBody,
          400: ErrorBody,
          401: ErrorBody,
          403: ErrorBody,
          404: { ...ErrorBody, description: 'no_mailbox; or not_found where the URL is wrong' },
          503: { ...ErrorBody, description: 'temp_fail: not found out; Retry-After says when to come again' },
        },
      },
    },
    async (request, reply) => {
      const answer = await lookup(request.params.address)
      switch (answer.kind) {
        case 'found': {
          const { user, uid, gid, home, mail, quotaBytes } = answer.entry
          return reply.send({ user, uid, gid, home, mail, quota_bytes: quotaBytes })
        }
        case 'absent':
          throw new ApiError('no_mailbox', 'there is no such mailbox')
        case 'temp_fail':
          throw new ApiError('temp_fail', 'it could not be found out now', {
            'retry-after': RETRY_AFTER_SECONDS,
          })
      }
    },
  )
}
