/** Rule 14: many users who turn at once are a fault of the directory, until it is accepted or it says again what it said. */
import fc from 'fast-check'
import t from 'tap'
import { AccountMemory } from '../../src/account/accounts.ts'
import { MassChangeGuard } from '../../src/account/mass-change.ts'
import { RecordBook, type DirectoryRecordValue } from '../../src/account/record-book.ts'
import type { Lookup } from '../../src/directory/directory.ts'
import type { DirectoryUser } from '../../src/directory/user.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { address, FakeDirectory, FakeSource, jane, profile, resident, settings } from '../fakes/accounts.ts'
import { FakeClock } from '../fakes/clock.ts'

const MINUTE = 60_000

function rig({ users = 1000, maxPercent = 5 } = {}) {
  const clock = new FakeClock()
  const lines: string[] = []
  const logger: Logger = { ...silentLogger, error: (_fields, text) => lines.push(text) }
  const guard = new MassChangeGuard({ clock, logger, maxPercent })
  const book = new RecordBook(10_000, guard)
  const emailOf = (number: number) => `user${number}@example.org`
  const userOf = (number: number, change: Partial<DirectoryUser> = {}): DirectoryUser => ({
    ...jane,
    id: `id-${number}`,
    email: emailOf(number),
    enabled: true,
    hashes: ['{PLAIN}x'],
    ...change,
  })
  const say = (number: number, change: Partial<DirectoryUser> | 'absent' = {}): DirectoryRecordValue => {
    const lookup: Lookup =
      change === 'absent' ? { kind: 'absent' } : { kind: 'found', user: userOf(number, change) }
    return book.put(emailOf(number), { kind: 'record', lookup, profile, atMs: clock.monotonicMs() })
  }
  for (let number = 0; number < users; number++) say(number)
  const found = (number: number) => book.find(emailOf(number))?.lookup
  const isEnabled = (number: number) => {
    const lookup = found(number)
    return lookup?.kind === 'found' && lookup.user.enabled && lookup.user.hashes.length > 0
  }
  return { clock, guard, book, say, found, isEnabled, lines, emailOf }
}

t.test('up to the limit the directory is believed', async (t) => {
  const { guard, say, isEnabled, lines } = rig()
  for (let number = 0; number < 50; number++) say(number, { enabled: false })
  t.match(guard.state(), { state: 'watching', turned: 50, limit: 50 })
  t.notOk(isEnabled(0))
  t.strictSame(lines, [])
})

t.test('one more, and all who turned within ten minutes are put back', async (t) => {
  const { clock, guard, say, isEnabled, lines, found } = rig()
  say(900, { enabled: false })
  await clock.advance(11 * MINUTE)
  for (let number = 0; number < 51; number++) {
    const turn = [{ enabled: false }, { hashes: [] }, 'absent' as const, { id: `other-${number}` }][
      number % 4
    ]
    say(number, turn)
  }
  t.match(guard.state(), { state: 'holding', turned: 51, limit: 50 })
  t.equal(lines.length, 1, 'one line')
  t.match(lines[0], /mailpassd directory accept/)
  for (let number = 0; number < 51; number++) t.ok(isEnabled(number), `${number} gets in`)
  t.match(found(3), { user: { id: 'id-3' } }, 'the id that was known')
  t.notOk(isEnabled(900), 'who turned earlier was believed')
  t.ok(say(60, { enabled: false }).lookup.kind === 'found')
  t.ok(isEnabled(60), 'who turns later is held too')
  t.equal(guard.state().turned, 52)
  t.strictSame(
    guard.held(3).map(({ turn }) => turn),
    ['disabled', 'no_hash', 'unknown'],
  )
})

t.test('at least 20 users, however few there are', async (t) => {
  const { guard, say } = rig({ users: 30 })
  for (let number = 0; number < 20; number++) say(number, 'absent')
  t.equal(guard.isHolding, false)
  say(20, 'absent')
  t.equal(guard.isHolding, true)
})

t.test('slowly they may all go', async (t) => {
  const { clock, guard, say, isEnabled } = rig({ users: 100 })
  for (let number = 0; number < 100; number++) {
    say(number, { enabled: false })
    await clock.advance(MINUTE)
  }
  t.equal(guard.isHolding, false)
  t.notOk(isEnabled(99))
})

t.test('who is heard of again and again turned once, and long ago', async (t) => {
  const { clock, guard, say, isEnabled } = rig({ users: 100 })
  for (let number = 0; number < 40; number++) {
    say(number, number % 2 === 0 ? { enabled: false } : 'absent')
    // The phones of most go on trying.
    for (let minute = 0; minute < 2; minute++) {
      await clock.advance(MINUTE)
      for (let other = 0; other <= number; other++)
        if (other % 3 > 0) say(other, other % 2 === 0 ? { enabled: false } : 'absent')
    }
    t.ok(guard.state().turned <= 6, `${guard.state().turned} within ten minutes`)
  }
  t.notOk(guard.isHolding)
  for (let number = 0; number < 40; number++) t.notOk(isEnabled(number), `${number} stays out`)
})

t.test('strangers who lock users out by wrong passwords put nobody back', async (t) => {
  const { guard, say, isEnabled } = rig({ users: 100 })
  say(99, { enabled: false })
  for (let number = 0; number < 60; number++) say(number, { enabled: false, lockedOut: true })
  t.notOk(guard.isHolding)
  t.notOk(isEnabled(99), 'who was disabled a moment ago')
})

