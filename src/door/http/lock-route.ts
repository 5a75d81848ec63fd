/** `/v1/mailboxes/{address}/lock` on the admin door: locks an account that may be stolen, and says who used it. */
import { Type } from 'typebox'
import { lockAnswer } from '../../incident/answer.ts'
import type { LockTerms } from '../../incident/incident.ts'
import type { Incidents } from '../../incident/lock-account.ts'
import { checkReason, MAX_REASON_CHARACTERS } from '../../incident/reason.ts'
import { parseFuture } from '../../incident/when.ts'
import { MailpassdError, toMailpassdError } from '../../errors.ts'
import { parseAddress, type Address } from '../../login/address.ts'
import { ApiError, ErrorBody } from './api-error.ts'
import type { BaseOptions, HttpApp } from './base-app.ts'

const Time = (description: string) =>
  Type.Union([Type.String(), Type.Null()], { description: `${description} ISO 8601, UTC.` })
const Text = Type.Union([Type.String(), Type.Null()])

const LockBody = Type.Object(
  {
    until: Type.Optional(
      Type.String({
        maxLength: 40,
        description:
          'End of the lock: ISO 8601 with a zone, a date, or 30m, 8h, 7d. Absent: until it is unlocked.',
      }),
    ),
    reason: Type.Optional(
      Type.String({
        maxLength: MAX_REASON_CHARACTERS,
        description: 'For the operators, one line. Absent: that of the lock before.',
      }),
    ),
  },
  { additionalProperties: false },
)

const Use = Type.Object({
  credentials: Type.Array(
    Type.Object({
      credential: Type.String({ description: 'main, or app: and the id of the app password.' }),
      network: Type.String(),
      service: Type.String(),
      first: Text,
      last: Text,
      count: Type.Number(),
    }),
    { description: 'Good logins by credential, network and protocol, from the login log.' },
  ),
  addresses: Type.Array(
    Type.Object({ remote_ip: Type.String(), service: Type.String(), credential: Type.String(), last: Text }),
    { description: 'The last good login by address and protocol, from sasl_log.' },
  ),
  app_passwords: Type.Array(
    Type.Object({
      id: Type.Number(),
      name: Type.String(),
      active: Type.Boolean(),
      last: Text,
      last_service: Text,
      last_network: Text,
    }),
  ),
})

export const LockAnswer = Type.Object(
  {
    address: Type.String({ description: 'The canonical address.' }),
    mailbox: Type.Enum(['present', 'absent', 'alias', 'alias_domain'], {
      description: 'Whether there is such a mailbox. A lock may be there before it.',
    }),
    locked: Type.Boolean({ description: 'Whether the lock is in force.' }),
    lock: Type.Union([
      Type.Object({
        since: Time('Beginning.'),
        until: Time('End; null: until it is unlocked.'),
        reason: Type.String(),
      }),
      Type.Null(),
    ]),
    sessions: Type.Optional(
      Type.Array(
        Type.Object({
          dovecot: Type.String(),
          ended: Type.Boolean(),
          error: Text,
        }),
        { description: 'After a lock: whether live sessions were ended so far; it is tried for an hour.' },
      ),
    ),
    use: Type.Union([Use, Type.Null()], { description: 'Newest first; null: it could not be read.' }),
  },
  { description: 'The lock, and who used the mailbox lately.' },
)

const RESPONSES = {
  200: LockAnswer,
  400: ErrorBody,
  401: ErrorBody,
  403: ErrorBody,
  503: { ...ErrorBody, description: 'The database did not answer.' },
}
const PARAMS = Type.Object({ address: Type.String({ description: 'The mailbox address.' }) })
const URL_PATH = '/v1/mailboxes/:address/lock'

function addressOf(text: string): Address {
  const address = parseAddress(text)
  if (address !== undefined) return address
  throw new ApiError('field_invalid', 'address: expected a mailbox address such as jane@example.org')
}

/** What the store throws becomes 503; our own faults stay 500. */
async function orUnavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (thrown) {
    const error = toMailpassdError(thrown)
    if (error.code.startsWith('store_')) throw new ApiError('temp_fail', 'the database did not answer')
    throw error
  }
}

export function addLockRoute(app: HttpApp, incidents: Incidents, { clock, logger }: BaseOptions): void {
  function termsOf({ until, reason }: { until?: string; reason?: string }): LockTerms {
    try {
      checkReason(reason, 'reason')
    } catch (error) {
      throw error instanceof MailpassdError ? new ApiError('field_invalid', error.message) : error
    }
    if (until === undefined) return { untilMs: undefined, reason }
    try {
      return { untilMs: parseFuture(until, clock.nowMs(), 'until'), reason }
    } catch (error) {
      if (error instanceof MailpassdError)
        throw new ApiError(
          'field_invalid',
          'until: expected 30m, 8h, 7d, a date or a time with its zone, in the future',
        )
      throw error
    }
  }

  app.put(
    URL_PATH,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'lockMailbox',
        summary: 'Lock an account: nobody logs in, and live sessions end.',
        description:
          'Stronger than directory, templates and flags, on every node within 2 s. Locking again changes its end and reason.',
        tags: ['admin'],
        security: [{ token: [] }],
        params: PARAMS,
        body: LockBody,
        response: RESPONSES,
      },
    },
    async (request, reply) => {
      if (request.isBodyEscaped) throw new ApiError('bad_request', 'the body is not UTF-8')
      const address = addressOf(request.params.address)
      const { sessions, ...state } = await orUnavailable(incidents.lock(address, termsOf(request.body)))
      logger.warn({ address: address.full, until_ms: state.lock?.untilMs ?? null }, 'mailbox locked')
      return reply.send(lockAnswer(state, sessions))
    },
  )

  app.delete(
    URL_PATH,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'unlockMailbox',
        summary: 'Take a lock away.',
        description: 'Also where there is none.',
        tags: ['admin'],
        security: [{ token: [] }],
        params: PARAMS,
        response: RESPONSES,
      },
    },
    async (request, reply) => {
      const address = addressOf(request.params.address)
      const state = await orUnavailable(incidents.unlock(address))
      if (state.before !== undefined) logger.warn({ address: address.full }, 'mailbox unlocked')
      return reply.send(lockAnswer(state))
    },
  )

  app.get(
    URL_PATH,
    {
      config: { access: 'read' },
      schema: {
        operationId: 'showLock',
        summary: 'The lock of an account, and who used it lately.',
        tags: ['admin'],
        security: [{ token: [] }],
        params: PARAMS,
        response: RESPONSES,
      },
    },
    async (request, reply) => {
      const state = await orUnavailable(incidents.show(addressOf(request.params.address)))
      return reply.send(lockAnswer(state))
    },
  )
}
