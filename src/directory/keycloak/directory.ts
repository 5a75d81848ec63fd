/**
 * Keycloak as the directory: its admin API, asked as a service account that has view-users (and view-realm, where
 * it shall see whether users may register themselves).
 */
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Clock } from '../../clock.ts'
import type { DirectoryConfig } from '../../config/schema.ts'
import { MailpassdError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Directory } from '../directory.ts'
import {
  isAskable,
  parseEntry,
  parseUser,
  pickByEmail,
  spellingsOf,
  UserInvalid,
  type AttributeNames,
} from '../representation.ts'
import type { DirectoryProfile, DirectoryUser } from '../user.ts'
import { directoryProfile, userProfile } from '../user-profile.ts'
import { createChangeFeed } from './change-feed.ts'
import { startDeadline, within } from './deadline.ts'
import { endpointsOf } from './endpoints.ts'
import { openHttp } from './http.ts'
import { cacheProfile } from './profile-cache.ts'
import { refusal } from './refusal.ts'
import { createTokens } from './token.ts'

/** The checked [directory] section, with the secret read from where it stands. */
export interface KeycloakDirectoryConfig extends Pick<
  DirectoryConfig,
  'tls' | 'connections' | 'password_attribute' | 'template_attribute'
> {
  readonly server_url: string
  readonly realm: string
  readonly client_id: string
  readonly client_secret: string
}

export interface KeycloakDirectoryDeps {
  readonly clock: Clock
  readonly logger: Logger
  /** Time limits, for tests that shall not wait for them. */
  readonly limits?: { readonly lookupMs: number; readonly connectMs: number }
}

/** Admin events and user events at a time. */
const FEED_CONNECTIONS = 2

const LIMITS = { lookupMs: 15_000, connectMs: 5000 } as const
/** Keycloak works longer on a page; nobody waits for it. */
const PAGE_LIMIT_MS = 60_000
const MAX_PAGE_BYTES = 8 * 1024 * 1024
/** Of their own, so that pages never keep a login waiting: one reads, another may stand in for a connection that hangs. */
const PAGE_CONNECTIONS = 2

/** What the realm shows of itself: less than this to a client without view-realm. */
const RealmAnswer = Compile(Type.Object({ registrationAllowed: Type.Optional(Type.Boolean()) }))

/**
 * A Directory on Keycloak's admin API. Opens no connection before the first look-up.
 * Throws config_invalid, config_unreadable (server_url, realm, tls.ca_file).
 */
