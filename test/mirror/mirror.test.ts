/** Rule 11: passes fill the book, keep it fresh while they are on time, and say who is not there. */
import t from 'tap'
import { AccountMemory } from '../../src/account/accounts.ts'
import { MassChangeGuard } from '../../src/account/mass-change.ts'
import { RecordBook } from '../../src/account/record-book.ts'
import { MailpassdError } from '../../src/errors.ts'
import { Mirror } from '../../src/mirror/mirror.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { address, FakeSource, newcomer, settings } from '../fakes/accounts.ts'
import { FakeClock, settle } from '../fakes/clock.ts'
import { PagedDirectory, pagedUser } from '../fakes/paged-directory.ts'

const MINUTE = 60_000
const EVERY_MS = 15 * MINUTE
const name = (number: number) => `user${String(number).padStart(5, '0')}`
const emailOf = (number: number) => `${name(number)}@x.example`

interface Wish {
  readonly users?: number
  readonly max?: number
  readonly mode?: 'mirror' | 'lookup'
}

function rig({ users = 100, max = 10_000, mode = 'mirror' }: Wish = {}) {
  const clock = new FakeClock()
  const directory = new PagedDirectory(Array.from({ length: users }, (_, number) => pagedUser(name(number))))
  const guard = new MassChangeGuard({ clock, logger: silentLogger, maxPercent: 5 })
  const book = new RecordBook(max, guard)
  const mirror = new Mirror({
    directory: {
      count: () => directory.count(),
      page: (wish) => directory.page(wish),
      findByEmail: (email) => directory.findByEmail(email),
      findById: (id) => directory.findById(id),
      profile: () => directory.profile(),
      downBy: () => directory.down,
    },
    book,
    hostedDomains: async () => ['x.example'],
    everyMs: mode === 'mirror' ? EVERY_MS : undefined,
    pace: { turn: () => Promise.resolve() },
    clock,
    logger: silentLogger,
  })
  const source = new FakeSource()
  source.stored = newcomer
  const accounts = new AccountMemory({
    source,
    directory,
    settings: () => settings,
    clock,
    logger: silentLogger,
    book,
    passes: mirror,
    limits: {
      maxAccounts: 1000,
      storeFreshMs: 2000,
      freshMs: 60_000,
      unknownMs: 30_000,
      waitMs: 2000,
      staleMs: 300_000,
      outageMs: 86_400_000,
      storeOutageMs: 900_000,
    },
  })
  const lookup = async (email: string) => {
    const { directory: part } = await accounts.get(address(email))
    return part.kind === 'record' ? part.lookup.kind : part.kind
  }
  /** Until the pass that runs is over; pages are read by the event loop's turns, not by the clock. */
  const ended = async () => {
    while (mirror.state().isActive) await settle()
  }
  return { clock, directory, guard, book, mirror, accounts, lookup, ended }
}

t.test('while passes are on time, logins cost no call, whether the name exists or not', async (t) => {
  const { clock, directory, mirror, lookup, ended } = rig()
  mirror.start()
  await ended()
  t.match(mirror.state(), {
    mode: 'mirror',
    isOnTime: true,
    last: { result: 'complete', users: 100, kept: 100 },
  })
  directory.lookups = 0
  await clock.advance(10 * MINUTE)
  t.equal(await lookup(emailOf(7)), 'found')
  t.equal(await lookup('nobody@x.example'), 'absent')
  t.equal(directory.lookups, 0)
  t.equal(await lookup('nobody@other.example'), 'absent', 'a domain that was not ours at the pass')
  t.equal(directory.lookups, 1)
  mirror.stop()
})

t.test('late passes leave freshness to look-ups', async (t) => {
  const { clock, directory, mirror, lookup, ended } = rig()
  mirror.start()
  await ended()
  directory.page = () => Promise.reject(new MailpassdError('directory_unavailable', 'answer 503'))
  await clock.advance(24 * MINUTE)
  await ended()
  t.match(mirror.state(), { isOnTime: false, last: { result: 'directory_unavailable' } })
  directory.lookups = 0
  t.equal(await lookup(emailOf(7)), 'found')
  t.equal(await lookup('nobody@x.example'), 'absent')
  t.equal(directory.lookups, 2)
  mirror.stop()
})

t.test('while the directory is down, that a pass did not read a name says nothing', async (t) => {
  const { directory, mirror, lookup, ended } = rig()
  mirror.start()
  await ended()
  directory.down = 'directory_unavailable'
  directory.lookups = 0
  t.equal(await lookup('nobody@x.example'), 'failed')
  t.equal(await lookup(emailOf(7)), 'found')
  mirror.stop()
})

