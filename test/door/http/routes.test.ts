import t, { type Test } from 'tap'
import fc from 'fast-check'
import type { Why } from '../../../src/login/outcome.ts'
import { VERDICTS, verdictOf } from '../../../src/login/why.ts'
import { createLogin } from '../../../src/login/login.ts'
import { openPolicy } from '../../../src/policy/policy.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { bearer, makeApps, outcomeOf, type FixtureOptions } from './fixtures.ts'

const CANARY = 'password-canary-7f'
const BODY = { username: 'Jane@Example.org', password: CANARY, service: 'imap', remote_ip: '192.0.2.7' }
const MAILCOW_BODY = {
  username: 'jane@example.org',
  password: CANARY,
  real_rip: '192.0.2.7',
  service: 'smtp',
}

const ONE_WHY_EACH: readonly Why[] = [
  'verified',
  'hash_differs',
  'no_such_user',
  'max_mailboxes',
  'service_closed',
  'app_password_expired',
  'busy',
  'directory_down',
]

function setUp(t: Test, options: FixtureOptions = {}) {
  const apps = makeApps(options)
  t.teardown(async () => {
    apps.close()
    await Promise.all([apps.auth.close(), apps.admin.close()])
    if (apps.logged.join('').includes(CANARY)) throw new Error('a password is in the log')
  })
  const post = (url: string, payload: string | Buffer | object, headers: Record<string, string> = {}) =>
    apps.auth.inject({
      method: 'POST',
      url,
      payload,
      headers: { 'content-type': 'application/json', ...bearer('login'), ...headers },
    })
  return { ...apps, post }
}

t.test('each verdict has its status on both routes, and why never leaves', async (t) => {
  t.strictSame(ONE_WHY_EACH.map(verdictOf), [...VERDICTS])
  const [native, mailcow]: [number[], number[]] = [[], []]
  for (const why of ONE_WHY_EACH) {
    const { post } = setUp(t, { login: () => outcomeOf(why) })
    const one = await post('/v1/login', BODY)
    const other = await post('/', MAILCOW_BODY)
    native.push(one.statusCode)
    mailcow.push(other.statusCode)
    t.equal(one.json().verdict, verdictOf(why))
    t.strictSame(other.json(), { success: why === 'verified' })
    t.notMatch(one.body + other.body, /why|verified|_differs|no_such|max_|closed|app_pass|busy|directory/)
    const waits = [one, other].map(({ headers }) => headers['retry-after'])
    t.strictSame(waits, why === 'busy' || why === 'directory_down' ? ['2', '2'] : [undefined, undefined])
  }
  t.strictSame(native, [200, 401, 401, 403, 403, 403, 429, 503])
  t.strictSame(mailcow, [200, 401, 401, 401, 401, 401, 503, 503])
})

t.test('the answer has what the outcome has', async (t) => {
  const made = setUp(t, { login: async () => outcomeOf('verified', { provisioned: true, recordAgeMs: 3 }) })
  t.strictSame((await made.post('/v1/login', BODY)).json(), {
    verdict: 'ok',
    mailbox: 'jane@example.org',
    credential: 'main',
    provisioned: true,
  })
  const later = setUp(t, { login: () => outcomeOf('busy', { mailbox: undefined, retryAfterSeconds: 7.2 }) })
  const answer = await later.post('/v1/login', BODY)
  t.equal(answer.headers['retry-after'], '8')
  t.strictSame(answer.json(), { verdict: 'throttled', retry_after_seconds: 7.2 })
})

