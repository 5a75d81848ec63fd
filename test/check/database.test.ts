/** The connection test's steps over the database, on SQLite and on a real MariaDB. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { EXIT } from '../../src/errors.ts'
import { writeRealmFile } from '../../src/directory/realm-file/write.ts'
import { openStore, type Store, type StoreOptions } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import {
  databaseOn,
  mariadbForTests,
  mariadbInstalled,
  startMariadb,
  type TestDatabase,
} from '../servers/mariadb.ts'
import { mariadbMissing, suite } from '../servers/suite.ts'
import { runLive, stepOf, type LiveReport } from './live.ts'

async function open(t: Test, options: StoreOptions): Promise<Store> {
  const store = await openStore(options, { clock: systemClock, logger: silentLogger })
  t.teardown(() => store.close())
  return store
}

/** A data directory with a realm file, for what does not speak of the directory. */
async function dataDir(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-data-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  await writeRealmFile(join(dir, 'realm.json'), [
    { username: 'jane', email: 'jane@example.org', hash: '{PLAIN}of-this-test' },
  ])
  return dir
}

/** As `runLive`, for a MariaDB of the run. */
async function run(t: Test, { store }: TestDatabase, change: Record<string, string | number> = {}) {
  const { kind, schema, socket = '', database, user } = store
  const report = await runLive(t, {
    directory: undefined,
    dataDir: await dataDir(t),
    store: { kind, schema, socket, database, user, ...change },
  })
  t.notMatch(report.all, /of-this-test/)
  return report
}

const STORE_STEPS = ['database', 'rights', 'tables', 'domains', 'templates', 'app passwords']
const results = (report: LiveReport) =>
  report.steps.filter(({ name }) => STORE_STEPS.includes(name)).map(({ name, result }) => [name, result])

t.test('SQLite and a realm file', async (t) => {
  const dir = await dataDir(t)
  const wish = { directory: undefined, dataDir: dir, address: 'jane@example.org', asText: true }
  const absent = await runLive(t, wish)
  t.match(stepOf(absent, 'database'), { result: 'ok', detail: /not there yet; serve makes it/ })

  const path = join(dir, 'mailpassd.sqlite')
  const store = await open(t, {
    kind: 'sqlite',
    schema: 'standalone',
    path,
    dataDir: dir,
    host: '',
    port: 1,
    database: '',
    user: '',
    connections: 1,
    timeout_ms: 1000,
    fresh_seconds: 2,
  })
  await store.domains.add('example.org', {})
  const report = await runLive(t, wish)
  t.same(
    report.steps.map(({ name, result }) => [name, result]),
    [
      ['configuration', 'ok'],
      ['data directory', 'ok'],
      ['realm file', 'ok'],
      ['look-up', 'ok'],
      ['address', 'ok'],
      ['latency', 'ok'],
      ['password attribute', 'ok'],
      ['template attribute', 'ok'],
      ['e-mail', 'ok'],
      ...STORE_STEPS.map((name) => [name, 'ok']),
    ],
  )
  t.notMatch(report.all, /of-this-test/)
  t.match(stepOf(report, 'address').detail, /found, enabled, .*1 hash \(PLAIN\)/)
  t.match(stepOf(report, 'domains').detail, /^1 active domain, 1 of them with mailboxes made/)

  const database = new DatabaseSync(path)
  t.teardown(() => database.close())
  database.exec(`alter table mailpassd_domain rename column template to other`)
  const changed = await runLive(t, wish)
  t.equal(changed.exitCode, EXIT.config)
  t.match(stepOf(changed, 'tables'), { result: 'failed', detail: /column mailpassd_domain\.template/ })
  t.match(stepOf(changed, 'domains'), { result: 'skipped' })
})

