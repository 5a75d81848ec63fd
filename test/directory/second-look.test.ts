/** Users of whom an event told: addresses are read anew, sessions end for who is disabled or gone, and for nobody else. */
import t from 'tap'
import { startSecondLooks, type Departed } from '../../src/directory/second-look.ts'
import type { DirectoryUser } from '../../src/directory/user.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { jane } from '../fakes/accounts.ts'
import { FakeClock } from '../fakes/clock.ts'

function looking({
  dovecot = true,
  known = ['jane@example.org'],
}: { dovecot?: boolean; known?: string[] } = {}) {
  const clock = new FakeClock()
  const effects: object[] = []
  const refreshed: string[] = []
  const ended: Departed[][] = []
  const asked: string[] = []
  let answer: () => Promise<DirectoryUser | undefined> = async () => jane
  let isHeld = false
  let isStoreDown = false
  const looks = startSecondLooks({
    findById: (id) => {
      asked.push(id)
      return answer()
    },
    accounts: {
      addressesOf: () => known,
      async refresh(address) {
        refreshed.push(address)
      },
      changed: (event) => effects.push(event),
    },
    ...(dovecot
      ? {
          departures: {
            known: async (ids: readonly string[]) => ids.filter((id) => id.startsWith('mailbox-')),
            async end(departed: readonly Departed[]) {
              if (isStoreDown) throw new MailpassdError('store_unavailable', 'told by the test')
              ended.push(departed.map(({ id, cause }) => ({ id, cause })))
              return departed.map(({ id }) => `${id}@example.org`)
            },
          },
        }
      : {}),
    isHeld: () => isHeld,
    clock,
    logger: silentLogger,
  })
  return {
    clock,
    effects,
    refreshed,
    ended,
    asked,
    looks,
    answer: (next: () => Promise<DirectoryUser | undefined>) => (answer = next),
    hold: (next: boolean) => (isHeld = next),
    storeDown: (next: boolean) => (isStoreDown = next),
    add: (ids: readonly string[], onlyDepartures = false) =>
      looks.add(
        ids.map((id, at) => ({ id, atMs: 1000 + at })),
        { onlyDepartures },
      ),
  }
}

t.test('a record in use is replaced before the next login', async (t) => {
  const { add, clock, refreshed, effects, ended, looks } = looking()
  add(['id-jane'])
  t.equal(looks.pending(), 1)
  t.equal(looks.oldestMs(), 1000)
  await clock.advance(1000)
  t.same(refreshed, ['jane@example.org'])
  t.same(effects, [], 'nobody else has had that address')
  t.equal(looks.oldestMs(), 1000, 'once more, for an answer from before the change')
  await clock.advance(3000)
  t.same(effects, [{ kind: 'directory_user', id: 'id-jane' }])
  t.same(refreshed, ['jane@example.org', 'jane@example.org'])
  t.same(ended, [], 'she may log in')
  t.equal(looks.pending(), 0)
  t.equal(looks.oldestMs(), undefined)
})

t.test('an address that is new to the user is read anew', async (t) => {
  for (const known of [[], ['jane.old@example.org']]) {
    const { add, clock, effects } = looking({ known })
    add(['id-jane'])
    await clock.advance(1000)
    t.same(effects, [{ kind: 'directory', address: 'jane@example.org' }])
  }
  const { add, clock, effects, answer } = looking({ known: [] })
  answer(async () => ({ ...jane, email: '' }))
  add(['id-jane'])
  await clock.advance(1000)
  t.same(effects, [])
})

t.test('sessions end for users who are disabled or gone', async (t) => {
  for (const [user, cause] of [
    [undefined, 'user_deleted'],
    [{ ...jane, enabled: false }, 'user_disabled'],
  ] as const) {
    const { add, clock, ended, answer } = looking()
    answer(async () => user)
    add(['id-jane'])
    await clock.advance(1000)
    t.same(ended, [[{ id: 'id-jane', cause }]])
  }
})

