/** What a real Keycloak tells of changes: each way in which a user changes is told with the user's id. */
import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import type { Changed, ChangeFeed } from '../../src/directory/changes.ts'
import { createKeycloakDirectory } from '../../src/directory/keycloak/directory.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { keycloakForTests, type RealmWish, type TestKeycloak, type TestRealm } from '../servers/keycloak.ts'
import { userProfile } from '../servers/keycloak-realm.ts'

const KEPT = { eventsEnabled: true, adminEventsEnabled: true, eventsExpiration: 3600 } as const

async function realmWith(t: Test, keycloak: TestKeycloak, wish: RealmWish = {}) {
  const realm = await keycloak.makeRealm({ roles: ['view-users', 'view-events'], ...wish })
  const directory = createKeycloakDirectory(
    {
      password_attribute: 'mailcow_password',
      template_attribute: 'mailcow_template',
      server_url: realm.url,
      realm: realm.realm,
      client_id: realm.clientId,
      client_secret: realm.clientSecret,
      connections: 4,
      tls: { insecure: false },
    },
    { clock: systemClock, logger: silentLogger },
  )
  t.teardown(async () => {
    await directory.close()
    await realm.drop()
  })
  const { changes: feed } = directory
  if (feed === undefined) throw new Error('no events')
  return { realm, directory, feed }
}

/** What is told of what `change` does. */
async function toldBy(feed: ChangeFeed, change: () => Promise<unknown>): Promise<Changed[]> {
  const known = new Set((await feed.read(0)).changes.map(({ id }) => id))
  await change()
  // The oldest first.
  const { changes } = await feed.read(0)
  return changes
    .filter(({ id }) => !known.has(id))
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ what }) => what)
}

