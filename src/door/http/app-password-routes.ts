/**
 * App passwords on the admin door: `POST` and `GET /v1/mailboxes/{address}/app-passwords`, and `DELETE` of one. The
 * password is in the answer to POST and nowhere else.
 */
import { Type } from 'typebox'
import { appPasswordJson, type AppPasswords } from '../../credential/app-passwords.ts'
import { MAX_NETWORKS, MAX_UNUSED_DAYS } from '../../credential/app-password-wish.ts'
import { MailpassdError } from '../../errors.ts'
import { parseAddress, type Address } from '../../login/address.ts'
import { FLAGGED_SERVICES } from '../../login/service.ts'
import { parseIsoTime } from '../../time-text.ts'
import { ApiError, ErrorBody } from './api-error.ts'
import type { HttpApp } from './base-app.ts'

const Protocols = Type.Array(Type.Enum([...FLAGGED_SERVICES]), {
  description: 'Protocols it may be used with.',
})
const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()])

const Wish = Type.Object(
  {
    name: Type.String({ maxLength: 255, description: 'What uses it, such as a device; at most 255 bytes.' }),
    protocols: Type.Optional({ ...Protocols, description: 'Protocols it may be used with; default all.' }),
    expires_at: Type.Optional(
      Nullable(Type.String({ maxLength: 64, description: 'ISO 8601, with Z or an offset, in the future.' })),
    ),
    unused_days: Type.Optional(
      Nullable(
        Type.Integer({
          minimum: 1,
          maximum: MAX_UNUSED_DAYS,
          description: 'It ends when it was not used for so many days.',
        }),
      ),
    ),
    allowed_networks: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        maxItems: MAX_NETWORKS,
        description: 'CIDR or single addresses the client may come from; none is everywhere.',
      }),
    ),
  },
  { additionalProperties: false, description: 'An app password to be made.' },
)

const shown = {
  id: Type.Integer({ description: 'app_passwd.id; `app:ID` in logs.' }),
  name: Type.String(),
  made_by: Type.Enum(['mailpassd', 'mailcow'], { description: 'mailcow: not by mailpassd.' }),
  state: Type.Enum(['active', 'expired', 'unused', 'revoked', 'off'], {
    description: 'Only an active one opens the mailbox. off: switched off by somebody else (active = 0).',
  }),
  protocols: Protocols,
  allowed_networks: Type.Array(Type.String(), { description: 'Empty: everywhere.' }),
  created_at: Nullable(Type.String({ description: 'null where mailpassd did not make it.' })),
  expires_at: Nullable(Type.String()),
  unused_days: Nullable(Type.Integer()),
  last_used: Nullable(
    Type.Object({
      at: Nullable(Type.String()),
      service: Type.String(),
      network: Type.String({ description: 'IPv4 /24, IPv6 /64.' }),
    }),
  ),
}

export const AppPasswordBody = Type.Object(shown, { description: 'An app password; never its secret.' })
const Made = Type.Object(
  { password: Type.String({ description: 'Told this once.' }), ...shown },
  { description: 'The new app password.' },
)
const List = Type.Object({ app_passwords: Type.Array(AppPasswordBody) }, { description: 'All of a mailbox.' })

const ERRORS = {
  400: ErrorBody,
  401: ErrorBody,
  403: ErrorBody,
  404: { ...ErrorBody, description: 'no_mailbox; or not_found: no such app password, or the URL is wrong' },
  503: { ...ErrorBody, description: 'temp_fail: the database did not answer' },
}
const RETRY_AFTER = { 'retry-after': '5' }

function addressOf(text: string): Address {
  const address = parseAddress(text)
  if (address === undefined) throw new ApiError('field_invalid', 'address: is not a mailbox address')
  return address
}

function timeOf(text: string): number {
  const atMs = parseIsoTime(text)
  if (atMs === undefined) throw new ApiError('field_invalid', 'expires_at: write it as 2030-01-31T12:00:00Z')
  return atMs
}

/** The answer that an error of the room amounts to; whatever else it is goes on up. */
function answerTo(thrown: unknown, absent: ApiError): unknown {
  if (!(thrown instanceof MailpassdError)) return thrown
  switch (thrown.code) {
    case 'input_invalid':
      return new ApiError('field_invalid', thrown.message)
    case 'not_found':
      return absent
    case 'limit_reached':
      return new ApiError('limit_reached', 'the mailbox has as many app passwords as it may; revoke some')
    case 'store_unavailable':
    case 'store_conflict':
      return new ApiError('temp_fail', 'the database did not answer; try again', RETRY_AFTER)
    default:
      return thrown
  }
}

const noMailbox = () => new ApiError('no_mailbox', 'there is no such mailbox')

export function addAppPasswordRoutes(app: HttpApp, appPasswords: AppPasswords): void {
  const path = '/v1/mailboxes/:address/app-passwords'
  const Mailbox = Type.Object({ address: Type.String({ description: 'The mailbox address.' }) })

  app.post(
    path,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'makeAppPassword',
        summary: 'Make an app password and be told it, once.',
        tags: ['admin'],
        security: [{ token: [] }],
        params: Mailbox,
        body: Wish,
        response: {
          201: Made,
          ...ERRORS,
          409: { ...ErrorBody, description: 'limit_reached: the mailbox has as many as it may' },
        },
      },
    },
    async (request, reply) => {
      if (request.isBodyEscaped) throw new ApiError('bad_request', 'the body is not UTF-8')
      const { body } = request
      const wish = {
        name: body.name,
        protocols: body.protocols,
        expiresMs: typeof body.expires_at === 'string' ? timeOf(body.expires_at) : undefined,
        unusedDays: body.unused_days ?? undefined,
        networks: body.allowed_networks,
      }
      const address = addressOf(request.params.address)
      const { made, secret } = await appPasswords.create(address, wish).catch((thrown: unknown) => {
        throw answerTo(thrown, noMailbox())
      })
      const password = secret.reveal().toString('latin1')
      secret.wipe()
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ password, ...appPasswordJson(made) })
    },
  )

  app.get(
    path,
    {
      config: { access: 'read' },
      schema: {
        operationId: 'listAppPasswords',
        summary: 'The app passwords of a mailbox, whoever made them; no secrets and no hashes.',
        tags: ['admin'],
        security: [{ token: [] }],
        params: Mailbox,
        response: { 200: List, ...ERRORS },
      },
    },
    async (request, reply) => {
      const found = await appPasswords.list(addressOf(request.params.address)).catch((thrown: unknown) => {
        throw answerTo(thrown, noMailbox())
      })
      return reply.header('cache-control', 'no-store').send({ app_passwords: found.map(appPasswordJson) })
    },
  )

  app.delete(
    `${path}/:id`,
    {
      config: { access: 'admin' },
      schema: {
        operationId: 'revokeAppPassword',
        summary: 'Revoke an app password, for good; counts on every node within 2 s. Again is no fault.',
        tags: ['admin'],
        security: [{ token: [] }],
        params: Type.Object({ ...Mailbox.properties, id: Type.String({ description: 'Its id.' }) }),
        response: { 200: AppPasswordBody, ...ERRORS },
      },
    },
    async (request, reply) => {
      const absent = new ApiError(
        'not_found',
        'there is no such mailbox, or it has no app password with this id',
      )
      const { address, id } = request.params
      if (!/^[1-9]\d{0,9}$/.test(id)) throw absent
      const revoked = await appPasswords.revoke(addressOf(address), Number(id)).catch((thrown: unknown) => {
        throw answerTo(thrown, absent)
      })
      return reply.send(appPasswordJson(revoked))
    },
  )
}
