/** The bodies of login requests: their schemas, and from a checked body to a LoginRequest. */
import { isUtf8 } from 'node:buffer'
import { isIP } from 'node:net'
import { Type, type Static } from 'typebox'
import { ANSWER_WITHIN_MS, MAX_USERNAME_BYTES, type Door, type LoginRequest } from '../../login/request.ts'
import { parseService } from '../../login/service.ts'
import { Secret } from '../../secret.ts'
import { ApiError } from './api-error.ts'
import { textBytes } from './json-body.ts'

const Username = Type.String({ description: 'The login name as the client sent it, at most 1024 bytes.' })
const Password = Type.String({
  description:
    'The password. Bytes that are not UTF-8 may stand in the string as they are. One longer than 1024 bytes is never right.',
})
const Ip = (description: string) => Type.String({ maxLength: 64, description })

export const LoginBody = Type.Object(
  {
    username: Username,
    password: Password,
    service: Type.String({
      maxLength: 64,
      description: 'imap, pop3, smtp, sieve, eas, dav, or what the mail server calls them.',
    }),
    remote_ip: Type.Optional(Ip('Address of the mail client; empty or absent where it is not known.')),
    local_ip: Type.Optional(Ip('Address the client connected to.')),
    tls: Type.Optional(Type.Boolean({ description: 'Whether the client came over TLS.' })),
    session: Type.Optional(
      Type.String({ maxLength: 255, description: "The mail server's id of the connection, for the log." }),
    ),
    mechanism: Type.Optional(
      Type.String({ maxLength: 64, description: 'SASL mechanism; LOGIN, anything else counts as PLAIN.' }),
    ),
  },
  { additionalProperties: false, description: 'One login attempt.' },
)

/** What mailcow's own Lua sends; keys it may add later are ignored. */
export const MailcowBody = Type.Object(
  {
    username: Username,
    password: Password,
    real_rip: Ip(
      'Address of the mail client; empty where it is not known. In compat.sogo_networks: no protocol flag is asked.',
    ),
    service: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'imap, pop3, smtp, sieve, or what the mail server calls them.',
      }),
    ),
  },
  { description: "One login attempt as mailcow's Lua sends it." },
)

/** How a body came: by which door, when (monotonic), and how its strings are to be read. */
export interface Arrival {
  readonly door: Door
  readonly receivedAtMs: number
  readonly isEscaped: boolean
}

function invalid(field: string, text: string): ApiError {
  return new ApiError('field_invalid', `${field}: ${text}`)
}

function bytesOf(field: string, text: string, isEscaped: boolean): Buffer {
  const bytes = textBytes(text, isEscaped)
  if (bytes === undefined) throw invalid(field, 'holds half a character (a lone surrogate)')
  return bytes
}

/** UTF-8 as text; other bytes stay lone surrogates, which no address is made of and which print as nothing. */
function usernameOf(text: string, isEscaped: boolean): string {
  const bytes = bytesOf('username', text, isEscaped)
  // A client's nonsense is not the mail server's fault: what is cut is still no address, and told as unknown.
  if (bytes.length > MAX_USERNAME_BYTES) return bytes.toString('latin1', 0, MAX_USERNAME_BYTES)
  return isUtf8(bytes) ? bytes.toString('utf8') : text
}

function secretOf(text: string, isEscaped: boolean): Secret {
  const bytes = bytesOf('password', text, isEscaped)
  const secret = Secret.copyOf(bytes)
  // Small buffers are slices of a pool that lives on.
  bytes.fill(0)
  return secret
}

function ipOf(field: string, text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  if (isIP(text) === 0) throw invalid(field, 'must be an IP address or empty')
  return text
}

/** The request that a body of /v1/login stands for. Throws ApiError field_invalid. */
export function loginRequest(body: Static<typeof LoginBody>, arrival: Arrival): LoginRequest {
  const { door, receivedAtMs, isEscaped } = arrival
  const fields = {
    username: usernameOf(body.username, isEscaped),
    remoteIp: ipOf('remote_ip', body.remote_ip),
    localIp: ipOf('local_ip', body.local_ip),
  }
  return {
    ...fields,
    door,
    mechanism: body.mechanism?.toUpperCase() === 'LOGIN' ? 'LOGIN' : 'PLAIN',
    service: parseService(body.service),
    tls: body.tls,
    sessionId: body.session === '' ? undefined : body.session,
    // Last: nothing throws once the secret is made, so that it always reaches the login, which wipes it.
    secret: secretOf(body.password, isEscaped),
    receivedAtMs,
    deadlineMs: receivedAtMs + ANSWER_WITHIN_MS,
  }
}

/**
 * The request that a body of the mailcow-compatible route stands for; what comes from SOGo's address is of service
 * `sogo`, whatever it names. Throws ApiError field_invalid (surrogates).
 */
export function mailcowRequest(
  body: Static<typeof MailcowBody>,
  arrival: Arrival,
  isSogo: (clientIp: string) => boolean,
): LoginRequest {
  const { username, password, service = '' } = body
  // As with mailcow itself, an address that is none costs nobody the login; it counts as not known.
  const remoteIp = isIP(body.real_rip) === 0 ? '' : body.real_rip
  const request = loginRequest({ username, password, service, remote_ip: remoteIp }, arrival)
  return isSogo(remoteIp) ? { ...request, service: 'sogo' } : request
}
