/** Passes over a directory that changes while it is read: nobody who was there all the time is left out unnoticed. */
import fc from 'fast-check'
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import type { Directory, PageEntry } from '../../src/directory/directory.ts'
import { createPace } from '../../src/directory/pace.ts'
import { Pass } from '../../src/directory/pass.ts'
import { MailpassdError } from '../../src/errors.ts'
import { FakeClock, settle } from '../fakes/clock.ts'
import { PagedDirectory, pagedUser } from '../fakes/paged-directory.ts'

const AT_ONCE = { turn: () => Promise.resolve() }

function nameOf(place: number): string {
  return `user-${String(place).padStart(6, '0')}`
}

/** Names 0, 10, 20 …: there is room between them for those who come later. */
function directoryOf(users: number): PagedDirectory {
  return new PagedDirectory(Array.from({ length: users }, (_, place) => pagedUser(nameOf(place * 10))))
}

async function read(directory: Pick<Directory, 'count' | 'page'>, pageSize: number, signal?: AbortSignal) {
  const seen = new Map<string, PageEntry>()
  const pass = new Pass({
    directory,
    clock: systemClock,
    pace: AT_ONCE,
    pageSize,
    ...(signal === undefined ? {} : { signal }),
    take(entries) {
      for (const entry of entries) seen.set(entry.kind === 'user' ? entry.user.username : entry.reason, entry)
    },
  })
  return { result: await pass.run(), seen, progress: pass.progress() }
}

t.test('reads all there are, whatever the size of a page', async (t) => {
  for (const users of [0, 1, 19, 20, 21, 40, 100, 101, 999]) {
    for (const pageSize of [2, 20, 50, 100, 500]) {
      const { result, seen } = await read(directoryOf(users), pageSize)
      t.match(result, { users, faults: 0 }, `${users} in pages of ${pageSize}`)
      t.equal(result.incomplete, undefined)
      t.equal(seen.size, users)
    }
  }
})

t.test('users who come and go between pages hide nobody', async (t) => {
  const change = fc.record({
    page: fc.nat(30),
    kind: fc.constantFrom('add' as const, 'delete' as const),
    place: fc.nat(6000),
    count: fc.integer({ min: 1, max: 130 }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 500 }),
      fc.array(change, { maxLength: 12 }),
      async (users, changes) => {
        const directory = directoryOf(users)
        const always = new Set(directory.sorted.map(({ username }) => username))
        directory.beforePage = (pages) => {
          for (const { kind, place, count } of changes.filter(({ page }) => page === pages)) {
            for (let i = place; i < place + count; i += 1) {
              if (kind === 'add') directory.set(pagedUser(`${nameOf(i)}-new`))
              else {
                directory.delete(nameOf(i * 10))
                always.delete(nameOf(i * 10))
              }
            }
          }
        }
        const { result, seen } = await read(directory, 50)
        if (result.incomplete !== undefined) return
        for (const username of always) if (!seen.has(username)) throw new Error(`${username} was left out`)
      },
    ),
    { numRuns: 300 },
  )
  t.pass('each was read')
})

t.test('a few changes leave a pass complete', async (t) => {
  const directory = directoryOf(1000)
  let place = 0
  directory.beforePage = () => {
    directory.delete(nameOf((place += 10)))
    directory.set(pagedUser(`${nameOf(place + 1)}-new`))
    directory.set(pagedUser(`${nameOf(place + 2)}-new`))
  }
  const { result } = await read(directory, 100)
  t.equal(result.incomplete, undefined)
})

t.test('many deleted at once are read over by going back', async (t) => {
  const directory = directoryOf(1000)
  directory.beforePage = (pages) => {
    if (pages === 5) for (let i = 0; i < 300; i++) directory.delete(nameOf(i * 10))
  }
  const { result, seen } = await read(directory, 100)
  t.equal(result.incomplete, undefined)
  for (let i = 300; i < 1000; i++) t.ok(seen.has(nameOf(i * 10)) || i, nameOf(i * 10))
  t.equal([...seen.keys()].filter((name) => name >= nameOf(3000)).length, 700)
})