suite('on a real MariaDB', [mariadbMissing()], async (t) => {
  /** mailcow's tables and ours, one domain. */
  async function prepared(t: Test): Promise<TestDatabase> {
    const database = await mariadbForTests(t, 'mailcow')
    await database.sql.query(
      `insert into domain (domain, mailboxes, quota) values ('example.org', 10, 10240)`,
    )
    await (await open(t, database.store)).ready()
    return database
  }

  t.test('in order, but for a default template', async (t) => {
    const database = await prepared(t)
    const report = await run(t, database)
    t.same(
      results(report),
      STORE_STEPS.map((name) => [name, name === 'templates' ? 'warning' : 'ok']),
    )
    t.match(stepOf(report, 'database').detail, /^MariaDB .* answers, version \d+\.\d+/)
    t.match(stepOf(report, 'templates'), { detail: /no mailbox is made there/, hint: /default_template/ })
    t.equal(report.exitCode, EXIT.ok)
  })

  t.test('a missing table, a missing column', async (t) => {
    const database = await prepared(t)
    await database.sql.query('drop table spamalias; alter table mailbox drop column authsource')
    const report = await run(t, database)
    t.match(stepOf(report, 'tables'), {
      result: 'failed',
      detail: /column mailbox\.authsource, table spamalias/,
      hint: /mailcow/,
    })
    t.same(results(report).slice(3), [
      ['domains', 'skipped'],
      ['templates', 'skipped'],
      ['app passwords', 'skipped'],
    ])
    t.equal(report.exitCode, EXIT.config)

    await database.sql.query('drop table mailpassd_change')
    t.match(stepOf(await run(t, database), 'tables'), { detail: /spamalias/ })
  })

  t.test('tables that are still to be made are not a fault', async (t) => {
    const database = await mariadbForTests(t, 'mailcow')
    const report = await run(t, database)
    t.match(stepOf(report, 'tables'), { result: 'warning', detail: /\d+ statements/, hint: /migrate/ })
    t.same(await tablesOfOurs(database), [], 'and are not made')
    t.equal(report.exitCode, EXIT.ok)
    t.match(stepOf(await run(t, database, { schema: 'standalone' }), 'tables'), {
      result: 'failed',
      detail: /store\.schema = "mailcow"/,
    })
  })

  t.test('rights: none, none to write, none on one table; a wrong password; no such database', async (t) => {
    const database = await prepared(t)
    const user = `u${randomBytes(4).toString('hex')}`
    const name = `'${user}'@'localhost'`
    const grant = (rights: string, on = '*') =>
      database.sql.query(`grant ${rights} on \`${database.name}\`.${on} to ${name}`)
    await database.sql.query(`create user ${name} identified by 'right'`)
    t.teardown(() => database.sql.query(`drop user ${name}`))
    const as = (password: string, change = {}) => run(t, database, { user, password, ...change })

    const none = await as('right')
    t.match(stepOf(none, 'database'), { result: 'failed', detail: /grant the user rights on the database/ })
    t.equal(none.exitCode, EXIT.unavailable)
    t.match(stepOf(await as('wrong'), 'database'), { result: 'failed', detail: /store\.password/ })

    await grant('select')
    const reader = await as('right')
    t.match(stepOf(reader, 'rights'), {
      result: 'failed',
      detail: /lacks INSERT on mailbox; .*INSERT, UPDATE, DELETE on mailpassd_login/,
      hint: /GRANT SELECT, INSERT, UPDATE, DELETE/,
    })
    t.notMatch(stepOf(reader, 'rights').detail, / on domain\b/, "mailcow's domains are only read")
    t.same(results(reader).slice(2, 4), [
      ['tables', 'ok'],
      ['domains', 'ok'],
    ])
    t.equal(reader.exitCode, EXIT.config)

    await grant('select, insert, update, delete')
    t.equal(stepOf(await as('right'), 'rights').result, 'ok')

    await database.sql.query(`revoke select, insert, update, delete on \`${database.name}\`.* from ${name}`)
    await grant('select, insert', 'mailbox')
    const one = await as('right')
    t.match(stepOf(one, 'rights'), { result: 'failed', detail: /SELECT on domain/ })
    t.notMatch(stepOf(one, 'rights').detail, / on mailbox\b/)
    t.match(stepOf(one, 'tables'), { result: 'skipped', detail: /may not be read/ })

    const absent = await run(t, database, { database: 'mailpassd_absent' })
    t.match(stepOf(absent, 'database'), { result: 'failed', detail: /create the database/ })
  })

  t.test('nothing is written, locked or counted up by looking', async (t) => {
    const database = await prepared(t)
    const state = async () => {
      const [rows] = await database.sql.query(
        `select table_name, table_rows, auto_increment from information_schema.tables
         where table_schema = database() order by 1`,
      )
      return rows
    }
    const before = await state()
    await database.sql.query(`begin; select * from domain where domain = 'example.org' for update`)
    const report = await run(t, database)
    await database.sql.query('rollback')
    t.equal(stepOf(report, 'rights').result, 'ok', 'a lock is not waited for')
    t.same(await state(), before)
  })

  t.test('domains: none, inactive, full, and aliases of nothing', async (t) => {
    const database = await prepared(t)
    const { sql } = database
    await sql.query(
      `insert into mailbox (username, password, local_part, domain, quota, attributes)
       values ('a@full.example', '', 'a', 'full.example', ${5 * 1024 * 1024}, '{}');
       insert into domain (domain, mailboxes, quota) values ('full.example', 1, 5), ('off.example', 1, 1);
       update domain set active = 0 where domain = 'off.example';
       insert into alias_domain (alias_domain, target_domain) values ('good.example', 'example.org'), ('lost.example', 'gone.example')`,
    )
    const report = await run(t, database)
    const { result, detail } = stepOf(report, 'domains')
    t.equal(result, 'warning')
    t.match(
      detail,
      /2 active domains, 2 of them with mailboxes made at the first login; 1 inactive; 2 alias domains/,
    )
    t.match(detail, /at their number of mailboxes, so that none is made: full\.example;/)
    t.match(detail, /all quota is given out, .*: full\.example;/)
    t.match(detail, /not there: lost\.example of gone\.example/)
    t.equal(report.exitCode, EXIT.ok)
    await sql.query('update domain set active = 0')
    t.match(stepOf(await run(t, database), 'domains'), { detail: /no domain is active/ })
    await sql.query('delete from domain')
    t.match(stepOf(await run(t, database), 'domains'), { result: 'warning', hint: /domain add/ })
  })

  t.test('mailboxes with more app passwords than are tried', async (t) => {
    const database = await prepared(t)
    const rows = Array.from(
      { length: 21 },
      (_, at) => `('n${at}', 'a@example.org', 'example.org', '{X}of-this-test')`,
    )
    await database.sql.query(
      `insert into mailbox (username, password, local_part, domain, attributes)
       values ('a@example.org', '', 'a', 'example.org', '{}');
       insert into app_passwd (name, mailbox, domain, password) values ${rows.join(', ')}`,
    )
    const report = await run(t, database)
    t.match(stepOf(report, 'app passwords'), {
      result: 'warning',
      detail: /more than 20 .*: a@example\.org \(21\)\./,
      hint: /app-password create/,
    })
    await database.sql.query(`delete from app_passwd where name = 'n0'`)
    t.equal(stepOf(await run(t, database), 'app passwords').result, 'ok')
  })

  t.test('templates that are named and not there, or cannot be used', async (t) => {
    const database = await prepared(t)
    await database.sql.query(
      `insert into templates (template, type, attributes) values ('Broken', 'mailbox', '[]');
       insert into mailpassd_domain (domain, template) values ('example.org', 'Broken')`,
    )
    const { kind, schema, socket = '', database: name, user } = database.store
    const report = await runLive(t, {
      directory: {
        server_url: 'http://127.0.0.1:1',
        realm: 'r',
        client_id: 'c',
        client_secret: 'of-this-test',
        default_template: 'Default',
        mappings: [{ attribute: 'a', template: 'Gone' }],
      },
      store: { kind, schema, socket, database: name, user },
    })
    t.match(stepOf(report, 'templates'), {
      result: 'failed',
      detail:
        /domain example\.org names .*"Broken", which cannot be used: .*; directory\.mappings\[0\] names .*"Gone", which does not exist/,
      hint: /there are: Default/,
    })
    t.equal(report.exitCode, EXIT.config, 'though the directory is only not reachable')
  })
})