t.test('a body becomes a login request, field by field', async (t) => {
  const { post, seen, clock } = setUp(t)
  await post('/v1/login', {
    ...BODY,
    service: 'submission',
    local_ip: '2001:db8::2',
    tls: true,
    session: 'abc',
    mechanism: 'login',
  })
  await post('/', { ...MAILCOW_BODY, real_rip: '', extra: [1] })
  await post('/v1/login', {
    username: 'x',
    password: '',
    service: 'nonsense',
    remote_ip: '',
    mechanism: 'XOAUTH2',
  })
  const shown = seen.map(({ secret: _secret, password, receivedAtMs, deadlineMs, ...rest }) => ({
    ...rest,
    password: password.toString(),
    within: deadlineMs - receivedAtMs,
  }))
  t.strictSame(shown, [
    {
      door: 'http',
      mechanism: 'LOGIN',
      service: 'smtp',
      username: 'Jane@Example.org',
      remoteIp: '192.0.2.7',
      localIp: '2001:db8::2',
      tls: true,
      sessionId: 'abc',
      password: CANARY,
      within: 8000,
    },
    {
      door: 'mailcow',
      mechanism: 'PLAIN',
      service: 'smtp',
      username: 'jane@example.org',
      remoteIp: undefined,
      localIp: undefined,
      tls: undefined,
      sessionId: undefined,
      password: CANARY,
      within: 8000,
    },
    {
      door: 'http',
      mechanism: 'PLAIN',
      service: 'other',
      username: 'x',
      remoteIp: undefined,
      localIp: undefined,
      tls: undefined,
      sessionId: undefined,
      password: '',
      within: 8000,
    },
  ])
  t.equal(seen[0]?.receivedAtMs, clock.monotonicMs())
})

/** A body with the password's bytes as Lua's cjson writes them: only quotes, backslashes and controls escaped. */
function luaBody(password: Buffer, username: Buffer = Buffer.from('jane@example.org')): Buffer {
  const escaped = (bytes: Buffer) =>
    Buffer.concat(
      [...bytes].map((byte) =>
        byte < 0x20 || byte === 0x7f
          ? Buffer.from(`\\u${byte.toString(16).padStart(4, '0')}`)
          : byte === 0x22 || byte === 0x5c || byte === 0x2f
            ? Buffer.from([0x5c, byte])
            : Buffer.from([byte]),
      ),
    )
  return Buffer.concat([
    Buffer.from('{"username":"'),
    escaped(username),
    Buffer.from('","service":"imap","real_rip":"192.0.2.7","password":"'),
    escaped(password),
    Buffer.from('"}'),
  ])
}

t.test('password bytes arrive as they are, UTF-8 or not', async (t) => {
  const { post, seen } = setUp(t)
  const cases = [
    Buffer.from('é', 'utf8'),
    Buffer.from('é', 'latin1'),
    Buffer.from([0xc3]),
    Buffer.from('pass wörd 😀 \u0000"\\/', 'utf8'),
    Buffer.concat([Buffer.from('utf8 é and latin1 '), Buffer.from([0xe9, 0xff, 0xfe])]),
    Buffer.from([0xed, 0xa0, 0x80, 0xed, 0xb2, 0x80]),
    Buffer.from([0xc0, 0x80, 0xf5, 0x80]),
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    Buffer.alloc(4000, 0xe9),
  ]
  for (const bytes of cases) {
    const answer = await post('/', luaBody(bytes))
    t.equal(answer.statusCode, 200)
    t.ok(seen.at(-1)?.password.equals(bytes), bytes.subarray(0, 8).toString('hex'))
  }
  for (let byte = 0; byte < 256; byte += 1) {
    await post('/', luaBody(Buffer.from([byte])))
    if (seen.at(-1)?.password.equals(Buffer.from([byte])) !== true) t.fail(`byte ${byte}`)
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      await post('/', luaBody(Buffer.from(bytes)))
      return seen.at(-1)?.password.equals(bytes) === true
    }),
    { numRuns: 200 },
  )
})

t.test(
  'a name beside a password of other bytes stays text; a name of other bytes is no address',
  async (t) => {
    const { post, seen } = setUp(t)
    await post('/', luaBody(Buffer.from([0xe9]), Buffer.from('jürgen@example.org')))
    t.equal(seen.at(-1)?.username, 'jürgen@example.org')
    await post('/', luaBody(Buffer.from('x'), Buffer.from('j\xfcrgen@example.org', 'latin1')))
    t.equal(seen.at(-1)?.username.isWellFormed(), false)
  },
)