t.test('an event about anybody counts at once, about a new user too', async (t) => {
  const { directory, mirror, lookup, ended, accounts } = rig()
  mirror.start()
  await ended()
  t.equal(await lookup('new@x.example'), 'absent')
  directory.set(pagedUser('new'))
  accounts.changed({ kind: 'directory_user', id: 'id-new' })
  await settle()
  await settle()
  t.equal(await lookup('new@x.example'), 'found')
  directory.set(pagedUser(name(3), { enabled: false }))
  accounts.changed({ kind: 'directory_user', id: `id-${name(3)}` })
  const { directory: part } = await accounts.get(address(emailOf(3)))
  t.match(part, { lookup: { user: { enabled: false } } })
  mirror.stop()
})

t.test('a later pass sees who changed, came and went', async (t) => {
  const { clock, directory, mirror, book, ended } = rig()
  mirror.start()
  await ended()
  directory.set(pagedUser(name(1), { hashes: ['{PLAIN}new'] }))
  directory.delete(name(2))
  directory.set(pagedUser('new'))
  directory.set(pagedUser(name(4), { email: 'moved@x.example' }))
  await clock.advance(EVERY_MS)
  await ended()
  t.match(book.find(emailOf(1)), { lookup: { user: { hashes: ['{PLAIN}new'] } } })
  t.equal(book.find(emailOf(2)), undefined)
  t.match(book.find('new@x.example'), { lookup: { kind: 'found' } })
  t.match(book.find('moved@x.example'), { lookup: { kind: 'found' } })
  t.equal(book.find(emailOf(4)), undefined)
  t.equal(book.size, 100)
  mirror.stop()
})

t.test('users of domains that are not hosted are not kept', async (t) => {
  const { directory, mirror, book, ended } = rig()
  directory.set(pagedUser('elsewhere', { email: 'joe@other.example' }))
  directory.set(pagedUser('nomail', { email: '' }))
  mirror.start()
  await ended()
  t.match(mirror.state(), { last: { users: 102, kept: 100 } })
  t.equal(book.size, 100)
  mirror.stop()
})

t.test('two users of one address are found to be two', async (t) => {
  const { directory, mirror, lookup, ended } = rig()
  directory.set(pagedUser('zz-other', { email: emailOf(5) }))
  mirror.start()
  await ended()
  t.equal(await lookup(emailOf(5)), 'ambiguous')
  await ended()
  mirror.stop()
})

t.test('what an unfinished pass read of a new user is asked for again', async (t) => {
  const { directory, mirror, lookup, book } = rig()
  const never = Promise.withResolvers<never>()
  const page = directory.page.bind(directory)
  directory.page = (wish) => (wish.first === 0 ? page({ ...wish, max: 60 }) : never.promise)
  mirror.start()
  while (book.size < 60) await settle()
  directory.lookups = 0
  t.equal(await lookup(emailOf(5)), 'found')
  t.equal(directory.lookups, 1)
  mirror.stop()
})

t.test('rule 14: a directory that lost its users', async (t) => {
  const { clock, directory, guard, mirror, book, lookup, ended } = rig({ users: 300 })
  mirror.start()
  await ended()
  for (let number = 0; number < 200; number++) directory.delete(name(number))
  await clock.advance(EVERY_MS)
  await ended()
  t.match(guard.state(), { state: 'holding', turned: 200 })
  t.match(book.find(emailOf(150)), { lookup: { kind: 'found' } })
  t.equal(await lookup(emailOf(3)), 'found')
  guard.accept(MINUTE)
  t.equal(await lookup(emailOf(3)), 'absent')
  mirror.stop()
})

t.test('a pass that leaves out users who are there is not trusted', async (t) => {
  const { clock, directory, mirror, guard, ended } = rig({ users: 300 })
  mirror.start()
  await ended()
  const page = directory.page.bind(directory)
  directory.page = async (wish) => (await page({ first: wish.first + 200, max: wish.max })).slice(0)
  directory.counted = 100
  await clock.advance(EVERY_MS)
  await ended()
  t.equal(guard.isHolding, false)
  t.ok((mirror.state().completeAgeMs ?? 0) >= EVERY_MS, 'the pass before is the last one that counts')
  mirror.stop()
})

t.test('a book that is too small says so by asking', async (t) => {
  const { directory, mirror, lookup, ended } = rig({ users: 300, max: 200 })
  mirror.start()
  await ended()
  directory.lookups = 0
  t.equal(await lookup(emailOf(1)), 'found')
  t.equal(await lookup('nobody@x.example'), 'absent')
  t.equal(directory.lookups, 2)
  mirror.stop()
})

t.test('in lookup mode a pass runs when asked for, fills the book, and keeps nothing fresh', async (t) => {
  const { clock, directory, mirror, book, lookup, ended } = rig({ mode: 'lookup' })
  mirror.start()
  t.notOk(mirror.state().isActive)
  t.ok(mirror.passNow())
  t.notOk(mirror.passNow(), 'one at a time')
  await ended()
  t.equal(book.size, 100)
  await clock.advance(2 * MINUTE)
  directory.lookups = 0
  t.equal(await lookup(emailOf(1)), 'found')
  t.equal(directory.lookups, 1)
})
