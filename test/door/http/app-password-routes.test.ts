/** App passwords over HTTP, on a store in memory. */
import t, { type Test } from 'tap'
import { createAppPasswords } from '../../../src/credential/app-passwords.ts'
import { MailpassdError } from '../../../src/errors.ts'
import { makeHash } from '../../../src/password/make.ts'
import { openStore } from '../../../src/store/database.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { addressOf, makePlan } from '../../contract/store-plans.ts'
import { NOW_MS, sqliteOptions, stoppedClock, testDir } from '../../contract/store-subjects.ts'
import { bearer, makeApps } from './fixtures.ts'

const PATH = '/v1/mailboxes/jane@example.org/app-passwords'
const FORM = /^[a-km-np-z2-9]{6}(?:-[a-km-np-z2-9]{4}){5}$/

async function setUp(t: Test) {
  const store = await openStore(sqliteOptions(testDir(t), ':memory:'), {
    clock: stoppedClock,
    logger: silentLogger,
  })
  t.teardown(() => store.close())
  await store.domains.add('example.org', {})
  await store.mailboxes.apply(addressOf('jane@example.org'), makePlan)
  const changed: string[] = []
  const appPasswords = createAppPasswords({
    rows: store.appPasswords,
    hash: (secret) => makeHash('SSHA512', secret),
    clock: stoppedClock,
    changed: ({ full }) => void changed.push(full),
  })
  const apps = makeApps({ appPasswords })
  t.teardown(async () => {
    apps.close()
    await Promise.all([apps.auth.close(), apps.admin.close()])
  })
  const post = (payload: string | Buffer | object, url = PATH, scope: 'admin' | 'read' | 'login' = 'admin') =>
    apps.admin.inject({
      method: 'POST',
      url,
      payload,
      headers: { 'content-type': 'application/json', ...bearer(scope) },
    })
  const get = (scope: 'admin' | 'read' | 'login' = 'read', url = PATH) =>
    apps.admin.inject({ method: 'GET', url, headers: bearer(scope) })
  const remove = (id: number | string, scope: 'admin' | 'read' = 'admin', url = PATH) =>
    apps.admin.inject({ method: 'DELETE', url: `${url}/${id}`, headers: bearer(scope) })
  return { ...apps, store, changed, post, get, remove }
}

