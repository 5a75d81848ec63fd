/** The store contract on every database, and what only one of them has. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { suite } from '../servers/suite.ts'
import { addressOf, makePlan } from './store-plans.ts'
import { sqliteOptions, stoppedClock, SUBJECTS, testDir } from './store-subjects.ts'
import { storeContract } from './store.ts'

for (const subject of SUBJECTS) {
  suite(subject.name, [subject.missing], async (t) => storeContract(subject, t))
}

t.test('SQLite in memory makes and finds a mailbox', async (t) => {
  const options = sqliteOptions(testDir(t), ':memory:')
  const store = await openStore(options, { clock: stoppedClock, logger: silentLogger })
  t.teardown(() => store.close())
  await store.domains.add('example.org', {})
  const jane = addressOf('jane@example.org')
  const applied = await Promise.all(Array.from({ length: 5 }, () => store.mailboxes.apply(jane, makePlan)))
  t.equal(applied.filter((one) => one.kind === 'done' && one.made).length, 1)
  t.equal((await store.accounts.loadAccount(jane)).mailbox?.directoryId, 'id-1')
})

t.test('a SQLite file is for its owner alone', async (t) => {
  const dir = testDir(t)
  const store = await openStore(sqliteOptions(dir), { clock: stoppedClock, logger: silentLogger })
  t.teardown(() => store.close())
  await store.ready()
  for (const name of ['store.sqlite', 'store.sqlite-wal', 'store.sqlite-shm']) {
    t.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name)
  }
})

t.test('a SQLite file that cannot be opened says so', async (t) => {
  const options = sqliteOptions(join(testDir(t), 'absent'))
  await t.rejects(openStore(options, { clock: stoppedClock, logger: silentLogger }), {
    code: 'store_unavailable',
    message: /cannot be opened/,
  })
})

t.test(
  'a SQLite file that another process keeps locked: reads go on, writes wait, then say so',
  async (t) => {
    const dir = testDir(t)
    const options = { ...sqliteOptions(dir), timeout_ms: 100 }
    const store = await openStore(options, { clock: stoppedClock, logger: silentLogger })
    t.teardown(() => store.close())
    await store.domains.add('example.org', {})
    const jane = addressOf('jane@example.org')
    const other = new DatabaseSync(join(dir, 'store.sqlite'))
    t.teardown(() => other.close())
    other.exec('begin immediate')
    t.equal((await store.accounts.loadAccount(jane)).domain?.name, 'example.org')
    await t.rejects(store.mailboxes.apply(jane, makePlan), { code: 'store_unavailable', message: /locked/ })
    const applied = store.mailboxes.apply(jane, makePlan)
    other.exec('rollback')
    t.same(await applied, { kind: 'done', made: true })
  },
)