t.test('a directory that gives fewer than it counts is not read to the end', async (t) => {
  const directory = directoryOf(400)
  directory.counted = 1000
  t.match((await read(directory, 100)).result, { incomplete: 'fewer_than_counted', users: 400 })
  directory.counted = 430
  t.equal((await read(directory, 100)).result.incomplete, undefined, 'some may come and go')
})

t.test('a directory without end ends', async (t) => {
  let place = 0
  const endless = {
    count: async () => 10,
    page: async ({ max }: { max: number }): Promise<PageEntry[]> =>
      Array.from({ length: max }, () => ({ kind: 'user', user: pagedUser(nameOf((place += 1))) })),
  }
  const { result } = await read(endless, 100)
  t.ok(result.incomplete, 'pages that do not join')
  const first = directoryOf(500)
  const same = {
    count: async () => 500,
    page: ({ max }: { max: number }) => first.page({ first: 0, max }),
  }
  t.match((await read(same, 100)).result, { incomplete: 'without_end' }, 'always the first page')
})

t.test('a page that is too long is asked for in smaller ones', async (t) => {
  const directory = directoryOf(300)
  const asked: number[] = []
  const narrow = {
    count: () => directory.count(),
    async page(wish: { first: number; max: number }) {
      asked.push(wish.max)
      if (wish.max > 60) throw new MailpassdError('directory_invalid', 'longer than 8 MiB')
      return directory.page(wish)
    },
  }
  t.match((await read(narrow, 200)).result, { users: 300 })
  t.strictSame(asked.slice(0, 3), [200, 100, 50])
})

t.test('what the directory throws ends the pass', async (t) => {
  const failing = {
    count: async () => 10,
    page: () => Promise.reject(new MailpassdError('directory_unavailable', 'answer 503')),
  }
  await t.rejects(read(failing, 100), { code: 'directory_unavailable' })
})

t.test('users who cannot be read are counted, and stop nothing', async (t) => {
  const directory = directoryOf(90)
  const faulty = {
    count: () => directory.count(),
    async page(wish: { first: number; max: number }): Promise<readonly PageEntry[]> {
      const page = await directory.page(wish)
      return page.map((entry) =>
        entry.kind === 'user' && entry.user.username.endsWith('50')
          ? { kind: 'fault', id: entry.user.id, email: entry.user.email, reason: `of ${entry.user.id}` }
          : entry,
      )
    },
  }
  const { result, seen } = await read(faulty, 40)
  t.match(result, { users: 90, faults: 9 })
  t.equal(result.incomplete, undefined)
  t.equal(seen.size, 90)
})

t.test('a pass can be stopped, and tells how far it is', async (t) => {
  const directory = directoryOf(1000)
  const stop = new AbortController()
  directory.beforePage = (pages) => {
    if (pages === 4) stop.abort()
  }
  const { result, progress } = await read(directory, 100, stop.signal)
  t.match(result, { incomplete: 'stopped' })
  t.match(progress, { expected: 1000, seen: result.users })
  t.ok(progress.perSecond > 0)
  t.ok(progress.remainingMs > 0)
})

t.test('a pace spreads its turns', async (t) => {
  const clock = new FakeClock()
  const pace = createPace(clock, 20)
  const startMs = clock.monotonicMs()
  const turns: number[] = []
  for (let i = 0; i < 3; i++) void pace.turn().then(() => turns.push(clock.monotonicMs() - startMs))
  await settle()
  t.strictSame(turns, [0])
  await clock.advance(49)
  t.strictSame(turns, [0])
  await clock.advance(60)
  t.strictSame(turns, [0, 50, 100])
  await clock.advance(1000)
  void pace.turn().then(() => turns.push(-1))
  await settle()
  t.equal(turns.length, 4, 'at once where nobody asked for a while')
})
