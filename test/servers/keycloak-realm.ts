/**
 * Realms for suites that need a real Keycloak: each suite makes its own, with the client that mailpassd uses,
 * the user profile that the documentation recommends, and users; and drops it at the end.
 */
import { randomBytes } from 'node:crypto'

/** The first administrator, made at start from the environment; the server is on loopback and keeps nothing. */
export const KEYCLOAK_ADMIN = { username: 'admin', password: 'admin' } as const

/** Who may read and write an attribute in the realm's user profile. */
export type AttributeRule = 'admin' | 'user-view' | 'user-edit'

export interface TestUser {
  readonly id?: string
  readonly username: string
  readonly email?: string
  /** Default true. */
  readonly emailVerified?: boolean
  /** Default true. */
  readonly enabled?: boolean
  readonly firstName?: string
  readonly lastName?: string
  readonly attributes?: Readonly<Record<string, readonly string[]>>
  readonly requiredActions?: readonly string[]
  /** The Keycloak password (not the mail password), for suites that log in at Keycloak itself. */
  readonly password?: string
}

export interface RealmWish {
  /** Default: a random name. */
  readonly realm?: string
  readonly users?: readonly TestUser[]
  readonly duplicateEmailsAllowed?: boolean
  readonly registrationAllowed?: boolean
  /** Default: mailcow_password and mailcow_template, seen and edited by administrators alone. */
  readonly attributes?: Readonly<Record<string, AttributeRule>>
  /** Whether users edit their own e-mail. Default false. */
  readonly emailEdited?: boolean
  readonly unmanaged?: 'ENABLED' | 'ADMIN_VIEW' | 'ADMIN_EDIT'
  /** Roles of the service account in realm-management. Default: view-users. */
  readonly roles?: readonly string[]
  /** More of the realm representation, for example bruteForceProtected. */
  readonly settings?: Readonly<Record<string, unknown>>
}

export interface TestRealm {
  readonly url: string
  readonly realm: string
  readonly clientId: string
  readonly clientSecret: string
  /** The id that Keycloak gave to a user; throws when there is none. */
  userId(username: string): Promise<string>
  /** Makes a user through the admin API and gives its id. */
  addUser(user: TestUser): Promise<string>
  /** Changes what is named, keeps the rest. */
  setUser(username: string, change: Partial<TestUser>): Promise<void>
  deleteUser(username: string): Promise<void>
  /** Changes settings of the realm itself. */
  setRealm(change: Readonly<Record<string, unknown>>): Promise<void>
  setClientSecret(secret: string): Promise<void>
  /** Any other call of the admin API below /admin/realms/{realm}; gives the parsed answer. */
  admin(method: string, path: string, body?: unknown): Promise<unknown>
  drop(): Promise<void>
}

export interface TestKeycloak {
  readonly url: string
  makeRealm(wish?: RealmWish): Promise<TestRealm>
}

/** Says what it skips; under MAILPASSD_REQUIRE_SERVERS=1 a missing server fails the suite instead. */
interface SuiteTest {
  comment(...text: string[]): void
  fail(message: string): boolean
}

/** The run's Keycloak, or undefined (said, or failed) when MAILPASSD_TEST_KEYCLOAK names none. */
export function keycloakForTests(t: SuiteTest): TestKeycloak | undefined {
  const url = process.env['MAILPASSD_TEST_KEYCLOAK']
  if (url === undefined || url === '') {
    const what = 'no Keycloak: MAILPASSD_TEST_KEYCLOAK is not set, what needs it is not tested'
    if (process.env['MAILPASSD_REQUIRE_SERVERS'] === '1') t.fail(what)
    else t.comment(what)
    return undefined
  }
  return openKeycloak(url.replace(/\/+$/, ''))
}

export function openKeycloak(url: string): TestKeycloak {
  const call = adminCalls(url)
  return { url, makeRealm: (wish = {}) => makeRealm(url, call, wish) }
}

type AdminCall = (
  method: string,
  path: string,
  body?: unknown,
) => Promise<{ location: string; body: unknown }>

