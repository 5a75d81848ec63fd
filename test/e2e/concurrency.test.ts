/**
 * First logins under stress, on a real Keycloak and MariaDB in mailcow's schema: many at once, a daemon killed in the
 * middle of making a mailbox, and refusals that must leave no row.
 */
import { execFile } from 'node:child_process'
import type { Test } from 'tap'
import { keycloakAndMariadb, mailUser, type FullBackend } from './backend.ts'
import { httpLogin, MAILPASSD, startDaemon, type RunningDaemon } from './daemon.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'

const DOMAIN = 'many.example'
const PASSWORD = 'one of many'
const CORE = ['mailbox', 'alias', 'quota2', 'quota2replica', 'user_acl', 'mailpassd_mailbox']

async function rowCounts(backend: FullBackend, address: string): Promise<Record<string, number>> {
  const rows = await backend.rowsOf(address)
  return Object.fromEntries(CORE.map((table) => [table, rows[table]?.length ?? 0]))
}

const ALL_ONCE = Object.fromEntries(CORE.map((table) => [table, 1]))
const NONE = Object.fromEntries(CORE.map((table) => [table, 0]))

async function running(
  t: Test,
  backend: FullBackend,
  more: { dataDir?: string } = {},
): Promise<RunningDaemon> {
  const daemon = await startDaemon({ config: backend.config(), ...more })
  t.teardown(() => daemon.stop())
  return daemon
}

/** `mailpassd login` against the running daemon. */
function commandLogin(daemon: RunningDaemon, user: string): Promise<string> {
  return new Promise((resolve) => {
    const args = ['login', user, '--json', '--config', daemon.configFile, '--data-dir', daemon.dataDir]
    const child = execFile(MAILPASSD, args, (_error, stdout, stderr) => resolve(`${stdout}${stderr}`))
    child.stdin?.end(`${PASSWORD}\n`)
  })
}

suite('50 first logins of one user at once', [keycloakMissing(), mariadbMissing()], async (t) => {
  const user = `crowd@${DOMAIN}`
  const backend = await keycloakAndMariadb(t, DOMAIN, [mailUser(user, PASSWORD)])
  // Two daemons, as two nodes on one database.
  const daemons = [await running(t, backend), await running(t, backend)]
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      httpLogin(daemons[i % 2]?.url ?? '', user, PASSWORD, ['imap', 'pop3', 'smtp', 'sieve'][i % 4]),
    ),
  )
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]), '50 successes')
  t.equal(
    answers.filter(({ body }) => body['provisioned'] === true).length,
    1,
    'one of them made the mailbox',
  )
  t.same(await rowCounts(backend, user), ALL_ONCE)
  t.equal(await backend.mailboxes(), 1)
})

suite('20 users at once where 5 may have a mailbox', [keycloakMissing(), mariadbMissing()], async (t) => {
  const users = Array.from({ length: 20 }, (_, i) => `user${i}@${DOMAIN}`)
  const backend = await keycloakAndMariadb(
    t,
    DOMAIN,
    users.map((user) => mailUser(user, PASSWORD)),
  )
  await backend.database.sql.query('update domain set mailboxes = 5')
  const daemons = [await running(t, backend), await running(t, backend)]
  const answers = await Promise.all(
    users.map((user, i) => httpLogin(daemons[i % 2]?.url ?? '', user, PASSWORD)),
  )
  t.equal(answers.filter(({ status }) => status === 200).length, 5)
  t.equal(answers.filter(({ body }) => body['verdict'] === 'user_disabled').length, 15)
  t.equal(await backend.mailboxes(), 5)
})

