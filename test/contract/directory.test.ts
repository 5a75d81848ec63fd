/** The directory contract on both adapters, and what only a real Keycloak can show. */
import { randomUUID } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { systemClock, type Clock } from '../../src/clock.ts'
import { createKeycloakDirectory } from '../../src/directory/keycloak/directory.ts'
import { createRealmFileDirectory } from '../../src/directory/realm-file/directory.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { keycloakForTests, type TestKeycloak, type TestRealm, type TestUser } from '../servers/keycloak.ts'
import { userProfile } from '../servers/keycloak-realm.ts'
import { directoryContract, type DirectorySubject } from './directory.ts'

const ATTRIBUTES = { password_attribute: 'mailcow_password', template_attribute: 'mailcow_template' } as const

function directoryOn(realm: TestRealm) {
  return createKeycloakDirectory(
    {
      ...ATTRIBUTES,
      server_url: `${realm.url}/`,
      realm: realm.realm,
      client_id: realm.clientId,
      client_secret: realm.clientSecret,
      connections: 4,
      tls: { insecure: false },
    },
    { clock: systemClock, logger: silentLogger },
  )
}

function keycloakSubject(keycloak: TestKeycloak): DirectorySubject {
  return {
    name: 'Keycloak',
    async makeRealm(wish) {
      const realm = await keycloak.makeRealm({
        ...wish,
        duplicateEmailsAllowed: true,
        roles: ['view-users', 'view-realm'],
      })
      const directory = directoryOn(realm)
      return {
        directory,
        setUser: (username, change) => realm.setUser(username, change),
        deleteUser: (username) => realm.deleteUser(username),
        async addUser(user) {
          await realm.addUser(user)
        },
        async close() {
          await directory.close()
          await realm.drop()
        },
      }
    },
  }
}

/** A clock on which every look finds that a second has passed: the file is looked at each time. */
function secondsClock(): Clock {
  let nowMs = 0
  return { ...systemClock, monotonicMs: () => (nowMs += 1000) }
}

const realmFileSubject: DirectorySubject = {
  name: 'realm file',
  async makeRealm(wish) {
    const path = join(t.testdirName, `${randomUUID()}.json`)
    let users: readonly TestUser[] = wish.users.map((user) => ({
      enabled: true,
      emailVerified: true,
      id: randomUUID(),
      ...user,
    }))
    async function write(): Promise<void> {
      const components = {
        'org.keycloak.userprofile.UserProfileProvider': [
          { config: { 'kc.user.profile.config': [JSON.stringify(userProfile(wish))] } },
        ],
      }
      const { registrationAllowed } = wish
      await writeFile(
        `${path}.new`,
        JSON.stringify({ realm: 'test', registrationAllowed, users, components }),
      )
      await rename(`${path}.new`, path)
    }
    async function change(next: readonly TestUser[]): Promise<void> {
      users = next
      await write()
    }
    await write()
    const directory = createRealmFileDirectory({
      path,
      passwordAttribute: ATTRIBUTES.password_attribute,
      templateAttribute: ATTRIBUTES.template_attribute,
      logger: silentLogger,
      clock: secondsClock(),
    })
    return {
      directory,
      setUser: (username, changed) =>
        change(users.map((user) => (user.username === username ? { ...user, ...changed } : user))),
      deleteUser: (username) => change(users.filter((user) => user.username !== username)),
      addUser: (user) => change([...users, { enabled: true, emailVerified: true, ...user }]),
      close: () => directory.close(),
    }
  },
}

t.testdir({})
await directoryContract(t, realmFileSubject)