t.test('\\u escapes are characters in both kinds of body; half a character is refused', async (t) => {
  const { post, seen } = setUp(t)
  const body = (password: string, raw: number[]) =>
    Buffer.concat([
      Buffer.from(`{"username":"x","real_rip":"","password":"${password}`),
      Buffer.from(raw),
      Buffer.from('"}'),
    ])
  await post('/', body('\\u00e9\\ud83d\\udc80\\u20ac', []))
  t.equal(seen.at(-1)?.password.toString(), 'é💀€')
  await post('/', body('\\u00e9\\ud83d\\udc80\\u20ac', [0xff]))
  t.equal(seen.at(-1)?.password.toString('hex'), Buffer.from('é💀€').toString('hex') + 'ff')
  for (const [escape, raw] of [
    ['\\ud83d', []],
    ['\\udc80', []],
    ['x\\ud83d', [0x41, 0xff]],
    ['\\udc00', [0xff]],
  ] as const) {
    const answer = await post('/', body(escape, [...raw]))
    t.equal(answer.statusCode, 400)
    t.match(answer.json(), { error: { code: 'field_invalid', message: /^password: / } })
  }
})

t.test('malformed requests: 400 that names the field and the rule, never the value', async (t) => {
  const { post, seen } = setUp(t)
  const without = (key: string, body: object) =>
    Object.fromEntries(Object.entries(body).filter(([name]) => name !== key))
  const cases: [string, string | object, RegExp][] = [
    ['/v1/login', without('username', BODY), /^username: is missing$/],
    ['/v1/login', without('password', BODY), /^password: is missing$/],
    ['/v1/login', without('service', BODY), /^service: is missing$/],
    ['/v1/login', { ...BODY, username: 5 }, /^username: /],
    ['/v1/login', { ...BODY, password: [CANARY] }, /^password: /],
    ['/v1/login', { ...BODY, password: { [CANARY]: 1 } }, /^password: /],
    ['/v1/login', { ...BODY, tls: 'yes' }, /^tls: /],
    ['/v1/login', { ...BODY, remote_ip: CANARY }, /^remote_ip: must be an IP address or empty$/],
    ['/v1/login', { ...BODY, local_ip: '1.2.3' }, /^local_ip: must be an IP address or empty$/],
    ['/v1/login', { ...BODY, session: CANARY.repeat(20) }, /^session: /],
    ['/v1/login', { ...BODY, service: CANARY.repeat(20) }, /^service: /],
    ['/v1/login', { ...BODY, [CANARY]: 1 }, /^body: a key is none of username, password, /],
    ['/v1/login', `{"__proto__":{},${JSON.stringify(BODY).slice(1)}`, /^body: a key is none of /],
    ['/v1/login', JSON.stringify([BODY]), /^body: must be object$/],
    ['/v1/login', 'null', /^body: must be object$/],
    ['/v1/login', `{"password": ${CANARY}}`, /^the body is not JSON$/],
    ['/v1/login', `{"password": "${CANARY}`, /^the body is not JSON$/],
    ['/v1/login', '', /^the body is not JSON$|^body: must be object$/],
    ['/', without('username', MAILCOW_BODY), /^username: is missing$/],
    ['/', without('password', MAILCOW_BODY), /^password: is missing$/],
    ['/', without('real_rip', MAILCOW_BODY), /^real_rip: is missing$/],
    ['/', `{"username": "${CANARY}`, /^the body is not JSON$/],
  ]
  for (const [url, body, message] of cases) {
    const answer = await post(url, body)
    t.equal(answer.statusCode, 400)
    t.match(answer.json().error.message, message)
    t.notMatch(answer.body, CANARY)
    t.notOk('verdict' in answer.json())
  }
  t.strictSame(seen, [], 'none of them was a login')
})

t.test('a service is optional for mailcow, an overlong password is passed on', async (t) => {
  const { post, seen } = setUp(t)
  t.equal((await post('/', { username: 'x', password: 'y', real_rip: '' })).statusCode, 200)
  t.equal(seen.at(-1)?.service, 'other', 'none is the word NONE alone')
  t.equal((await post('/v1/login', { ...BODY, password: 'x'.repeat(15_000) })).statusCode, 200)
  t.equal(seen.at(-1)?.password.length, 15_000)
})