suite(
  'on a MariaDB of its own',
  [mariadbInstalled() ? undefined : 'no mariadbd (npm run servers)'],
  async (t) => {
    const workDir = await mkdtemp(join(tmpdir(), 'mailpassd-mariadb-'))
    const server = await startMariadb(workDir)
    t.teardown(async () => {
      await server.stop()
      await rm(workDir, { recursive: true, force: true })
    })
    const database = await databaseOn(t, server.socket, 'mailcow')
    await (await open(t, database.store)).ready()
    const rights = 'select, insert, update, delete'
    await database.sql.query(
      `create user 'limited'@'localhost'; grant ${rights} on \`${database.name}\`.* to 'limited'@'localhost'`,
    )
    const as = () => run(t, database, { user: 'limited' })
    t.equal(stepOf(await as(), 'rights').result, 'ok')

    await database.sql.query('set global read_only = 1')
    const replica = await as()
    t.match(stepOf(replica, 'rights'), { result: 'failed', detail: /read-only/ })
    t.equal(replica.exitCode, EXIT.unavailable)
    await database.sql.query('set global read_only = 0')

    server.pause()
    const hanging = await as()
    server.resume()
    t.match(stepOf(hanging, 'database'), { result: 'failed', detail: /no (?:answer|connection) within/ })
    t.match(stepOf(hanging, 'tables'), { result: 'skipped' })
    await server.stop()
    t.match(stepOf(await as(), 'database'), { result: 'failed', detail: /mariadb\.sock/ })
  },
)

async function tablesOfOurs({ sql }: TestDatabase): Promise<unknown> {
  const [rows] = await sql.query(`show tables like 'mailpassd%'`)
  return rows
}
