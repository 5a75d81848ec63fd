/** `GET /v1/logins` and `GET /v1/status`: who may ask, what is refused, what a database that is down comes to. */
import t from 'tap'
import { MailpassdError } from '../../../src/errors.ts'
import type { LoginLogEntry, LoginRange } from '../../../src/login-log/event.ts'
import { FAKE_NOW_MS } from '../../fakes/clock.ts'
import { bearer, makeApps, type FixtureOptions } from './fixtures.ts'

const row: LoginLogEntry = {
  mailbox: 'jane@example.org',
  network: '192.0.2.0/24',
  service: 'imap',
  credential: 'main',
  verdict: 'ok',
  why: 'verified',
  hourMs: FAKE_NOW_MS - (FAKE_NOW_MS % 3_600_000),
  firstMs: FAKE_NOW_MS - 10,
  lastMs: FAKE_NOW_MS,
  count: 2,
}

function getter(options: FixtureOptions) {
  const { admin, close } = makeApps(options)
  const get = async (url: string, scope: 'login' | 'read' | 'nobody' = 'read') => {
    const headers = scope === 'nobody' ? {} : bearer(scope)
    const { statusCode, body } = await admin.inject({ method: 'GET', url, headers })
    const parsed: unknown = JSON.parse(body)
    return { statusCode, body: parsed }
  }
  return { get, close }
}

t.test('lines of the log, for the scope read', async (t) => {
  const ranges: LoginRange[] = []
  const { get, close } = getter({
    loginLog: {
      readLogins: async (range) => {
        ranges.push(range)
        return [row]
      },
    },
  })
  t.teardown(close)
  t.match(await get('/v1/logins?address=Jane@example.org&since=1h&limit=7'), {
    statusCode: 200,
    body: {
      logins: [
        {
          last: new Date(FAKE_NOW_MS).toISOString(),
          count: 2,
          mailbox: 'jane@example.org',
          meaning: /password matched/,
        },
      ],
      next: null,
    },
  })
  t.match(ranges, [{ mailbox: 'jane@example.org', sinceMs: FAKE_NOW_MS - 3_600_000, limit: 8 }])
  await get('/v1/logins?limit=9999')
  t.equal(ranges[1]?.limit, 500, 'a page is bounded')
  t.match(await get('/v1/logins', 'login'), { statusCode: 403 })
  t.match(await get('/v1/logins', 'nobody'), { statusCode: 401 })
})

t.test('what is malformed is named; a database that is down is temp_fail', async (t) => {
  const { get, close } = getter({
    loginLog: { readLogins: () => Promise.reject(new MailpassdError('store_unavailable', 'down')) },
  })
  t.teardown(close)
  for (const query of [
    'ip=here',
    'limit=0',
    'limit=x',
    'verdict=good',
    'cursor=x',
    'since=soon',
    'order=asc',
  ])
    t.match(
      await get(`/v1/logins?${query}`),
      { statusCode: 400, body: { error: { code: 'field_invalid' } } },
      query,
    )
  t.match(await get('/v1/logins'), { statusCode: 503, body: { error: { code: 'temp_fail' } } })
})

t.test('status is for the scope read', async (t) => {
  const { get, close } = getter({ status: () => Promise.reject(new MailpassdError('internal', 'a fault')) })
  t.teardown(close)
  t.match(await get('/v1/status', 'login'), { statusCode: 403 })
  t.match(await get('/v1/status'), { statusCode: 500, body: { error: { code: 'internal' } } })
})
