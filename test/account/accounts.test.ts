import t from 'tap'
import { AccountMemory } from '../../src/account/accounts.ts'
import type { Account } from '../../src/account/account.ts'
import type { Lookup } from '../../src/directory/directory.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeClock, settle } from '../fakes/clock.ts'
import {
  address,
  deferred,
  FakeDirectory,
  FakeSource,
  jane,
  newcomer,
  resident,
  settings,
} from '../fakes/accounts.ts'

const JANE = address('jane@example.org')
const SECOND = 1000
const MINUTE = 60 * SECOND

function memory(limits: { maxAccounts?: number } = {}) {
  const clock = new FakeClock()
  const source = new FakeSource()
  source.stored = resident
  const directory = new FakeDirectory()
  const accounts = new AccountMemory({
    source,
    directory,
    settings: () => settings,
    clock,
    logger: silentLogger,
    limits: {
      maxAccounts: 100,
      storeFreshMs: 2000,
      freshMs: 60_000,
      unknownMs: 30_000,
      waitMs: 2000,
      staleMs: 300_000,
      outageMs: 86_400_000,
      storeOutageMs: 900_000,
      ...limits,
    },
  })
  /** Gets the account, moving the clock while it waits. */
  const get = async (name = JANE, waitMs = 0): Promise<Account> => {
    const got = accounts.get(name)
    if (waitMs > 0) await clock.advance(waitMs)
    return got
  }
  return { clock, source, directory, accounts, get }
}

const isAtOnce = (got: Account | Promise<Account>) => !(got instanceof Promise)
const down = () => Promise.reject(new MailpassdError('directory_unavailable', 'down'))

t.test('rule 1: a record younger than fresh_seconds costs no call', async (t) => {
  const { clock, directory, source, accounts, get } = memory()
  await get()
  t.equal(directory.calls, 1)
  await clock.advance(1 * SECOND)
  t.ok(isAtOnce(accounts.get(JANE)), 'answered at once')
  t.equal(directory.calls, 1)
  t.equal(source.calls, 1)
})

t.test('rule 1: past half of its time it is refreshed in the background, after answering', async (t) => {
  const { clock, directory, get } = memory()
  await get()
  await clock.advance(31 * SECOND)
  await get()
  t.equal(directory.calls, 1, 'the caller did not wait for a look-up')
  await clock.advance(1)
  t.equal(directory.calls, 2)
  await clock.advance(50 * SECOND)
  await get()
  t.equal(directory.calls, 2, 'the refreshed record counts from its own look-up')
})

t.test('rule 2: an older record is fetched, one call for all waiters', async (t) => {
  const { clock, directory, get } = memory()
  await get()
  await clock.advance(61 * SECOND)
  const pending = deferred<Lookup>()
  directory.answer = () => pending.promise
  const waiting = Array.from({ length: 20 }, () => get())
  await settle()
  t.equal(directory.calls, 2)
  pending.resolve({ kind: 'found', user: { ...jane, enabled: false } })
  for (const account of await Promise.all(waiting)) {
    t.match(account.directory, { kind: 'record', lookup: { user: { enabled: false } } })
  }
})

t.test('rule 2: after 2 s a record at most 5 min old answers, and the late answer replaces it', async (t) => {
  const { clock, directory, get } = memory()
  await get()
  await clock.advance(4 * MINUTE)
  const pending = deferred<Lookup>()
  directory.answer = () => pending.promise
  const old = await get(JANE, 2001)
  t.match(old.directory, { kind: 'record', lookup: { user: { enabled: true } } })
  pending.resolve({ kind: 'found', user: { ...jane, enabled: false } })
  await settle()
  t.match((await get()).directory, { kind: 'record', lookup: { user: { enabled: false } } })
  t.equal(directory.calls, 2)
})

t.test('rule 2: a record older than 5 min does not answer: not found out', async (t) => {
  const { clock, directory, get } = memory()
  await get()
  await clock.advance(5 * MINUTE + SECOND)
  directory.answer = () => deferred<Lookup>().promise
  t.same((await get(JANE, 2001)).directory, { kind: 'failed', why: 'directory_down' })
})