/** A token of a user for the account API, by the password grant. */
async function userToken({ url, realm }: TestRealm, username: string, password: string): Promise<string> {
  const answer = await fetch(`${url}/realms/${realm}/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', username, password }),
  })
  const body: unknown = await answer.json()
  return String(Object(body).access_token)
}

const keycloak = keycloakForTests(t)
if (keycloak !== undefined) {
  await t.test('what an administrator does to a user', async (t) => {
    const { realm, feed } = await realmWith(t, keycloak, {
      users: [{ username: 'joe', email: 'joe@x.example' }],
      settings: KEPT,
    })
    t.match(await feed.settings(), { missing: [], keptMs: 3_600_000 })
    const joe = await realm.userId('joe')
    const user = (id: string, entire = true): Changed => ({ kind: 'user', id, entire })
    t.same(await toldBy(feed, () => realm.setUser('joe', { enabled: false })), [user(joe)])
    t.same(await toldBy(feed, () => realm.setUser('joe', { email: 'joe2@x.example' })), [user(joe)])
    let ann = ''
    const made = await toldBy(feed, async () => {
      ann = await realm.addUser({ username: 'ann', email: 'ann@x.example' })
    })
    t.same(made, [user(ann)])
    await realm.admin('POST', '/groups', { name: 'mail' })
    const groups: unknown = await realm.admin('GET', '/groups')
    const group: unknown = Array.isArray(groups) ? Object(groups[0]).id : undefined
    t.same(await toldBy(feed, () => realm.admin('PUT', `/users/${ann}/groups/${String(group)}`)), [
      user(ann, false),
    ])
    t.same(await toldBy(feed, () => realm.deleteUser('ann')), [user(ann)])
    const imported = await toldBy(feed, () =>
      realm.admin('POST', '/partialImport', {
        ifResourceExists: 'SKIP',
        users: ['one', 'two'].map((username) => ({
          username,
          email: `${username}@x.example`,
          enabled: true,
        })),
      }),
    )
    t.same(
      new Set(imported.map((each) => (each.kind === 'user' ? each.id : each.kind))),
      new Set([await realm.userId('one'), await realm.userId('two')]),
      'a partial import names each',
    )
  })

  await t.test('what users do themselves', async (t) => {
    const { realm, feed } = await realmWith(t, keycloak, {
      users: [{ username: 'joe', email: 'joe@x.example', password: 'pw', firstName: 'Joe', lastName: 'Doe' }],
      emailEdited: true,
      settings: KEPT,
    })
    await feed.settings()
    const joe = await realm.userId('joe')
    // The client of the password grant has no roles of the account API.
    const clients: unknown = await realm.admin('GET', '/clients?clientId=admin-cli')
    const client = Object(Array.isArray(clients) ? clients[0] : undefined)
    await realm.admin('PUT', `/clients/${String(client.id)}`, {
      ...client,
      fullScopeAllowed: true,
      attributes: { ...client.attributes, 'client.use.lightweight.access.token.enabled': 'false' },
    })
    const mapper = {
      name: 'account',
      protocol: 'openid-connect',
      protocolMapper: 'oidc-audience-mapper',
      config: { 'included.client.audience': 'account', 'access.token.claim': 'true' },
    }
    await realm.admin('POST', `/clients/${String(client.id)}/protocol-mappers/models`, mapper)
    const roles: unknown = await realm.admin('GET', '/clients?clientId=account')
    const account = Object(Array.isArray(roles) ? roles[0] : undefined)
    const role = await realm.admin('GET', `/clients/${String(account.id)}/roles/manage-account`)
    await realm.admin('POST', `/users/${joe}/role-mappings/clients/${String(account.id)}`, [role])
    const token = await userToken(realm, 'joe', 'pw')
    const told = await toldBy(feed, async () => {
      const answer = await fetch(`${realm.url}/realms/${realm.realm}/account/`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          accept: 'application/json',
        },
        body: JSON.stringify({ username: 'joe', email: 'new@x.example', firstName: 'Joe', lastName: 'Doe' }),
      })
      t.equal(answer.status, 204, await answer.text())
    })
    t.ok(told.length > 0)
    for (const what of told) t.same(what, { kind: 'user', id: joe, entire: true })
  })

  await t.test('a permanent lockout', async (t) => {
    const { realm, feed } = await realmWith(t, keycloak, {
      users: [{ username: 'joe', email: 'joe@x.example', password: 'pw' }],
      settings: { ...KEPT, bruteForceProtected: true, permanentLockout: true, failureFactor: 2 },
    })
    await feed.settings()
    const joe = await realm.userId('joe')
    let told: Changed[] = []
    // Keycloak counts failures in the background.
    for (let attempt = 0; attempt < 100 && told.length === 0; attempt++)
      told = await toldBy(feed, async () => {
        await userToken(realm, 'joe', 'wrong')
        await new Promise((resolve) => setTimeout(resolve, 100))
      })
    t.same(told[0], { kind: 'user', id: joe, entire: true })
  })

  await t.test("the realm's rules, and what is kept of events", async (t) => {
    const { realm, feed, directory } = await realmWith(t, keycloak, {
      roles: ['view-users', 'view-events', 'view-realm'],
      settings: KEPT,
    })
    await feed.settings()
    t.match(await directory.profile(), { emailSelfChosen: false, hashVisible: true })
    t.same(await toldBy(feed, () => realm.admin('PUT', '/users/profile', userProfile({ attributes: {} }))), [
      { kind: 'rules' },
    ])
    t.match(await directory.profile(), { hashVisible: true }, 'remembered for a minute')
    feed.expireRules()
    t.match(await directory.profile(), { hashVisible: false })
    t.same(await toldBy(feed, () => realm.setRealm({ registrationAllowed: true })), [{ kind: 'rules' }])
    t.same(
      await toldBy(feed, () => realm.admin('PUT', '/events/config', { ...KEPT, eventsExpiration: 60 })),
      [{ kind: 'settings' }],
    )
    t.match(await feed.settings(), { keptMs: 60_000 })
  })

  await t.test('a position of its own clock; what is before it is left out', async (t) => {
    const { realm, feed } = await realmWith(t, keycloak, {
      users: [{ username: 'joe', email: 'joe@x.example' }],
      settings: KEPT,
    })
    await feed.settings()
    await realm.setUser('joe', { enabled: false })
    const [first] = (await feed.read(0)).changes
    if (first === undefined) throw new Error('nothing was told')
    const { asOfMs = 0 } = await feed.read(0)
    // One machine runs both: their clocks agree but for the second that a token's time is cut to.
    t.ok(asOfMs <= Date.now() && asOfMs > Date.now() - 5000, `${asOfMs - Date.now()} ms`)
    t.ok(Math.abs((await feed.begin()) - asOfMs) < 5000)
    t.same((await feed.read(first.atMs)).changes, [first], 'from this very millisecond on')
    t.same((await feed.read(first.atMs + 1)).changes, [])
  })

  await t.test('a thousand events in one window, over pages', async (t) => {
    const { realm, feed } = await realmWith(t, keycloak, { settings: KEPT })
    await feed.settings()
    const users = [...Array(1000).keys()].map((at) => ({
      id: randomUUID(),
      username: `user-${at}`,
      email: `user-${at}@x.example`,
      enabled: true,
    }))
    await realm.admin('POST', '/partialImport', { ifResourceExists: 'SKIP', users })
    const { changes, isCut } = await feed.read(0)
    t.notOk(isCut)
    t.equal(new Set(changes.map(({ what }) => (what.kind === 'user' ? what.id : ''))).size, 1000)
  })

  await t.test('switched off, in part, or not shown', async (t) => {
    const { realm, feed } = await realmWith(t, keycloak)
    t.same(await feed.settings(), { missing: ['admin events', 'user events'], keptMs: undefined })
    t.same((await feed.read(0)).changes, [])
    t.ok((await feed.begin()) > 0, 'begins all the same')
    await realm.admin('PUT', '/events/config', { ...KEPT, enabledEventTypes: ['LOGIN', 'UPDATE_EMAIL'] })
    t.same(
      Object(await feed.settings()).missing,
      [
        'REGISTER',
        'UPDATE_PROFILE',
        'VERIFY_EMAIL',
        'DELETE_ACCOUNT',
        'USER_DISABLED_BY_PERMANENT_LOCKOUT',
      ].map((type) => `user events of type ${type}`),
    )
    t.same((await feed.read(0)).changes.length, 1, 'the change of settings, by an administrator')
    const hidden = await realmWith(t, keycloak, { roles: ['view-users'] })
    t.equal(await hidden.feed.settings(), 'hidden')
  })
}
