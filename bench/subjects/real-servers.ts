/** A realm in a real Keycloak and a database in a real MariaDB for one daemon; and what asking each of them costs by itself. */
import bcryptNative from '@node-rs/bcrypt'
import { createConnection } from 'mysql2/promise'
import { Pool } from 'undici'
import { systemClock } from '../../src/clock.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { isRecord } from '../../test/e2e/json.ts'
import { openKeycloak, type TestRealm } from '../../test/servers/keycloak-realm.ts'
import { databaseOn } from '../../test/servers/mariadb.ts'
import { DOMAIN } from '../people.ts'
import type { Teardown } from '../teardown.ts'

export interface RealServers {
  /** Sections directory and store of the daemon. */
  readonly config: string
  /** One look-up by e-mail, with a token that is there already, over a connection that is open. */
  lookUp(email: string): Promise<void>
  /** One prepared query of a mailbox by its primary key, over a connection that is open. */
  query(address: string): Promise<void>
}

export interface RealUser {
  readonly email: string
  readonly hash: string
}

/** Compares as the library does by itself. */
export async function compareRaw(password: string, hash: string): Promise<void> {
  if (!(await bcryptNative.verify(password, hash.slice(hash.indexOf('}') + 1))))
    throw new Error('not its hash')
}

async function tokenOf(realm: TestRealm, pool: Pool): Promise<string> {
  const { body } = await pool.request({
    method: 'POST',
    path: `/realms/${realm.realm}/protocol/openid-connect/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: realm.clientId,
      client_secret: realm.clientSecret,
    }).toString(),
  })
  const answer: unknown = await body.json()
  const token = isRecord(answer) ? answer['access_token'] : undefined
  if (typeof token !== 'string') throw new Error('Keycloak gave no token')
  return token
}

export async function makeRealServers(
  teardown: Teardown,
  servers: { readonly keycloak: string; readonly mariadb: string },
  users: readonly RealUser[],
): Promise<RealServers> {
  const realm = await openKeycloak(servers.keycloak).makeRealm({
    users: users.map(({ email, hash }) => ({
      username: email,
      email,
      attributes: { mailcow_password: [hash] },
    })),
    // A token must outlive the run.
    settings: { accessTokenLifespan: 3600 },
  })
  teardown.teardown(() => realm.drop())
  const database = await databaseOn(teardown, servers.mariadb, 'standalone')
  const store = await openStore(database.store, { clock: systemClock, logger: silentLogger })
  await store.domains.add(DOMAIN, { autojoin: true, maxMailboxes: 1_000_000 })
  await store.close()

  const pool = new Pool(servers.keycloak, { connections: 1 })
  teardown.teardown(() => pool.close())
  const authorization = `Bearer ${await tokenOf(realm, pool)}`
  const sql = await createConnection({ socketPath: servers.mariadb, user: 'root', database: database.name })
  teardown.teardown(() => sql.end())
  return {
    config: `
[directory]
kind = "keycloak"
server_url = "${realm.url}"
realm = "${realm.realm}"
client_id = "${realm.clientId}"
client_secret = "${realm.clientSecret}"
default_template = "Default"
[store]
kind = "mysql"
schema = "standalone"
socket = "${servers.mariadb}"
database = "${database.name}"
user = "root"
`,
    async lookUp(email) {
      const query = new URLSearchParams({ email, exact: 'true' }).toString()
      const path = `/admin/realms/${realm.realm}/users?${query}`
      const { body } = await pool.request({ method: 'GET', path, headers: { authorization } })
      const found: unknown = await body.json()
      if (!Array.isArray(found) || found.length !== 1) throw new Error(`${email} was not found`)
    },
    async query(address) {
      await sql.execute('select * from mailbox where username = ?', [address])
    },
  }
}
