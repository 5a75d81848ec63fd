/**
 * What a daemon of these suites runs on: a real Keycloak with MariaDB in mailcow's schema, or a realm export file with
 * SQLite. Both give the same view of rows, so that one suite holds for both.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import bcrypt from 'bcryptjs'
import type { Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { writeRealmFile } from '../../src/directory/realm-file/write.ts'
import { openStore, type StoreOptions } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { keycloakForTests, type RealmWish, type TestRealm, type TestUser } from '../servers/keycloak-realm.ts'
import { databaseOn, mariadbForTests, type TestDatabase } from '../servers/mariadb.ts'
import { isRecord } from './json.ts'

export type Row = Record<string, unknown>

export interface Backend {
  /** Sections directory, store and userdb of the configuration file. */
  readonly config: (more?: { readonly serverUrl?: string; readonly userdb?: string }) => string
  /** Every row of the core tables that belongs to an address, with address and times taken out. */
  readonly rowsOf: (address: string) => Promise<Record<string, Row[]>>
  /** How many mailboxes there are in all domains. */
  readonly mailboxes: () => Promise<number>
  /** Any statement behind the daemon's back, with `?` for values. */
  readonly sql: (text: string, values: (string | number | null)[]) => Promise<Row[]>
}

export interface FullBackend extends Backend {
  readonly realm: TestRealm
  readonly database: TestDatabase
}

/** A hash as it stands in the directory's attribute; the cheapest bcrypt there is. */
export function hash(password: string): string {
  return `{BLF-CRYPT}${bcrypt.hashSync(password, 4)}`
}

/** A realm user whose mail password is this. */
export function mailUser(email: string, password: string, more: Partial<TestUser> = {}): TestUser {
  const username = email.replace('@', '.at.')
  return { username, email, attributes: { mailcow_password: [hash(password)] }, ...more }
}

/** Tables that a mailbox has rows in, and the column that names it. */
const CORE: readonly (readonly [string, string])[] = [
  ['mailbox', 'username'],
  ['alias', 'address'],
  ['quota2', 'username'],
  ['quota2replica', 'username'],
  ['user_acl', 'username'],
  ['tags_mailbox', 'username'],
  ['mailpassd_mailbox', 'username'],
]

/** Values that differ from row to row by their nature. */
const OWN = new Set(['id', 'created', 'modified', 'created_ms', 'directory_id', 'name'])

function normalise(row: Row, address: string): Row {
  const [local = ''] = address.split('@')
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      if (OWN.has(column)) return [column, value === null ? null : '(any)']
      if (typeof value === 'bigint') return [column, Number(value)]
      if (typeof value !== 'string') return [column, value]
      if (value === local) return [column, '(local)']
      return [
        column,
        value.replaceAll(address, '(address)').replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, '(time)'),
      ]
    }),
  )
}

function asRows(value: unknown): Row[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

type Select = Backend['sql']

function views(select: Select): Pick<Backend, 'rowsOf' | 'mailboxes' | 'sql'> {
  return {
    sql: select,
    async rowsOf(address) {
      const all: Record<string, Row[]> = {}
      for (const [table, column] of CORE) {
        const rows = await select(`select * from ${table} where ${column} = ?`, [address])
        all[table] = rows.map((row) => normalise(row, address))
      }
      return all
    },
    async mailboxes() {
      const [row] = await select('select count(*) as n from mailbox', [])
      return Number(row?.['n'])
    },
  }
}

export const DOMAIN_LIMITS =
  'aliases = 400, mailboxes = 200, defquota = 1024, maxquota = 10240, quota = 1024000'

/** Keycloak and MariaDB with these users and one domain; both go when the test ends. */
export async function keycloakAndMariadb(
  t: Test,
  domain: string,
  users: readonly TestUser[],
  options: {
    readonly socket?: string
    readonly duplicateEmails?: boolean
    /** More of the realm, such as its roles. */
    readonly realm?: RealmWish
  } = {},
): Promise<FullBackend> {
  const keycloak = keycloakForTests(t)
  if (keycloak === undefined) throw new Error('no Keycloak')
  const realm = await keycloak.makeRealm({
    ...options.realm,
    users,
    ...(options.duplicateEmails === true ? { duplicateEmailsAllowed: true } : {}),
  })
  t.teardown(() => realm.drop())
  const { socket } = options
  const database =
    socket === undefined ? await mariadbForTests(t, 'mailcow') : await databaseOn(t, socket, 'mailcow')
  await database.sql.query(`insert into domain set domain = ?, ${DOMAIN_LIMITS}`, [domain])
  return {
    realm,
    database,
    config: ({ serverUrl, userdb } = {}) => `
[directory]
kind = "keycloak"
server_url = "${serverUrl ?? realm.url}"
realm = "${realm.realm}"
client_id = "${realm.clientId}"
client_secret = "${realm.clientSecret}"
default_template = "Default"
[store]
kind = "mysql"
schema = "mailcow"
socket = "${database.store.socket}"
database = "${database.name}"
user = "root"
[log]
logins = "all"
${userdb ?? ''}
`,
    ...views(async (text, values) => asRows((await database.sql.query(text, values))[0])),
  }
}

type RealmFileUsers = readonly { readonly email: string; readonly password: string }[]

/** A store with this domain, made before a daemon opens it, and the directory section of a realm export file. */
async function realmFile(
  t: Test,
  domain: string,
  users: RealmFileUsers,
  options: (dir: string) => StoreOptions,
) {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-embedded-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const file = join(dir, 'realm.json')
  await writeRealmFile(
    file,
    users.map(({ email, password }) => ({ username: email, email, hash: hash(password) })),
  )
  const store = await openStore(options(dir), { clock: systemClock, logger: silentLogger })
  await store.domains.add(domain, { autojoin: true })
  await store.close()
  const directory = `[directory]\nkind = "realm-file"\nfile = "${file}"\ndefault_template = "Default"\n`
  return { dir, directory }
}

/** A realm export file and SQLite. */
export async function realmFileAndSqlite(t: Test, domain: string, users: RealmFileUsers): Promise<Backend> {
  const { dir, directory } = await realmFile(t, domain, users, (dataDir) => ({
    kind: 'sqlite',
    schema: 'standalone',
    path: join(dataDir, 'mailpassd.sqlite'),
    host: '',
    port: 1,
    database: '',
    user: '',
    connections: 1,
    timeout_ms: 3000,
    fresh_seconds: 2,
    dataDir,
  }))
  const path = join(dir, 'mailpassd.sqlite')
  return {
    config: ({ userdb } = {}) => `
${directory}[store]
kind = "sqlite"
schema = "standalone"
path = "${path}"
[log]
logins = "all"
${userdb ?? ''}
`,
    ...views(async (text, values) => {
      const database = new DatabaseSync(path, { timeout: 10_000 })
      try {
        return asRows(database.prepare(text).all(...values)).map((row) => ({ ...row }))
      } finally {
        database.close()
      }
    }),
  }
}

/** A realm export file and a MariaDB with mailpassd's own tables. */
export async function realmFileAndMariadb(t: Test, domain: string, users: RealmFileUsers): Promise<Backend> {
  const database = await mariadbForTests(t, 'standalone')
  const { directory } = await realmFile(t, domain, users, () => database.store)
  return {
    config: ({ userdb } = {}) => `
${directory}[store]
kind = "mysql"
schema = "standalone"
socket = "${database.store.socket}"
database = "${database.name}"
user = "root"
[log]
logins = "all"
${userdb ?? ''}
`,
    ...views(async (text, values) => asRows((await database.sql.query(text, values))[0])),
  }
}