t.test('an answer from before the change is found out by the second', async (t) => {
  const { add, clock, ended, answer } = looking()
  add(['id-jane'])
  await clock.advance(1000)
  t.same(ended, [])
  answer(async () => ({ ...jane, enabled: false }))
  await clock.advance(3000)
  t.same(ended, [[{ id: 'id-jane', cause: 'user_disabled' }]])
})

t.test('sessions go on for whoever is refused for another reason', async (t) => {
  for (const change of [
    { enabled: false, lockedOut: true },
    { hashes: [] },
    { emailVerified: false },
    { requiredActions: ['UPDATE_PASSWORD'] },
    { email: 'elsewhere@example.org' },
  ]) {
    const { add, clock, ended, answer } = looking()
    answer(async () => ({ ...jane, ...change }))
    add(['id-jane'])
    await clock.advance(1000)
    t.same(ended, [], JSON.stringify(change))
  }
})

t.test('a directory that fails ends no session; the user is looked up again', async (t) => {
  const { add, clock, ended, answer, effects, looks, asked } = looking()
  answer(() => Promise.reject(new MailpassdError('directory_unavailable', 'told by the test')))
  add(['id-jane', 'id-joe'])
  await clock.advance(60_000)
  t.same(ended, [])
  t.equal(looks.pending(), 2)
  t.equal(looks.oldestMs(), 1000)
  t.match(effects[0], { kind: 'directory_newcomer' })
  t.ok(asked.length < 40, `not hammered: ${asked.length} look-ups`)
  answer(async () => undefined)
  await clock.advance(20_000)
  t.same(new Set(ended.flat().map(({ id }) => id)), new Set(['id-jane', 'id-joe']))
  t.equal(looks.pending(), 0)
})

t.test('while a mass change is held back nobody is thrown out; who came back stays', async (t) => {
  const { add, clock, ended, answer, hold, looks } = looking()
  hold(true)
  answer(async () => undefined)
  add(['id-jane'])
  await clock.advance(60_000)
  t.same(ended, [])
  t.equal(looks.oldestMs(), 1000, 'not forgotten')
  answer(async () => jane)
  hold(false)
  await clock.advance(60_000)
  t.same(ended, [])
  t.equal(looks.pending(), 0)
})

t.test('a database that is down: written down when it is back', async (t) => {
  const { add, clock, ended, answer, storeDown } = looking()
  storeDown(true)
  answer(async () => undefined)
  add(['id-jane'])
  await clock.advance(20_000)
  t.same(ended, [])
  storeDown(false)
  await clock.advance(20_000)
  t.same(ended, [[{ id: 'id-jane', cause: 'user_deleted' }]])
})

t.test('of very many only those with a mailbox are looked up, at most 20 a second', async (t) => {
  const { add, clock, asked, effects, looks, answer, ended } = looking({ known: [] })
  answer(async () => undefined)
  add(
    [...Array(10_000).keys()].map((at) => (at % 50 === 0 ? `mailbox-${at}` : `user-${at}`)),
    true,
  )
  await clock.advance(1000)
  t.ok(asked.length > 0 && asked.length <= 21, `${asked.length} in the first second`)
  await clock.advance(60_000)
  t.equal(new Set(asked).size, 200)
  t.equal(asked.length, 400, 'each twice')
  t.equal(effects.length, 200, 'invalidated before the second')
  t.equal(new Set(ended.flat().map(({ id }) => id)).size, 200)
  t.ok(ended.every(({ length }) => length <= 100))
  t.equal(looks.pending(), 0)
})

t.test('the queue is bounded', async (t) => {
  const { add, looks } = looking()
  add([...Array(12_000).keys()].map(String))
  t.equal(looks.pending(), 10_000)
})

t.test('without a Dovecot only addresses are looked after', async (t) => {
  const { add, clock, asked } = looking({ dovecot: false })
  add(['mailbox-1'], true)
  await clock.advance(1000)
  t.same(asked, [])
})

t.test('stopped, it starts nothing more', async (t) => {
  const { add, clock, asked, looks } = looking()
  add(['a', 'b', 'c'])
  await looks.stop()
  await clock.advance(10_000)
  t.same(asked, [])
  t.equal(looks.oldestMs(), 1000, 'and says what is left')
})
