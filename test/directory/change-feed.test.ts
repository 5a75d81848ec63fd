/** Keycloak's events over pages: none is lost, whatever their order, number and size; and what the feed asks for. */
import t from 'tap'
import { createChangeFeed } from '../../src/directory/keycloak/change-feed.ts'
import { endpointsOf } from '../../src/directory/keycloak/endpoints.ts'
import { MailpassdError } from '../../src/errors.ts'

interface Told {
  readonly id: string
  readonly time: number
  readonly operationType: string
  readonly resourceType: string
  readonly resourcePath: string
}

const ALL_TYPES = [
  'LOGIN',
  'REGISTER',
  'UPDATE_PROFILE',
  'UPDATE_EMAIL',
  'VERIFY_EMAIL',
  'DELETE_ACCOUNT',
  'USER_DISABLED_BY_PERMANENT_LOCKOUT',
]

/** `count` events of different users, `perMs` in each millisecond. */
function flood(count: number, perMs: number): Told[] {
  return [...Array(count).keys()].map((at) => ({
    id: `event-${at}`,
    time: 1_000_000 + Math.floor(at / perMs),
    operationType: 'UPDATE',
    resourceType: 'USER',
    resourcePath: `users/user-${at}`,
  }))
}

/** Answers as Keycloak does: the newest first, those of one millisecond in another order each time. */
function keycloak(events: readonly Told[], { maxPage = Infinity }: { readonly maxPage?: number } = {}) {
  const queries: URLSearchParams[] = []
  let config: object = {
    eventsEnabled: true,
    adminEventsEnabled: true,
    enabledEventTypes: ALL_TYPES,
  }
  const feed = createChangeFeed({
    endpoints: endpointsOf('https://id.example.org', 'mail'),
    serverNowMs: () => undefined,
    expireRules: () => {},
    async read(_what, path) {
      const { pathname, searchParams } = new URL(path, 'https://id.example.org')
      if (pathname.endsWith('/events/config')) return config
      queries.push(searchParams)
      if (!pathname.endsWith('/admin-events')) return []
      const from = Number(searchParams.get('dateFrom') ?? 0)
      const to = Number(searchParams.get('dateTo') ?? Infinity)
      const max = Number(searchParams.get('max'))
      if (max > maxPage) throw new MailpassdError('directory_invalid', 'too long')
      const turn = queries.length
      return events
        .filter(({ time }) => time >= from && time <= to)
        .map((event, at) => ({ event, key: (at * 7919 + turn * 104_729) % 10_007 }))
        .sort((a, b) => b.event.time - a.event.time || a.key - b.key)
        .slice(0, max)
        .map(({ event }) => event)
    },
  })
  return { feed, queries, configure: (next: object) => (config = next) }
}

t.test('none is lost, however many there are in a millisecond', async (t) => {
  for (const perMs of [1, 7, 199, 200, 201, 400, 1000]) {
    const { feed } = keycloak(flood(1000, perMs))
    await feed.settings()
    const { changes, isCut, asOfMs } = await feed.read(0)
    t.notOk(isCut)
    t.equal(new Set(changes.map(({ id }) => id)).size, 1000, `${perMs} in a millisecond`)
    t.equal(asOfMs, 1_000_000 + Math.floor(999 / perMs), 'the newest, where no token says the time')
  }
})

t.test('more than are read: told, and the newest are there', async (t) => {
  const { feed, queries } = keycloak(flood(30_000, 10))
  await feed.settings()
  const { changes, isCut } = await feed.read(0)
  t.ok(isCut)
  t.ok(changes.length > 9000 && changes.length <= 10_200, `${changes.length}`)
  t.ok(changes.some(({ id }) => id === 'event-29999'))
  t.ok(queries.length < 60, `${queries.length} requests`)
})

t.test('answers that are too long are asked for in smaller pages', async (t) => {
  const { feed } = keycloak(flood(300, 3), { maxPage: 50 })
  await feed.settings()
  const { changes, isCut } = await feed.read(0)
  t.notOk(isCut)
  t.equal(changes.length, 300)
  const tight = keycloak(flood(300, 300), { maxPage: 50 })
  await tight.feed.settings()
  t.ok((await tight.feed.read(0)).isCut, 'a millisecond that no answer holds is told as missed')
  const never = keycloak(flood(300, 3), { maxPage: 1 })
  await never.feed.settings()
  await t.rejects(never.feed.read(0), { code: 'directory_invalid' })
})

t.test('only types that the server knows are asked for: another one is answered with 500', async (t) => {
  const { feed, queries, configure } = keycloak([])
  configure({ eventsEnabled: true, adminEventsEnabled: false, enabledEventTypes: ['LOGIN', 'REGISTER'] })
  t.match(await feed.settings(), { missing: ['admin events', /UPDATE_PROFILE/] })
  await feed.read(5)
  t.equal(queries.length, 1, 'what is not kept is not asked for')
  t.same(queries[0]?.getAll('type'), ['REGISTER'])
  t.same(queries[0]?.get('dateFrom'), '5')
})

t.test('an answer that is no list of events is a fault', async (t) => {
  const { feed, configure } = keycloak(flood(1, 1).map((event) => ({ ...event, id: '' })))
  await feed.settings()
  await t.rejects(feed.read(0), { code: 'directory_invalid' })
  configure({ eventsEnabled: 'yes' })
  await t.rejects(feed.settings(), { code: 'directory_invalid' })
})