t.test(
  'rule 2: a failing look-up of somebody never seen is not found out, and the next one may succeed',
  async (t) => {
    const { directory, get } = memory()
    directory.answer = down
    t.same((await get()).directory, { kind: 'failed', why: 'directory_down' })
    directory.answer = () => Promise.reject(new MailpassdError('directory_refused', '403'))
    t.same((await get()).directory, { kind: 'failed', why: 'directory_refuses_us' })
    directory.answer = () => Promise.reject(new MailpassdError('directory_invalid', 'html'))
    t.same((await get()).directory, { kind: 'failed', why: 'directory_garbage' })
    directory.answer = () => Promise.resolve({ kind: 'found', user: jane })
    t.equal((await get()).directory.kind, 'record')
  },
)

t.test('an unknown user is remembered for unknown_seconds only', async (t) => {
  const { clock, directory, source, get } = memory()
  source.stored = newcomer
  directory.answer = () => Promise.resolve({ kind: 'absent' })
  await get()
  await clock.advance(10 * SECOND)
  await get()
  t.equal(directory.calls, 1)
  await clock.advance(21 * SECOND)
  await get()
  t.equal(directory.calls, 2)
})

t.test('rule 12: rows older than store_fresh_seconds are read again before answering', async (t) => {
  const { clock, source, get } = memory()
  await get()
  await clock.advance(2001)
  source.stored = { ...resident, mailbox: undefined }
  t.equal((await get()).stored.mailbox, undefined)
  t.equal(source.calls, 2)
})

t.test('rule 12: in constant use rows are re-read in the background', async (t) => {
  const { clock, source, accounts, get } = memory()
  await get()
  for (let i = 0; i < 20; i += 1) {
    await clock.advance(600)
    t.ok(isAtOnce(accounts.get(JANE)), 'never waits')
  }
  t.ok(source.calls >= 5 && source.calls <= 12, `${source.calls} queries in 12 s`)
})

t.test('one query for all who come at once', async (t) => {
  const { source, directory, get } = memory()
  await Promise.all(Array.from({ length: 50 }, () => get()))
  t.equal(source.calls, 1)
  t.equal(directory.calls, 1)
})

t.test('a store that fails is told to the caller and asked again by the next', async (t) => {
  const { source, get } = memory()
  source.answer = () => Promise.reject(new MailpassdError('store_unavailable', 'down'))
  await t.rejects(get(), { code: 'store_unavailable' })
  source.answer = () => Promise.resolve(resident)
  t.equal((await get()).stored, resident)
})

t.test('changed makes the rows, or the record, be read anew', async (t) => {
  const { clock, source, directory, accounts, get } = memory()
  await get()
  await clock.advance(1)
  accounts.changed({ kind: 'mailbox', address: JANE.full })
  await clock.advance(1)
  await get()
  t.equal(source.calls, 2)
  t.equal(directory.calls, 1)
  accounts.changed({ kind: 'directory', address: JANE.full })
  await clock.advance(1)
  await get()
  t.equal(directory.calls, 2)
  accounts.changed({ kind: 'everything' })
  await clock.advance(1)
  await get()
  t.equal(source.calls, 3)
  t.equal(directory.calls, 3)
  accounts.changed({ kind: 'domain' })
  await clock.advance(1)
  await get()
  t.equal(source.calls, 4, 'rows of every account')
  t.equal(directory.calls, 3, 'no record')
})

t.test('a change of everything reaches an account that was pushed out while it is read', async (t) => {
  const { clock, source, directory, accounts } = memory()
  const before = deferred<typeof resident>()
  source.answer = () => before.promise
  const first = accounts.get(JANE)
  source.answer = () => Promise.resolve(newcomer)
  directory.answer = () => Promise.resolve({ kind: 'absent' })
  for (let i = 0; i < 1001; i += 1) await accounts.get(address(`guess${i}@example.org`))
  accounts.changed({ kind: 'everything' })
  await clock.advance(1)
  before.resolve(resident)
  await first
  t.notOk(isAtOnce(accounts.get(JANE)), 'what was read before the change does not count')
})