/** The token of admin-cli lives 60 s: a new one every 30. */
function adminCalls(url: string): AdminCall {
  let token: { text: string; atMs: number } | undefined
  async function freshToken(): Promise<string> {
    if (token !== undefined && Date.now() - token.atMs < 30_000) return token.text
    const answer = await fetch(`${url}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...KEYCLOAK_ADMIN }),
    })
    const text: unknown = Object(await answer.json()).access_token
    if (typeof text !== 'string') throw new Error(`no admin token: ${answer.status}`)
    token = { text, atMs: Date.now() }
    return text
  }
  return async (method, path, body) => {
    const answer = await fetch(`${url}/admin/realms${path}`, {
      method,
      headers: { authorization: `Bearer ${await freshToken()}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 1000)}`)
    const location = answer.headers.get('location') ?? ''
    return { location, body: text === '' ? undefined : JSON.parse(text) }
  }
}

const ROLES_OF_RULE = {
  admin: { view: ['admin'], edit: ['admin'] },
  'user-view': { view: ['admin', 'user'], edit: ['admin'] },
  'user-edit': { view: ['admin', 'user'], edit: ['admin', 'user'] },
} as const satisfies Record<AttributeRule, object>

/** The declarative user profile of such a realm, as PUT users/profile takes it. */
export function userProfile(wish: Pick<RealmWish, 'attributes' | 'emailEdited' | 'unmanaged'>): object {
  const own = wish.attributes ?? { mailcow_password: 'admin', mailcow_template: 'admin' }
  const email = wish.emailEdited === true ? ROLES_OF_RULE['user-edit'] : ROLES_OF_RULE['user-view']
  const everybody = ROLES_OF_RULE['user-edit']
  return {
    attributes: [
      { name: 'username', permissions: ROLES_OF_RULE['user-view'] },
      { name: 'email', permissions: email, validations: { email: {} } },
      { name: 'firstName', permissions: everybody },
      { name: 'lastName', permissions: everybody },
      ...Object.entries(own).map(([name, rule]) => ({
        name,
        permissions: ROLES_OF_RULE[rule],
        multivalued: true,
      })),
    ],
    ...(wish.unmanaged === undefined ? {} : { unmanagedAttributePolicy: wish.unmanaged }),
  }
}

function representation(user: TestUser): object {
  const { password, ...rest } = user
  return {
    enabled: true,
    emailVerified: true,
    ...rest,
    ...(password === undefined
      ? {}
      : { credentials: [{ type: 'password', value: password, temporary: false }] }),
  }
}

async function makeRealm(url: string, call: AdminCall, wish: RealmWish): Promise<TestRealm> {
  const realm = wish.realm ?? `mailpassd-${randomBytes(6).toString('hex')}`
  const clientId = 'mailpassd'
  let clientSecret = randomBytes(16).toString('base64url')
  const path = `/${encodeURIComponent(realm)}`
  await call('POST', '', {
    realm,
    enabled: true,
    duplicateEmailsAllowed: wish.duplicateEmailsAllowed ?? false,
    loginWithEmailAllowed: wish.duplicateEmailsAllowed !== true,
    registrationAllowed: wish.registrationAllowed ?? false,
    ...wish.settings,
    clients: [
      {
        clientId,
        secret: clientSecret,
        publicClient: false,
        standardFlowEnabled: false,
        directAccessGrantsEnabled: false,
        serviceAccountsEnabled: true,
      },
    ],
    users: [
      {
        username: `service-account-${clientId}`,
        enabled: true,
        serviceAccountClientId: clientId,
        clientRoles: { 'realm-management': wish.roles ?? ['view-users'] },
      },
      ...(wish.users ?? []).map(representation),
    ],
    components: {
      'org.keycloak.userprofile.UserProfileProvider': [
        {
          providerId: 'declarative-user-profile',
          config: { 'kc.user.profile.config': [JSON.stringify(userProfile(wish))] },
        },
      ],
    },
  })

  async function read(username: string): Promise<object> {
    const query = `username=${encodeURIComponent(username)}&exact=true`
    const { body } = await call('GET', `${path}/users?${query}`)
    const first: unknown = Array.isArray(body) ? body[0] : undefined
    if (typeof first !== 'object' || first === null) throw new Error(`no user ${username} in ${realm}`)
    return first
  }
  async function userId(username: string): Promise<string> {
    const user = await read(username)
    return 'id' in user && typeof user.id === 'string' ? user.id : ''
  }

  return {
    url,
    realm,
    clientId,
    get clientSecret() {
      return clientSecret
    },
    userId,
    async addUser(user) {
      const { location } = await call('POST', `${path}/users`, representation(user))
      return location.slice(location.lastIndexOf('/') + 1)
    },
    async setUser(username, change) {
      const before = await read(username)
      const id = await userId(username)
      const attributes = {
        ...('attributes' in before ? Object(before.attributes) : {}),
        ...change.attributes,
      }
      await call('PUT', `${path}/users/${id}`, {
        ...before,
        ...representation({ username, ...before, ...change }),
        attributes,
      })
    },
    async deleteUser(username) {
      await call('DELETE', `${path}/users/${await userId(username)}`)
    },
    async setRealm(change) {
      await call('PUT', path, change)
    },
    async setClientSecret(secret) {
      const { body } = await call('GET', `${path}/clients?clientId=${clientId}`)
      const client: unknown = Array.isArray(body) ? body[0] : undefined
      const id: unknown = Object(client).id
      await call('PUT', `${path}/clients/${String(id)}`, { ...Object(client), secret })
      clientSecret = secret
    },
    async admin(method, below, body) {
      return (await call(method, `${path}${below}`, body)).body
    },
    async drop() {
      await call('DELETE', path)
    },
  }
}