const keycloak = keycloakForTests(t)
if (keycloak !== undefined) {
  await directoryContract(t, keycloakSubject(keycloak))

  await t.test('a real permanent lockout is told from an administrator', async (t) => {
    const realm = await keycloak.makeRealm({
      users: [{ username: 'victim', email: 'victim@x.example', password: 'not this one' }],
      settings: { bruteForceProtected: true, permanentLockout: true, failureFactor: 2 },
    })
    const directory = directoryOn(realm)
    t.teardown(async () => {
      await directory.close()
      await realm.drop()
    })
    // Keycloak counts failures in the background: until it has them all.
    for (let attempt = 0; attempt < 100; attempt++) {
      const answer = await fetch(`${realm.url}/realms/${realm.realm}/protocol/openid-connect/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'password',
          client_id: 'admin-cli',
          username: 'victim',
          password: 'wrong',
        }),
      })
      await answer.body?.cancel()
      const lookup = await directory.findByEmail('victim@x.example')
      if (lookup.kind === 'found' && !lookup.user.enabled) break
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    t.match(await directory.findByEmail('victim@x.example'), { user: { enabled: false, lockedOut: true } })
  })

  await t.test('realms with blanks, percent signs and umlauts in their names are found', async (t) => {
    const realm = await keycloak.makeRealm({
      realm: `a %b ü ${randomUUID()}`,
      users: [{ username: 'joe', email: 'joe@x.example' }],
    })
    const directory = directoryOn(realm)
    t.teardown(async () => {
      await directory.close()
      await realm.drop()
    })
    t.match(await directory.findByEmail('joe@x.example'), { kind: 'found' })
  })

  await t.test('attributes that the profile hides are told as hidden, not as gone', async (t) => {
    const realm = await keycloak.makeRealm({
      attributes: {},
      users: [{ username: 'joe', email: 'joe@x.example', attributes: { mailcow_password: ['{PLAIN}x'] } }],
    })
    const directory = directoryOn(realm)
    const later = directoryOn(realm)
    t.teardown(async () => {
      await directory.close()
      await later.close()
      await realm.drop()
    })
    t.match(await directory.findByEmail('joe@x.example'), { user: { hashes: [] } })
    t.match(await directory.profile(), { hashVisible: false, hashSelfEdited: false })
    await realm.admin('PUT', '/users/profile', userProfile({ attributes: {}, unmanaged: 'ENABLED' }))
    t.match(await directory.findByEmail('joe@x.example'), { user: { hashes: ['{PLAIN}x'] } })
    t.match(await later.profile(), { hashVisible: true, hashSelfEdited: true, templateSelfEdited: true })
  })

  await t.test('view-users alone logs people in; registration it cannot see counts as allowed', async (t) => {
    const realm = await keycloak.makeRealm({ users: [{ username: 'joe', email: 'joe@x.example' }] })
    const directory = directoryOn(realm)
    t.teardown(async () => {
      await directory.close()
      await realm.drop()
    })
    t.match(await directory.findByEmail('joe@x.example'), { kind: 'found' })
    t.match(await directory.profile(), { emailSelfChosen: true })
  })

  await t.test('a client that Keycloak refuses is told from a user that is not there', async (t) => {
    const realm = await keycloak.makeRealm({
      roles: [],
      users: [{ username: 'joe', email: 'joe@x.example' }],
    })
    const noRole = directoryOn(realm)
    const wrongSecret = directoryOn({ ...realm, clientSecret: 'wrong' })
    const wrongRealm = directoryOn({ ...realm, clientSecret: realm.clientSecret, realm: 'no such realm' })
    t.teardown(async () => {
      await Promise.all([noRole.close(), wrongSecret.close(), wrongRealm.close()])
      await realm.drop()
    })
    for (const directory of [noRole, wrongSecret, wrongRealm]) {
      await t.rejects(directory.findByEmail('joe@x.example'), { code: 'directory_refused' })
      await t.rejects(directory.findById('x'), { code: 'directory_refused' })
      await t.rejects(directory.profile(), { code: 'directory_refused' })
    }
  })

  await t.test('tokens that Keycloak ended early are replaced', async (t) => {
    const realm = await keycloak.makeRealm({ users: [{ username: 'joe', email: 'joe@x.example' }] })
    const directory = directoryOn(realm)
    t.teardown(async () => {
      await directory.close()
      await realm.drop()
    })
    t.match(await directory.findByEmail('joe@x.example'), { kind: 'found' })
    const answer = await fetch(`${realm.url}/realms/${realm.realm}/protocol/openid-connect/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: realm.clientId,
        client_secret: realm.clientSecret,
      }),
    })
    const token: unknown = Object(await answer.json()).access_token
    // Whole seconds: a token of the same second as notBefore would still count, or not yet.
    await realm.setRealm({ notBefore: Math.floor(Date.now() / 1000) + 1 })
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const refused = await fetch(`${realm.url}/admin/realms/${realm.realm}/users`, {
      headers: { authorization: `Bearer ${String(token)}` },
    })
    await refused.body?.cancel()
    t.equal(refused.status, 401, 'tokens from before are refused')
    t.match(await directory.findByEmail('joe@x.example'), { kind: 'found' })
  })
}