t.test('from SOGo’s address the service is SOGo’s, on mailcow’s route alone', async (t) => {
  const { post, admin, seen } = setUp(t, { sogoNetworks: ['172.22.1.248/32', '2001:db8:5060::/64'] })
  const ips: [realRip: string, service: string][] = [
    ['172.22.1.248', 'sogo'],
    ['::ffff:172.22.1.248', 'sogo'],
    ['2001:db8:5060::1', 'sogo'],
    ['172.22.1.249', 'smtp'],
    ['', 'smtp'],
    ['172.22.1.248/32', 'smtp'],
  ]
  for (const [realRip, service] of ips) {
    await post('/', { ...MAILCOW_BODY, real_rip: realRip })
    t.equal(seen.at(-1)?.service, service, realRip)
  }
  await post('/', { ...MAILCOW_BODY, service: 'NONE' })
  t.equal(seen.at(-1)?.service, 'none')
  await post('/v1/login', { ...BODY, remote_ip: '172.22.1.248' })
  t.match(seen.at(-1), { service: 'imap', door: 'http' })
  await post('/v1/login', { ...BODY, service: 'sogo', remote_ip: '172.22.1.248' })
  t.match(seen.at(-1), { service: 'other', door: 'http' })
  await admin.inject({
    method: 'POST',
    url: '/v1/login-attempts',
    payload: { ...BODY, service: 'SOGO', remote_ip: '172.22.1.248' },
    headers: { 'content-type': 'application/json', ...bearer('admin') },
  })
  t.match(seen.at(-1), { service: 'other', door: 'cli' })
})

t.test('what a mail client may have made up is passed on: it is a wrong login, not a fault', async (t) => {
  const { post, seen } = setUp(t)
  await post('/v1/login', { ...BODY, username: 'é'.repeat(5000) })
  t.equal(seen.at(-1)?.username.length, 1024, 'cut: longer than any address still')
  await post('/', { ...MAILCOW_BODY, real_rip: 'nonsense' })
  t.equal(seen.at(-1)?.remoteIp, undefined, "a bad real_rip of mailcow's counts as unknown")
})

t.test('other errors have the one format too', async (t) => {
  const { auth, post } = setUp(t)
  const error = async (answer: ReturnType<typeof post>) => {
    const { statusCode, body, json } = await answer
    t.notMatch(body, /canary|stack|node_modules|FST_/i)
    return [statusCode, json().error.code]
  }
  t.strictSame(await error(post('/v1/login', 'x'.repeat(16 * 1024 + 1))), [413, 'body_too_large'])
  t.strictSame(await error(post('/v1/login', BODY, { 'content-type': 'text/plain' })), [415, 'media_type'])
  t.strictSame(
    await error(
      post('/', new URLSearchParams(MAILCOW_BODY).toString(), {
        'content-type': 'application/x-www-form-urlencoded',
      }),
    ),
    [415, 'media_type'],
  )
  t.strictSame(await error(post('/nothing-canary', BODY)), [404, 'not_found'])
  t.strictSame(await error(auth.inject({ url: '/v1/userdb/%E9', headers: bearer('login') })), [
    400,
    'bad_request',
  ])
  const wrong = await auth.inject({ method: 'PUT', url: '/v1/userdb/canary?x', headers: bearer('login') })
  t.strictSame([wrong.statusCode, wrong.headers.allow], [405, 'GET, HEAD'])
  t.equal((await auth.inject({ url: '/v1/login' })).headers.allow, 'POST')
  t.equal(
    (await auth.inject({ url: '/metrics', headers: bearer('admin') })).statusCode,
    404,
    'doors share no routes',
  )
})

t.test('a login that is not found out in time is temp_fail after 8 s', async (t) => {
  const clock = new FakeClock()
  const login = createLogin({
    decide: () => new Promise(() => {}),
    policy: openPolicy,
    log: { record() {} },
    clock,
    logger: silentLogger,
  })
  const { post, seen } = setUp(t, { login, clock })
  let answered = 0
  const answers = [post('/v1/login', BODY), post('/', MAILCOW_BODY)]
  for (const answer of answers) void answer.then(() => (answered += 1))
  while (seen.length < 2) await new Promise((resolve) => setImmediate(resolve))
  await clock.advance(7999)
  t.equal(answered, 0)
  await clock.advance(1)
  const [native, mailcow] = await Promise.all(answers)
  t.strictSame([native?.statusCode, native?.json()], [503, { verdict: 'temp_fail' }])
  t.strictSame([mailcow?.statusCode, mailcow?.json()], [503, { success: false }])
})