export function createKeycloakDirectory(
  config: KeycloakDirectoryConfig,
  { clock, logger, limits = LIMITS }: KeycloakDirectoryDeps,
): Directory {
  const names: AttributeNames = { password: config.password_attribute, template: config.template_attribute }
  const endpoints = endpointsOf(config.server_url, config.realm)
  if (config.tls.insecure) {
    logger.warn({ server: endpoints.origin }, 'TLS certificates of the directory are NOT checked')
  }
  const http = openHttp(endpoints.origin, {
    tls: config.tls,
    connections: config.connections,
    connectMs: limits.connectMs,
  })
  const pages = openHttp(endpoints.origin, {
    tls: config.tls,
    connections: PAGE_CONNECTIONS,
    connectMs: limits.connectMs,
    maxAnswerBytes: MAX_PAGE_BYTES,
  })
  const tokens = createTokens({
    http,
    clock,
    logger,
    path: endpoints.token,
    clientId: config.client_id,
    clientSecret: config.client_secret,
    deadline: () => startDeadline(clock, limits.lookupMs),
  })

  // Of their own: a queue of look-ups must not hold up what says that records are old.
  const feedHttp = openHttp(endpoints.origin, {
    tls: config.tls,
    connections: FEED_CONNECTIONS,
    connectMs: limits.connectMs,
  })

  /** GET with our token; a refused token is replaced once. Gives the parsed body of a 200. */
  async function read(what: string, path: string, over = http, limitMs = limits.lookupMs): Promise<unknown> {
    const asked = `${what} at ${http.origin}`
    return within(clock, limitMs, asked, async (signal) => {
      for (let attempt = 1; ; attempt++) {
        const token = await tokens.get()
        const answer = await over.request({
          what,
          method: 'GET',
          path,
          headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
          signal,
        })
        if (answer.status >= 200 && answer.status < 300) return answer.json
        if (answer.status !== 401) throw refusal(asked, answer)
        tokens.drop(token)
        if (attempt === 2) throw refusal(asked, answer)
      }
    })
  }

  function listOf(what: string, answer: unknown): readonly unknown[] {
    if (Array.isArray(answer)) return answer
    throw new MailpassdError('directory_invalid', `${what} at ${http.origin}: the answer is no list`)
  }

  async function readUsers(what: string, path: string): Promise<DirectoryUser[]> {
    const values = listOf(what, await read(what, path))
    return values.map((value, index) => {
      const user = parseUser(value, names)
      if (!(user instanceof UserInvalid)) return user
      const why = `the answer's user ${index}: ${user.reason}`
      throw new MailpassdError('directory_invalid', `${what} at ${http.origin}: ${why}`)
    })
  }

  let saidHidden = false
  async function readProfile(): Promise<DirectoryProfile> {
    const [realm, profile] = await Promise.all([
      read('realm', endpoints.realm),
      read('user profile', endpoints.userProfile),
    ])
    if (!RealmAnswer.Check(realm) || !userProfile.Check(profile)) {
      const what = RealmAnswer.Check(realm) ? 'user profile' : 'realm'
      throw new MailpassdError(
        'directory_invalid',
        `${what} at ${http.origin}: the answer is not what the API promises`,
      )
    }
    if (realm.registrationAllowed === undefined && !saidHidden) {
      saidHidden = true
      logger.info(
        { realm: config.realm },
        'the realm does not show our client whether users may register themselves (role view-realm): taken for yes',
      )
    }
    return directoryProfile(profile, realm.registrationAllowed, names)
  }

  const profile = cacheProfile(readProfile, clock, logger)

  return {
    async findByEmail(email) {
      if (!isAskable(email)) return { kind: 'absent' }
      // Keycloak keeps a domain as it was typed, in Unicode or in A-labels, and compares text.
      const found = await Promise.all(
        spellingsOf(email).map((spelling) => readUsers('look-up by e-mail', endpoints.byEmail(spelling))),
      )
      return pickByEmail(email, found.flat())
    },
    async findById(id) {
      if (id === '' || id.length > 255 || !id.isWellFormed()) return undefined
      if (/\s/.test(id)) {
        // Keycloak cuts `search=id:` at blanks; "not found" would say that the user was deleted.
        throw new MailpassdError('directory_invalid', 'look-up by id: an id with blanks cannot be asked for')
      }
      const users = await readUsers('look-up by id', endpoints.byId(id))
      return users.find((user) => user.id === id)
    },
    async count() {
      const what = 'number of users'
      const answer = await read(what, endpoints.count, pages, PAGE_LIMIT_MS)
      if (typeof answer === 'number' && Number.isSafeInteger(answer) && answer >= 0) return answer
      throw new MailpassdError('directory_invalid', `${what} at ${http.origin}: the answer is no number`)
    },
    async page(wish) {
      const what = 'page of users'
      const values = listOf(what, await read(what, endpoints.page(wish), pages, PAGE_LIMIT_MS))
      // More than was asked for is no page.
      return values.slice(0, wish.max).map((value) => parseEntry(value, names))
    },
    profile: (sinceMs) => profile.get(sinceMs),
    changes: createChangeFeed({
      endpoints,
      read: (what, path) => read(what, path, feedHttp),
      serverNowMs: () => tokens.serverNowMs(),
      expireRules: () => profile.expire(),
    }),
    async close() {
      await Promise.all([http.close(), pages.close(), feedHttp.close()])
    },
  }
}