t.test('a read that was under way when the change came does not count', async (t) => {
  const { clock, source, accounts, get } = memory()
  await get()
  await clock.advance(3000)
  const before = deferred<typeof resident>()
  source.answer = () => before.promise
  const first = get()
  await clock.advance(1)
  accounts.changed({ kind: 'mailbox', address: JANE.full })
  const second = get()
  const after = { ...resident, othersLeftOut: 1 }
  await clock.advance(1)
  source.answer = () => Promise.resolve(after)
  before.resolve(resident)
  await first
  t.equal((await second).stored, after)
})

t.test(
  'rows and record of an account belong together, also where rows change during the look-up',
  async (t) => {
    const { clock, source, directory, accounts } = memory()
    const found = deferred<Lookup>()
    directory.answer = () => found.promise
    const waiting = accounts.get(JANE)
    await clock.advance(1500)
    if (resident.mailbox === undefined) throw new Error('the fake has a mailbox')
    source.stored = { ...resident, mailbox: { ...resident.mailbox, authsource: 'mailcow' } }
    accounts.changed({ kind: 'mailbox', address: JANE.full })
    t.equal((await accounts.get(JANE)).directory.kind, 'not_needed')
    found.resolve({ kind: 'found', user: jane })
    const account = await waiting
    t.equal(account.directory.kind, 'record')
    t.equal(account.stored.mailbox?.authsource, 'keycloak')
  },
)

t.test('an unknown domain never costs a directory call and is not remembered', async (t) => {
  const { source, directory, accounts, get } = memory()
  source.stored = { ...newcomer, domain: undefined, making: undefined }
  t.equal((await get()).directory.kind, 'not_needed')
  t.equal(directory.calls, 0)
  t.equal(accounts.size, 0)
})

t.test('made-up names cannot push out real accounts', async (t) => {
  const { source, directory, accounts, get } = memory({ maxAccounts: 100 })
  await get()
  const calls = directory.calls
  source.stored = newcomer
  directory.answer = () => Promise.resolve({ kind: 'absent' })
  for (let i = 0; i < 3000; i += 1) await get(address(`guess${i}@example.org`))
  t.ok(accounts.size <= 1001, `${accounts.size} remembered`)
  t.ok(isAtOnce(accounts.get(JANE)), 'jane is still there')
  t.equal(directory.calls, calls + 3000)
})

t.test('a mailbox with its own password needs no directory', async (t) => {
  const { source, directory, get } = memory()
  if (resident.mailbox === undefined) throw new Error('the fake has a mailbox')
  source.stored = { ...resident, mailbox: { ...resident.mailbox, authsource: 'mailcow' } }
  t.equal((await get()).directory.kind, 'not_needed')
  t.equal(directory.calls, 0)
})

t.test('rule 4: the answer of a reading does not stand where a change was told since', async (t) => {
  const { clock, directory, accounts, get } = memory()
  await get()
  await clock.advance(3 * SECOND)
  const guess = { asker: ['192.0.2.0/24'], isMain: true }
  t.match(await accounts.reread(JANE, guess), { kind: 'account' })
  t.match(await accounts.reread(JANE, guess), { kind: 'account' }, 'it stands')
  t.equal(directory.calls, 2)
  await clock.advance(SECOND)
  accounts.changed({ kind: 'directory_user', id: jane.id })
  directory.answer = down
  t.match((await get()).directory, { kind: 'record' }, 'the old record serves a right password')
  t.match(await accounts.reread(JANE, guess), { kind: 'refused', why: 'reread_failed' })
  directory.answer = () => Promise.resolve({ kind: 'found', user: { ...jane, hashes: ['{PLAIN}new'] } })
  await clock.advance(SECOND)
  await get()
  t.match(await accounts.reread(JANE, guess), {
    account: { directory: { lookup: { user: { hashes: ['{PLAIN}new'] } } } },
  })
})