t.test('made and told once, listed without its secret, revoked', async (t) => {
  const { post, get, remove, changed, logged } = await setUp(t)
  const wish = {
    name: 'Phone ☎',
    protocols: ['smtp', 'imap'],
    expires_at: '2030-01-31T12:00:00+02:00',
    unused_days: 90,
    allowed_networks: ['192.0.2.0/24', '2001:DB8::/32', '192.0.2.0/24'],
  }
  const made = await post(wish)
  t.equal(made.statusCode, 201)
  t.equal(made.headers['cache-control'], 'no-store')
  const { password, ...shown } = made.json<Record<string, unknown>>()
  t.match(password, FORM)
  const expected = {
    id: shown['id'],
    name: 'Phone ☎',
    made_by: 'mailpassd',
    state: 'active',
    protocols: ['imap', 'smtp'],
    allowed_networks: ['192.0.2.0/24', '2001:db8::/32'],
    created_at: new Date(NOW_MS).toISOString(),
    expires_at: '2030-01-31T10:00:00.000Z',
    unused_days: 90,
    last_used: null,
  }
  t.same(shown, expected)
  const listed = await get()
  t.equal(listed.statusCode, 200)
  t.same(listed.json(), { app_passwords: [expected] })
  t.notMatch(listed.body, /SSHA512|password"/)
  const revoked = await remove(Number(shown['id']))
  t.equal(revoked.statusCode, 200)
  t.same(revoked.json(), { ...expected, state: 'revoked' })
  t.equal((await remove(Number(shown['id']))).statusCode, 200, 'again is no fault')
  t.match((await get()).json(), { app_passwords: [{ state: 'revoked' }] })
  t.same(changed, ['jane@example.org', 'jane@example.org', 'jane@example.org'])
  t.notOk(logged.join('').includes(String(password)), 'no password in a log')
})

t.test('what is not said', async (t) => {
  const { post } = await setUp(t)
  t.match((await post({ name: ' tablet ', expires_at: null, unused_days: null })).json(), {
    name: 'tablet',
    protocols: ['imap', 'pop3', 'smtp', 'sieve', 'eas', 'dav'],
    allowed_networks: [],
    expires_at: null,
    unused_days: null,
  })
})

t.test('who may', async (t) => {
  const { post, get, remove, admin, auth } = await setUp(t)
  const made = await post({ name: 'x' })
  const { id } = made.json<{ id: number }>()
  t.equal((await post({ name: 'x' }, PATH, 'read')).statusCode, 403)
  t.equal((await post({ name: 'x' }, PATH, 'login')).statusCode, 403)
  t.equal((await remove(id, 'read')).statusCode, 403)
  t.equal((await get('read')).statusCode, 200)
  t.equal((await get('login')).statusCode, 403)
  t.equal((await admin.inject({ method: 'GET', url: PATH })).statusCode, 401)
  t.equal(
    (await auth.inject({ method: 'GET', url: PATH, headers: bearer('admin') })).statusCode,
    404,
    'the auth door',
  )
})

t.test('what is refused, without a value of the request in the answer', async (t) => {
  const { post, get, remove } = await setUp(t)
  const bad: [object | string | Buffer, RegExp][] = [
    [{}, /^name: is missing/],
    [{ name: ' ' }, /^name: is empty/],
    [{ name: 'a\u0007b' }, /^name: has a character/],
    [{ name: 'a\u202eb' }, /^name: has a character/],
    [{ name: '☎'.repeat(100) }, /^name: is longer than 255 bytes/],
    [{ name: '\ud800' }, /^name: /],
    [{ name: 'x', protocols: [] }, /^protocols: /],
    [{ name: 'x', protocols: ['imap', 'ftp-canary'] }, /^protocols/],
    [{ name: 'x', expires_at: '2020-01-01T00:00:00Z' }, /^expires_at: has passed/],
    [{ name: 'x', expires_at: '2999-01-01T00:00:00Z' }, /^expires_at: is more than 100 years/],
    [{ name: 'x', expires_at: '2030-02-31' }, /^expires_at: write it as/],
    [{ name: 'x', expires_at: 'canary' }, /^expires_at: write it as/],
    [{ name: 'x', unused_days: 0 }, /^unused_days: /],
    [{ name: 'x', unused_days: 1.5 }, /^unused_days: /],
    [{ name: 'x', allowed_networks: ['192.0.2.0/24', '192.0.2.1/24'] }, /^allowed_networks: number 2/],
    [{ name: 'x', allowed_networks: Array(51).fill('192.0.2.1') }, /^allowed_networks/],
    [{ name: 'x', canary: 1 }, /is none of name, protocols, expires_at, unused_days, allowed_networks/],
    ['{', /not JSON/],
    [Buffer.from('{"name":"\xe9"}', 'latin1'), /not UTF-8/],
  ]
  for (const [payload, message] of bad) {
    const answer = await post(payload)
    t.equal(answer.statusCode, 400, answer.body)
    t.match(answer.json<{ error: { message: string } }>().error.message, message)
    t.notMatch(answer.body, /canary/)
  }
  const other = '/v1/mailboxes/nobody@example.org/app-passwords'
  for (const answer of [await post({ name: 'x' }, other), await get('read', other)])
    t.match([answer.statusCode, answer.json()], [404, { error: { code: 'no_mailbox' } }])
  for (const answer of [await remove(1), await remove('x'), await remove(1, 'admin', other)])
    t.match([answer.statusCode, answer.json()], [404, { error: { code: 'not_found' } }])
  t.equal((await post({ name: 'x' }, '/v1/mailboxes/nonsense/app-passwords')).statusCode, 400)
  t.same((await get()).json(), { app_passwords: [] }, 'nothing was made')
})

t.test('a database that is down, and a limit', async (t) => {
  let error = new MailpassdError('store_unavailable', 'down')
  const fail = () => Promise.reject(error)
  const { admin, close } = makeApps({ appPasswords: { create: fail, list: fail, revoke: fail } })
  t.teardown(async () => {
    close()
    await admin.close()
  })
  const ask = () =>
    admin.inject({ method: 'POST', url: PATH, payload: { name: 'x' }, headers: bearer('admin') })
  const down = await ask()
  t.match([down.statusCode, down.json()], [503, { error: { code: 'temp_fail' } }])
  t.equal(down.headers['retry-after'], '5')
  error = new MailpassdError('limit_reached', 'full')
  const full = await ask()
  t.match([full.statusCode, full.json()], [409, { error: { code: 'limit_reached' } }])
})