t.test('who could not log in before does not turn', async (t) => {
  const { guard, say } = rig({ users: 100 })
  const few = rig({ users: 0 })
  for (let number = 0; number < 100; number++) few.say(number, { enabled: false })
  for (let number = 0; number < 100; number++) few.say(number, 'absent')
  t.equal(few.guard.isHolding, false)
  for (let turns = 0; turns < 100; turns++) {
    say(1, { enabled: false })
    say(1)
  }
  t.equal(guard.isHolding, false, 'one user who comes and goes is one')
  for (let number = 0; number < 20; number++) {
    say(number, 'absent')
    say(number)
  }
  t.equal(guard.state().turned, 0, 'who is back has not turned')
})

t.test('accepted: what the directory says counts at once, and of others for an hour', async (t) => {
  const { clock, guard, say, isEnabled, found } = rig()
  for (let number = 0; number < 60; number++) say(number, number === 7 ? 'absent' : { enabled: false })
  t.ok(isEnabled(7))
  t.equal(guard.accept(60 * MINUTE), 60)
  t.equal(found(7), undefined)
  t.notOk(isEnabled(8), 'without asking it again')
  for (let number = 100; number < 400; number++) say(number, { enabled: false })
  t.match(guard.state(), { state: 'open' })
  t.notOk(isEnabled(399))
  await clock.advance(61 * MINUTE)
  t.match(guard.state(), { state: 'watching', turned: 0 })
  for (let number = 500; number < 560; number++) say(number, { enabled: false })
  t.ok(guard.isHolding, 'and then it watches again')
})

t.test('the directory says again what it said', async (t) => {
  const { guard, say, isEnabled } = rig()
  for (let number = 0; number < 60; number++) say(number, { hashes: [] })
  for (let number = 0; number < 34; number++) say(number)
  t.ok(guard.isHolding, 'half of the limit is not yet there')
  say(34)
  t.notOk(guard.isHolding)
  t.ok(isEnabled(34))
  t.notOk(isEnabled(59), 'of the rest the directory is believed')
})

t.test('100 percent is off', async (t) => {
  const { guard, say } = rig({ users: 100, maxPercent: 100 })
  for (let number = 0; number < 100; number++) say(number, 'absent')
  t.equal(guard.isHolding, false)
})

t.test('the watcher is told of those for whom another record counts', async (t) => {
  const { book, guard, say, emailOf } = rig()
  const told: string[][] = []
  book.watch({ put() {}, gone() {}, switched: (emails) => told.push([...emails]) })
  for (let number = 0; number < 51; number++) say(number, 'absent')
  guard.accept(0)
  const all = Array.from({ length: 51 }, (_, number) => emailOf(number))
  t.strictSame(told, [all, all])
})

t.test(
  'whatever is said in whatever order, no more than the limit is refused within ten minutes',
  async (t) => {
    const step = fc.record({
      number: fc.nat(99),
      turn: fc.constantFrom('good' as const, 'off' as const, 'gone' as const),
      waitMs: fc.constantFrom(0, 0, 0, 1000, 2 * MINUTE),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 300 }), async (steps) => {
        const { clock, say, isEnabled, guard } = rig({ users: 100 })
        for (const { number, turn, waitMs } of steps) {
          if (waitMs > 0) await clock.advance(waitMs)
          const before = Array.from({ length: 100 }, (_, each) => isEnabled(each))
          const wasHolding = guard.isHolding
          say(number, turn === 'good' ? {} : turn === 'off' ? { enabled: false } : 'absent')
          if (wasHolding && guard.isHolding)
            for (let each = 0; each < 100; each++)
              if (before[each] === true && !isEnabled(each))
                throw new Error(`${each} was refused while it held`)
        }
      }),
      { numRuns: 50 },
    )
    t.pass('nobody')
  },
)

t.test('a login is decided by what was known, and asks no more often than otherwise', async (t) => {
  const { clock, guard, book, say } = rig({ users: 40 })
  const source = new FakeSource()
  source.stored = resident
  const directory = new FakeDirectory()
  const name = address('jane@example.org')
  const was: DirectoryUser = { ...jane, enabled: true, hashes: ['{PLAIN}x'] }
  directory.answer = async () => ({ kind: 'found', user: was })
  const accounts = new AccountMemory({
    source,
    directory,
    settings: () => settings,
    clock,
    logger: silentLogger,
    book,
    limits: {
      maxAccounts: 100,
      storeFreshMs: 2000,
      freshMs: 60_000,
      unknownMs: 30_000,
      waitMs: 2000,
      staleMs: 300_000,
      outageMs: 86_400_000,
      storeOutageMs: 900_000,
    },
  })
  await accounts.get(name)
  await clock.advance(2 * MINUTE)
  for (let number = 0; number < 21; number++) say(number, { enabled: false })
  t.ok(guard.isHolding)
  directory.answer = async () => ({ kind: 'absent' })
  const calls = directory.calls
  t.match(await accounts.get(name), { directory: { kind: 'record', lookup: { kind: 'found', user: was } } })
  t.equal(directory.calls, calls + 1)
  await clock.advance(10_000)
  t.match(await accounts.get(name), { directory: { lookup: { kind: 'found' } } })
  t.equal(directory.calls, calls + 1, 'the answer that is held is as good as another')
  guard.accept(MINUTE)
  await clock.advance(10_000)
  t.match(await accounts.get(name), { directory: { lookup: { kind: 'absent' } } })
})