suite(
  'kill -9 while a mailbox is made: nothing half done, the next login makes it',
  [keycloakMissing(), mariadbMissing()],
  async (t) => {
    const user = `killed@${DOMAIN}`
    const backend = await keycloakAndMariadb(t, DOMAIN, [mailUser(user, PASSWORD)])
    const { sql, name } = backend.database
    const first = await running(t, backend)
    // The writer gets as far as its last rows, and waits there for a table that somebody else holds.
    await sql.query('lock tables user_acl write')
    const answer = httpLogin(first.url, user, PASSWORD).catch(() => 'connection lost')
    await waitFor(async () => {
      const [rows] = await sql.query(
        `select 1 from information_schema.processlist where db = ? and state like '%lock%'`,
        [name],
      )
      return Array.isArray(rows) && rows.length > 0
    })
    await first.kill()
    t.equal(await answer, 'connection lost')
    await sql.query('unlock tables')
    await waitFor(async () => {
      const [rows] = await sql.query('select 1 from information_schema.innodb_trx')
      return Array.isArray(rows) && rows.length === 0
    })
    t.same(await rowCounts(backend, user), NONE, 'nothing of it is there')

    const second = await running(t, backend)
    t.match(await httpLogin(second.url, user, PASSWORD), { status: 200, body: { provisioned: true } })
    t.same(await rowCounts(backend, user), ALL_ONCE)
  },
)

suite(
  'rows that a crash of another program left out are made at the next login',
  [keycloakMissing(), mariadbMissing()],
  async (t) => {
    const user = `half@${DOMAIN}`
    const backend = await keycloakAndMariadb(t, DOMAIN, [mailUser(user, PASSWORD)])
    const daemon = await running(t, backend)
    t.equal((await httpLogin(daemon.url, user, PASSWORD)).status, 200)
    for (const table of [
      'alias where address',
      'quota2 where username',
      'quota2replica where username',
      'user_acl where username',
    ]) {
      await backend.database.sql.query(`delete from ${table} = ?`, [user])
    }
    await waitFor(async () => {
      t.equal((await httpLogin(daemon.url, user, PASSWORD)).status, 200)
      return (await backend.rowsOf(user))['user_acl']?.length === 1
    })
    t.same(await rowCounts(backend, user), ALL_ONCE)
  },
)

const REFUSED: [string, string, string, string][] = [
  [
    'protocol closed in the template',
    `update templates set attributes = json_set(attributes, '$.imap_access', '0') where template = 'Default'`,
    'service_denied',
    'service_closed',
  ],
  [
    'mailbox inactive in the template',
    `update templates set attributes = json_set(attributes, '$.active', 0) where template = 'Default'`,
    'user_disabled',
    'mailbox_inactive',
  ],
  ['domain inactive', 'update domain set active = 0', 'user_disabled', 'domain_inactive'],
  ['limit reached', 'update domain set mailboxes = 0', 'user_disabled', 'max_mailboxes'],
]

suite(
  'a refused first login writes no row, and says why',
  [keycloakMissing(), mariadbMissing()],
  async (t) => {
    for (const [name, statement, verdict, why] of REFUSED) {
      const user = `refused@${DOMAIN}`
      await t.test(name, async (t) => {
        const backend = await keycloakAndMariadb(t, DOMAIN, [mailUser(user, PASSWORD)])
        const daemon = await running(t, backend)
        // The tables are there from the daemon's first look on.
        await waitFor(async () => (await fetch(`${daemon.adminUrl}/healthz`)).ok)
        await backend.database.sql.query(statement)
        t.match(await httpLogin(daemon.url, user, PASSWORD), { status: 403, body: { verdict } })
        t.match(JSON.parse(await commandLogin(daemon, user)), { verdict, why })
        await waitFor(async () =>
          daemon.lines().some((line) => line['why'] === why && line['mailbox'] === user),
        )
        const rows = await backend.rowsOf(user)
        t.same(Object.values(rows).flat(), [], 'no row')
      })
    }
  },
)

/** Asks every 100 ms, for at most a minute. */
async function waitFor(happened: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i += 1) {
    if (await happened()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('it did not happen within a minute')
}
