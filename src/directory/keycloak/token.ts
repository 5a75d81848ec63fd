/**
 * The access token of our service account: one for all look-ups, one request for all who need a new one.
 *
 *   none --get--> fetching --ok--> good --renewal time--> good, a new one is fetched beside it
 *     ^              | fails                                   | end of its life, or drop()
 *     +--------------+ (all who wait)                          v
 *     +------------------------------------------------------ none
 */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Clock } from '../../clock.ts'
import { MailpassdError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { singleFlight } from '../single-flight.ts'
import { readAccessToken } from './access-token.ts'
import type { Http, HttpAnswer, HttpRequest } from './http.ts'

export interface Tokens {
  /** A token that Keycloak takes at least a moment longer. Throws what fetching one threw. */
  get(): Promise<string>
  /** Forgets this token, which Keycloak refused; another one that came meanwhile stays. */
  drop(token: string): void
  /**
   * The server's clock by the last token's `iat` (RFC 7519 §4.1.6: whole seconds): it shows this or a little more. Undefined
   * before the first token, and where tokens do not say.
   */
  serverNowMs(): number | undefined
}

interface Token {
  readonly text: string
  readonly renewAtMs: number
  readonly endsAtMs: number
}

/** Renewed this long before its end: longer than a slow token request. Short lives: a fifth of them. */
const RENEW_BEFORE_MS = 30_000
/** Not used so shortly before its end: it must still be good when it arrives. */
const END_BEFORE_MS = 2000
/** After a renewal beside a good token failed. */
const RENEWAL_PAUSE_MS = 1000

/** What a token request answers with. */
export const TokenAnswer = Compile(
  Type.Object({
    // RFC 6750 §2.1 b64token: nothing that could end a header line.
    access_token: Type.String({ minLength: 1, maxLength: 65536, pattern: '^[A-Za-z0-9._~+/=-]+$' }),
    expires_in: Type.Number({ minimum: 0, maximum: 31_536_000 }),
  }),
)

export interface TokensOptions {
  readonly http: Http
  readonly clock: Clock
  readonly logger: Logger
  readonly path: string
  readonly clientId: string
  readonly clientSecret: string
  /** Gives a signal that aborts when the time for one token request is over. */
  readonly deadline: (what: string) => { readonly signal: AbortSignal; readonly done: () => void }
}

/** The request for a token of our service account (RFC 6749 §4.4). */
export function tokenRequest(
  { path, clientId, clientSecret }: Pick<TokensOptions, 'path' | 'clientId' | 'clientSecret'>,
  signal: AbortSignal,
): HttpRequest {
  return {
    what: 'token request',
    method: 'POST',
    path,
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    // client_secret_post: in the Basic header, RFC 6749 §2.3.1 would have both parts form-encoded first, on
    // which servers differ.
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
    }).toString(),
    signal,
  }
}

export function createTokens(options: TokensOptions): Tokens {
  const { http, clock, logger } = options
  let current: Token | undefined
  let noRenewalBeforeMs = 0
  let issued: { readonly serverMs: number; readonly answeredAtMs: number } | undefined

  const fetchToken = singleFlight(async () => {
    const { signal, done } = options.deadline('token request')
    try {
      const askedAtMs = clock.monotonicMs()
      const answer = await http.request(tokenRequest(options, signal))
      current = parseToken(http.origin, answer, askedAtMs)
      const { issuedAtSeconds } = readAccessToken(current.text)
      if (issuedAtSeconds !== undefined)
        issued = { serverMs: issuedAtSeconds * 1000, answeredAtMs: clock.monotonicMs() }
      return current.text
    } finally {
      done()
    }
  })

  return {
    async get() {
      const nowMs = clock.monotonicMs()
      if (current === undefined || nowMs >= current.endsAtMs) return fetchToken()
      if (nowMs >= current.renewAtMs && nowMs >= noRenewalBeforeMs) {
        noRenewalBeforeMs = nowMs + RENEWAL_PAUSE_MS
        fetchToken().catch((error: unknown) => {
          const why = error instanceof Error ? error.message : ''
          logger.warn({ why }, 'the directory token was not renewed; the old one serves to its end')
        })
      }
      return current.text
    },
    drop(token) {
      if (current?.text === token) current = undefined
    },
    serverNowMs() {
      return issued === undefined ? undefined : issued.serverMs + clock.monotonicMs() - issued.answeredAtMs
    },
  }
}

/** Times are counted from when it was asked for, which is before Keycloak made it. */
function parseToken(origin: string, answer: HttpAnswer, askedAtMs: number): Token {
  if (answer.status !== 200) {
    // 400 and 401: client unknown, wrong secret, no service account; 404: no such realm.
    throw new MailpassdError('directory_refused', `token request at ${origin}: answer ${answer.status}`)
  }
  if (!TokenAnswer.Check(answer.json)) {
    throw new MailpassdError(
      'directory_invalid',
      `token request at ${origin}: the answer holds no usable token`,
    )
  }
  const lifeMs = answer.json.expires_in * 1000
  return {
    text: answer.json.access_token,
    renewAtMs: askedAtMs + lifeMs - Math.min(RENEW_BEFORE_MS, lifeMs / 5),
    endsAtMs: askedAtMs + lifeMs - Math.min(END_BEFORE_MS, lifeMs / 10),
  }
}
