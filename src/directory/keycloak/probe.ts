/**
 * Keycloak as the connection test looks at it: the same requests that the adapter makes, one at a time, over a pool of
 * their own, each answer turned into facts. Bodies are compared with known words and never quoted.
 */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type {
  AttributeRule,
  RealmSettings,
  ServerProbe,
  TokenAnswer as TokenVerdict,
  TokenRefusal,
} from '../../check/server-probe.ts'
import type { Clock } from '../../clock.ts'
import { MailpassdError } from '../../errors.ts'
import { silentLogger } from '../../telemetry/logger.ts'
import type { ChangeSettings } from '../changes.ts'
import type { Directory } from '../directory.ts'
import { permissionsOf, userProfile } from '../user-profile.ts'
import { readAccessToken } from './access-token.ts'
import { within } from './deadline.ts'
import { createKeycloakDirectory, type KeycloakDirectoryConfig } from './directory.ts'
import { changeSettings, eventsConfig } from './events-config.ts'
import { endpointsOf } from './endpoints.ts'
import { openHttp, type Http, type HttpAnswer } from './http.ts'
import { reachAddress, resolveName, shakeHands } from './reach.ts'
import { descriptionOf, errorOf, isRealmMissing, refusal } from './refusal.ts'
import { TokenAnswer, tokenRequest } from './token.ts'

const REQUEST_MS = 8000
const CONNECT_MS = 5000

const Flag = Type.Optional(Type.Boolean())
const Realm = Compile(
  Type.Object({
    registrationAllowed: Flag,
    verifyEmail: Flag,
    duplicateEmailsAllowed: Flag,
    bruteForceProtected: Flag,
    permanentLockout: Flag,
  }),
)

/** Opens nothing yet. Throws config_invalid (server_url, realm). */
export function createKeycloakProbe(config: KeycloakDirectoryConfig, clock: Clock): ServerProbe {
  const endpoints = endpointsOf(config.server_url, config.realm)
  const { hostname, protocol, port } = new URL(endpoints.origin)
  const isEncrypted = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  const portNumber = port === '' ? (isEncrypted ? 443 : 80) : Number(port)

  // Opened when first needed: a file of authorities that cannot be read is a finding of the step that needs it.
  let http: Http | undefined
  let directory: Directory | undefined
  let token: string | undefined
  const pool = () =>
    (http ??= openHttp(endpoints.origin, { tls: config.tls, connections: 1, connectMs: CONNECT_MS }))
  const asLoginsDo = () =>
    (directory ??= createKeycloakDirectory(
      { ...config, connections: 1 },
      { clock, logger: silentLogger, limits: { lookupMs: REQUEST_MS, connectMs: CONNECT_MS } },
    ))

  async function askForToken(): Promise<TokenVerdict> {
    const what = `token request at ${endpoints.origin}`
    const askedAtMs = clock.nowMs()
    const answer = await within(clock, REQUEST_MS, what, (signal) =>
      pool().request(
        tokenRequest(
          { path: endpoints.token, clientId: config.client_id, clientSecret: config.client_secret },
          signal,
        ),
      ),
    )
    const dateMs = Date.parse(answer.date ?? '')
    const dateSeconds = Number.isNaN(dateMs) ? undefined : dateMs / 1000
    const times = { askedAtMs, answeredAtMs: clock.nowMs(), serverSeconds: dateSeconds }
    if (answer.status < 200 || answer.status > 299)
      return { kind: 'refused', times, why: refusalOf(answer), status: answer.status }
    if (!TokenAnswer.Check(answer.json))
      throw new MailpassdError('directory_invalid', `${what}: the answer holds no usable token`)
    token = answer.json.access_token
    const { issuedAtSeconds, roles } = readAccessToken(token)
    return {
      kind: 'given',
      times: { ...times, serverSeconds: issuedAtSeconds ?? dateSeconds },
      lifeSeconds: answer.json.expires_in,
      roles,
    }
  }

  /** GET with the token of `token()`. */
  async function read(what: string, path: string): Promise<HttpAnswer> {
    const asked = `${what} at ${endpoints.origin}`
    if (token === undefined) await askForToken()
    if (token === undefined) throw new MailpassdError('directory_refused', `${asked}: there is no token`)
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
    return within(clock, REQUEST_MS, asked, (signal) =>
      pool().request({ what, method: 'GET', path, headers, signal }),
    )
  }

  async function readBody(what: string, path: string): Promise<unknown> {
    const answer = await read(what, path)
    if (answer.status < 200 || answer.status > 299) throw refusal(`${what} at ${endpoints.origin}`, answer)
    return answer.json
  }

  const unpromised = (what: string) =>
    new MailpassdError(
      'directory_invalid',
      `${what} at ${endpoints.origin}: the answer is not what the API promises`,
    )

  return {
    url: config.server_url,
    host,
    port: portNumber,
    isEncrypted,
    resolve: () => resolveName(host),
    connect: (address) => reachAddress(address, portNumber, CONNECT_MS),
    handshake: () => shakeHands(host, portNumber, config.tls, CONNECT_MS),
    token: askForToken,
    directory: { findByEmail: async (email) => asLoginsDo().findByEmail(email) },
    async realm(): Promise<RealmSettings> {
      const answer = await readBody('realm', endpoints.realm)
      if (!Realm.Check(answer)) throw unpromised('realm')
      return {
        registrationAllowed: answer.registrationAllowed,
        verifyEmail: answer.verifyEmail,
        duplicateEmailsAllowed: answer.duplicateEmailsAllowed,
        bruteForceProtected: answer.bruteForceProtected,
        permanentLockout: answer.permanentLockout,
      }
    },
    async attributeRule(name): Promise<AttributeRule> {
      const answer = await readBody('user profile', endpoints.userProfile)
      if (!userProfile.Check(answer)) throw unpromised('user profile')
      return permissionsOf(answer, name)
    },
    async events(): Promise<ChangeSettings | 'hidden'> {
      const what = 'event settings'
      const answer = await read(what, endpoints.eventsConfig)
      if (answer.status === 403) return 'hidden'
      if (answer.status < 200 || answer.status > 299) throw refusal(`${what} at ${endpoints.origin}`, answer)
      if (!eventsConfig.Check(answer.json)) throw unpromised(what)
      return changeSettings(answer.json)
    },
    async close() {
      await Promise.all([http?.close(), directory?.close()])
    },
  }
}

/** Keycloak's reason by its words (all seen on 26.7.3); older versions say some of it in others. */
function refusalOf(answer: HttpAnswer): TokenRefusal {
  const { status, json } = answer
  if (isRealmMissing(answer)) return 'realm_missing'
  const error = errorOf(json)
  const said = descriptionOf(json)
  if (status === 404 || error === '') return 'no_keycloak'
  if (/^Realm not enabled/i.test(said)) return 'realm_disabled'
  if (/^HTTPS required/i.test(said)) return 'https_required'
  if (/^Public client/i.test(said)) return 'public_client'
  if (/service account/i.test(said) && /not enabled|not allowed/i.test(said)) return 'no_service_account'
  if (/^User '.*' disabled$/.test(said)) return 'service_account_disabled'
  if (/client_assertion|bearer-only/i.test(said)) return 'other_authenticator'
  if (error === 'unauthorized_client') return 'wrong_secret'
  if (error === 'invalid_client') return 'unknown_client'
  return 'other'
}
