/** `/v1/penalties` on the admin door: at what passwords are guessed, and letting somebody in again. */
import { Type } from 'typebox'
import { toMailpassdError } from '../../errors.ts'
import { parseAddress } from '../../login/address.ts'
import type { PenaltyDesk } from '../../policy/desk.ts'
import { networkTarget, type Target } from '../../policy/lifting.ts'
import { PenaltiesAnswer, penaltyAnswer } from '../../telemetry/penalty-answer.ts'
import { ApiError, ErrorBody } from './api-error.ts'
import type { BaseOptions, HttpApp } from './base-app.ts'

const DEFAULT_LIMIT = '100'

const ADDRESS = Type.String({ maxLength: 1024, description: 'A mailbox, with its pairs.' })
const NETWORK = Type.String({
  maxLength: 64,
  description: 'A network as CIDR with what lies in it, or an address with the networks around it.',
})

const Wish = Type.Object(
  { address: Type.Optional(ADDRESS), network: Type.Optional(NETWORK) },
  { additionalProperties: false },
)
const Query = Type.Object(
  {
    address: Type.Optional(ADDRESS),
    network: Type.Optional(NETWORK),
    limit: Type.Optional(
      Type.String({ pattern: '^[1-9][0-9]{0,3}$', description: 'Penalties at most; default 100.' }),
    ),
  },
  { additionalProperties: false },
)

/** Undefined where neither is named. */
function targetOf({ address, network }: { address?: string; network?: string }): Target | undefined {
  if (address !== undefined && network !== undefined)
    throw new ApiError('field_invalid', 'network: expected address or network, got both')
  if (address !== undefined) {
    const mailbox = parseAddress(address)?.full
    if (mailbox === undefined)
      throw new ApiError('field_invalid', 'address: expected a mailbox address such as jane@example.org')
    return { kind: 'mailbox', mailbox }
  }
  if (network === undefined) return undefined
  const target = networkTarget(network)
  if (target === undefined)
    throw new ApiError('field_invalid', 'network: expected 192.0.2.0/24, 2001:db8::/64 or an IP address')
  return target
}

export function addPenaltyRoutes(app: HttpApp, desk: PenaltyDesk, { logger }: BaseOptions): void {
  app.get(
    '/v1/penalties',
    {
      config: { access: 'read' },
      schema: {
        operationId: 'listPenalties',
        summary: 'At which mailboxes, from which networks passwords are guessed.',
        tags: ['admin'],
        security: [{ token: [] }],
        querystring: Query,
        response: { 200: PenaltiesAnswer, 400: ErrorBody, 401: ErrorBody, 403: ErrorBody },
      },
    },
    async (request, reply) => {
      const { limit = DEFAULT_LIMIT, ...wish } = request.query
      return reply.send({ penalties: desk.list(targetOf(wish), Number(limit)).map(penaltyAnswer) })
    },
  )

  app.post(
    '/v1/penalties/clear',
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'clearPenalties',
        summary: 'Let a mailbox or a network in again.',
        description:
          'What was guessed there counts no more; on other nodes within 3 s. Answers with what counted.',
        tags: ['admin'],
        security: [{ token: [] }],
        body: Wish,
        response: {
          200: PenaltiesAnswer,
          400: ErrorBody,
          401: ErrorBody,
          403: ErrorBody,
          503: { ...ErrorBody, description: 'Cleared here; other nodes cannot be told now.' },
        },
      },
    },
    async (request, reply) => {
      const target = targetOf(request.body)
      if (target === undefined)
        throw new ApiError('field_invalid', 'address: expected address or network, got neither')
      try {
        const cleared = await desk.clear(target)
        logger.warn({ target, penalties: cleared.length }, 'penalties were cleared over the admin door')
        return await reply.send({ penalties: cleared.map(penaltyAnswer) })
      } catch (thrown) {
        const error = toMailpassdError(thrown)
        if (error.code === 'internal') throw error
        throw new ApiError('temp_fail', 'cleared on this node; other nodes cannot be told now')
      }
    },
  )
}
