/** What only MariaDB shows: outages, time limits, rights, mailcow's schema left alone. */
import { randomBytes } from 'node:crypto'
import { rm, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { openStore, type StoreOptions } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { addressOf, makePlan } from '../contract/store-plans.ts'
import { databaseOn, mariadbForTests, mariadbInstalled, startMariadb } from '../servers/mariadb.ts'
import { mariadbMissing, suite } from '../servers/suite.ts'

const JANE = addressOf('jane@example.org')

async function open(t: Test, options: StoreOptions) {
  const store = await openStore(options, { clock: systemClock, logger: silentLogger })
  t.teardown(() => store.close())
  return store
}

suite(
  'a server of its own',
  [mariadbInstalled() ? undefined : 'no mariadbd (npm run servers)'],
  async (t) => {
    const workDir = await mkdtemp(join(tmpdir(), 'mailpassd-mariadb-'))
    let server = await startMariadb(workDir)
    const { port } = server
    t.teardown(async () => {
      server.resume()
      await server.stop()
      await rm(workDir, { recursive: true, force: true })
    })

    t.test('stopped, hanging, back: store_unavailable within the time limit, then on', async (t) => {
      const database = await databaseOn(t, server.socket, 'standalone')
      const store = await open(t, { ...database.store, timeout_ms: 300 })
      await store.domains.add('example.org', {})
      await store.mailboxes.apply(JANE, makePlan)

      server.pause()
      await t.rejects(store.accounts.loadAccount(JANE), { code: 'store_unavailable' })
      await t.rejects(store.ping(), { code: 'store_unavailable' })
      await t.rejects(store.mailboxes.apply(addressOf('joe@example.org'), makePlan), {
        code: 'store_unavailable',
      })
      const many = await Promise.allSettled(
        Array.from({ length: 50 }, () => store.accounts.loadAccount(JANE)),
      )
      t.ok(many.every(({ status }) => status === 'rejected'))
      server.resume()
      await t.resolves(store.ping())
      t.equal((await store.accounts.loadAccount(JANE)).mailbox?.username, JANE.full)
      t.same(await store.mailboxes.apply(addressOf('joe@example.org'), makePlan), {
        kind: 'done',
        made: true,
      })

      await server.kill()
      await t.rejects(store.accounts.loadAccount(JANE), { code: 'store_unavailable' })
      const early = await open(t, { ...database.store, timeout_ms: 300 })
      await t.rejects(early.ready(), { code: 'store_unavailable' }, 'a store opened while it is down')
      server = await startMariadb(workDir, port)
      t.equal((await store.accounts.loadAccount(JANE)).mailbox?.username, JANE.full)
      t.equal((await early.accounts.loadAccount(JANE)).mailbox?.username, JANE.full)

      const tcp = { ...database.store, socket: undefined, port }
      const { socket: _socket, ...byTcp } = tcp
      t.equal((await (await open(t, byTcp)).accounts.loadAccount(JANE)).mailbox?.username, JANE.full, 'TCP')
    })

    t.test("dates are in the server's time zone, as everybody else's there", async (t) => {
      const database = await databaseOn(t, server.socket, 'standalone')
      await database.sql.query(`set global time_zone = '+05:30'`)
      t.teardown(() => database.sql.query(`set global time_zone = '+00:00'`))
      const store = await open(t, database.store)
      const atMs = Date.UTC(2026, 0, 2, 3, 4, 5)
      await store.loginLog.writeSaslLog([
        { service: 'imap', appPasswordId: 0, mailbox: JANE.full, remoteIp: '192.0.2.1', atMs },
      ])
      const [rows] = await database.sql.query('select datetime from sasl_log')
      t.same(rows, [{ datetime: '2026-01-02 08:34:05' }])
    })

    t.test('rights: a password, a right that is missing, a user who may not make tables', async (t) => {
      const database = await databaseOn(t, server.socket, 'mailcow')
      const user = `u${randomBytes(4).toString('hex')}`
      await database.sql.query(
        `create user '${user}'@'localhost' identified by 'right'; grant select on \`${database.name}\`.* to '${user}'@'localhost'`,
      )
      const wrong = await open(t, { ...database.store, user, password: 'wrong' })
      await t.rejects(wrong.ready(), { code: 'store_unavailable', message: /store\.password/ })
      const reader = await open(t, { ...database.store, user, password: 'right' })
      await t.rejects(reader.ready(), {
        code: 'store_schema',
        message: /grant the user CREATE.*migrate --dry-run/,
      })
      const statements = await reader.migrate({ dryRun: true })
      for (const statement of statements) await database.sql.query(statement)
      await reader.ready()
      await t.rejects(reader.domains.add('example.org', {}), { code: 'not_found' })
      await database.sql.query(`insert into domain (domain, mailboxes) values ('example.org', 10)`)
      await t.rejects(reader.domains.add('example.org', {}), { code: 'store_failed', message: /grant/ })
      t.equal((await reader.accounts.loadAccount(JANE)).domain?.name, 'example.org', 'reading goes on')
      const absent = await open(t, { ...database.store, database: 'mailpassd_absent' })
      await t.rejects(absent.ready(), { code: 'store_unavailable', message: /create the database/ })
    })
  },
)

suite('another writer in the way', [mariadbMissing()], async (t) => {
  const { sql, store: options } = await mariadbForTests(t, 'standalone')
  const store = await open(t, options)
  await store.domains.add('example.org', {})

  t.test('a lock is waited for', async (t) => {
    await sql.query(`begin; select * from domain where domain = 'example.org' for update`)
    const applied = store.mailboxes.apply(JANE, makePlan)
    t.equal((await store.accounts.loadAccount(JANE)).mailbox, undefined, 'reading does not wait')
    await sql.query('commit')
    t.same(await applied, { kind: 'done', made: true })
  })

  t.test('a lock that stays is store_conflict', async (t) => {
    const impatient = await open(t, { ...options, timeout_ms: 1300 })
    await impatient.ready()
    await sql.query(`begin; select * from domain where domain = 'example.org' for update`)
    await t.rejects(impatient.mailboxes.apply(JANE, makePlan), { code: 'store_conflict' })
    await sql.query('rollback')
  })

  t.test('a statement that the server stops is store_unavailable and keeps the connection', async (t) => {
    const impatient = await open(t, { ...options, timeout_ms: 300, connections: 1 })
    await impatient.ready()
    await sql.query(`begin; select * from domain where domain = 'example.org' for update`)
    await t.rejects(impatient.mailboxes.apply(JANE, makePlan), { code: 'store_unavailable' })
    await sql.query('rollback')
    t.same(await impatient.mailboxes.apply(JANE, makePlan), { kind: 'done', made: false })
  })
})

suite("mailcow's schema", [mariadbMissing()], async (t) => {
  async function definitions(sql: Awaited<ReturnType<typeof mariadbForTests>>['sql']): Promise<unknown> {
    const [tables] = await sql.query(
      `select table_name as name from information_schema.tables
       where table_schema = database() and table_name not like 'mailpassd%' order by 1`,
    )
    const all: unknown[] = []
    for (const table of Array.isArray(tables) ? tables : []) {
      const name = 'name' in table ? String(table.name) : ''
      const [definition] = await sql.query(`show create table \`${name}\``)
      all.push(definition)
    }
    return JSON.parse(JSON.stringify(all).replaceAll(/ AUTO_INCREMENT=\d+/g, ''))
  }

  t.test('stays as it is', async (t) => {
    const { sql, store: options } = await mariadbForTests(t, 'mailcow')
    await sql.query(`insert into domain (domain, mailboxes) values ('example.org', 10)`)
    const before = await definitions(sql)
    const [templates] = await sql.query('select * from templates')
    const store = await open(t, options)
    await store.domains.add('example.org', {})
    await store.mailboxes.apply(JANE, makePlan)
    t.same(await definitions(sql), before)
    t.same((await sql.query('select * from templates'))[0], templates)
  })

  t.test('a second factor counts where its table is', async (t) => {
    const { sql, store: options } = await mariadbForTests(t, 'mailcow')
    await sql.query(`insert into domain (domain, mailboxes) values ('example.org', 10)`)
    const store = await open(t, options)
    await store.mailboxes.apply(JANE, makePlan)
    await sql.query(
      `insert into tfa (key_id, username, authmech, active) values ('k', '${JANE.full}', 'totp', 0)`,
    )
    t.equal((await store.accounts.loadAccount(JANE)).mailbox?.tfaActive, false)
    await sql.query(`update tfa set active = 1`)
    t.equal((await store.accounts.loadAccount(JANE)).mailbox?.tfaActive, true)
    await sql.query('drop table tfa')
    await t.rejects(store.accounts.loadAccount(JANE), { code: 'store_schema' })
    t.equal((await store.accounts.loadAccount(JANE)).mailbox?.tfaActive, false, 'looked at the tables again')
  })

  t.test('what is missing is named, all at once, and before anything is made', async (t) => {
    const { sql, store: options } = await mariadbForTests(t, 'mailcow')
    await sql.query('alter table mailbox drop column authsource; drop table spamalias')
    const store = await open(t, options)
    const lacks = /lacks column mailbox\.authsource, table spamalias;/
    await t.rejects(store.ready(), { code: 'store_schema', message: lacks })
    await t.rejects(store.accounts.loadAccount(JANE), { code: 'store_schema', message: lacks })
    t.same((await sql.query(`show tables like 'mailpassd%'`))[0], [])
    t.ok((await store.check()).includes('column mailbox.authsource'))
  })

  t.test('a column that goes away while running is named', async (t) => {
    const { sql, store: options } = await mariadbForTests(t, 'mailcow')
    const store = await open(t, options)
    await store.ready()
    await sql.query('alter table mailbox drop column kind')
    await t.rejects(store.accounts.loadAccount(JANE), { code: 'store_schema' })
    await t.rejects(store.accounts.loadAccount(JANE), {
      code: 'store_schema',
      message: /lacks column mailbox\.kind;/,
    })
    await sql.query(`alter table mailbox add column kind varchar(100) not null default ''`)
    t.equal((await store.accounts.loadAccount(JANE)).mailbox, undefined, 'and is taken up again')
  })

  t.test('is not taken for an empty database', async (t) => {
    const { store: options } = await mariadbForTests(t, 'mailcow')
    const store = await open(t, { ...options, schema: 'standalone' })
    await t.rejects(store.ready(), { code: 'store_schema', message: /store\.schema = "mailcow"/ })
  })
})