t.test('a fault of our own is an error without a verdict, told to the log alone', async (t) => {
  const { post, logged } = setUp(t, { login: () => Promise.reject(new Error('fault-of-ours')) })
  for (const answer of [await post('/v1/login', BODY), await post('/', MAILCOW_BODY)]) {
    t.strictSame([answer.statusCode, answer.json().error.code], [500, 'internal'])
    t.notMatch(answer.body, 'fault-of-ours')
  }
  t.match(logged.join(''), 'fault-of-ours')
})

t.test('userdb: found, absent, not found out', async (t) => {
  const entry = {
    user: 'jane@example.org',
    uid: '5000',
    gid: '5000',
    home: '/var/vmail/example.org/jane',
    mail: 'maildir:/var/vmail/example.org/jane/',
    quotaBytes: 1024,
  }
  const asked: string[] = []
  const found = setUp(t, {
    userdb: async (name) => {
      asked.push(name)
      return { kind: 'found', entry }
    },
  })
  const get = (app: typeof found.auth, name: string) =>
    app.inject({ url: `/v1/userdb/${encodeURIComponent(name)}`, headers: bearer('login') })
  const { quotaBytes, ...same } = entry
  t.strictSame((await get(found.auth, 'Jane+tag/é@example.org')).json(), { ...same, quota_bytes: quotaBytes })
  t.strictSame(asked, ['Jane+tag/é@example.org'])

  const absent = await get(setUp(t, { userdb: { kind: 'absent' } }).auth, 'nobody@example.org')
  t.strictSame([absent.statusCode, absent.json().error.code], [404, 'no_mailbox'])

  const unknown = await get(setUp(t, { userdb: { kind: 'temp_fail', why: 'store_down' } }).auth, 'a@b')
  t.strictSame(
    [unknown.statusCode, unknown.json().error.code, unknown.headers['retry-after']],
    [503, 'temp_fail', '5'],
  )
  const broken = await get(setUp(t, { userdb: () => Promise.reject(new Error('x')) }).auth, 'a@b')
  t.equal(broken.statusCode, 503)

  const hanging = setUp(t, { userdb: () => new Promise(() => {}) })
  const late = get(hanging.auth, 'a@b')
  while (hanging.clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve))
  await hanging.clock.advance(8000)
  t.equal((await late).statusCode, 503)
})

t.test('admin: health, readiness, metrics, and logins that say why', async (t) => {
  const { admin, seen } = setUp(t, {
    login: () => outcomeOf('max_mailboxes', { recordAgeMs: 12, mailbox: 'jane@example.org' }),
  })
  t.strictSame((await admin.inject({ url: '/healthz' })).json(), { status: 'ok' })
  t.strictSame((await admin.inject({ url: '/readyz', headers: bearer('read') })).json(), {
    ready: true,
    degraded: [],
    notes: [],
  })
  const metrics = await admin.inject({ url: '/metrics', headers: bearer('read') })
  t.match(metrics.headers['content-type'], /^text\/plain; version=0\.0\.4/)
  t.match(metrics.body, /^mailpassd_build_info/m)
  const attempt = await admin.inject({
    method: 'POST',
    url: '/v1/login-attempts',
    headers: bearer('admin'),
    payload: BODY,
  })
  t.equal(attempt.statusCode, 200)
  t.match(attempt.json(), {
    verdict: 'user_disabled',
    why: 'max_mailboxes',
    meaning: /number of mailboxes/,
    record_age_ms: 12,
  })
  t.equal(seen.at(-1)?.door, 'cli')

  const down = setUp(t, { readiness: async () => ({ ready: false, degraded: ['store_down'] }) }).admin
  const answer = await down.inject({ url: '/readyz', headers: bearer('read') })
  t.strictSame(
    [answer.statusCode, answer.json()],
    [503, { ready: false, degraded: ['store_down'], notes: [] }],
  )
  const broken = setUp(t, { readiness: () => Promise.reject(new Error('x')) }).admin
  t.equal((await broken.inject({ url: '/readyz', headers: bearer('read') })).statusCode, 503)
  const hanging = setUp(t, { readiness: () => new Promise(() => {}) })
  const late = hanging.admin.inject({ url: '/readyz', headers: bearer('read') })
  while (hanging.clock.pendingTimers === 0) await new Promise((resolve) => setImmediate(resolve))
  await hanging.clock.advance(2000)
  t.strictSame((await late).json(), { ready: false, degraded: ['deadline'], notes: [] })
})
