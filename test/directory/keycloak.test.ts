/** The Keycloak adapter against servers that misbehave: what it makes of it, how often it asks, what it lets out. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { inspect, promisify } from 'node:util'
import t, { type Test } from 'tap'
import { systemClock, type Clock } from '../../src/clock.ts'
import {
  createKeycloakDirectory,
  type KeycloakDirectoryConfig,
} from '../../src/directory/keycloak/directory.ts'
import { MailpassdError, toMailpassdError } from '../../src/errors.ts'
import { silentLogger, type Logger } from '../../src/telemetry/logger.ts'
import { FakeClock, settle } from '../fakes/clock.ts'
import { CLIENT_SECRET, FakeKeycloak, HASH, json, user, type Misbehave } from './fake-keycloak.ts'

const JOE = 'joe@x.example'

function open(
  t: Test,
  url: string,
  change: Partial<KeycloakDirectoryConfig> = {},
  clock: Clock = systemClock,
) {
  const said: string[] = []
  const say = (fields: object, text: string) => said.push(`${text} ${inspect(fields, { depth: 9 })}`)
  const logger: Logger = { ...silentLogger, info: say, warn: say, error: say }
  const directory = createKeycloakDirectory(
    {
      server_url: url,
      realm: 'test',
      client_id: 'mailpassd',
      client_secret: CLIENT_SECRET,
      connections: 16,
      password_attribute: 'mailcow_password',
      template_attribute: 'mailcow_template',
      tls: { insecure: false },
      ...change,
    },
    { clock, logger },
  )
  t.teardown(() => directory.close())
  return { directory, said }
}

async function startFake(t: Test, tls?: { key: string; cert: string }): Promise<FakeKeycloak> {
  const fake = await FakeKeycloak.start(tls)
  t.teardown(() => fake.stop())
  return fake
}

async function errorOf(promise: Promise<unknown>): Promise<MailpassdError> {
  try {
    const value = await promise
    return new MailpassdError('internal', `no error but ${inspect(value)}`)
  } catch (error) {
    return toMailpassdError(error)
  }
}

/** Nothing that prints an error may show a secret: not its message, its causes, its stack or its fields. */
function showsNoSecret(t: Test, shown: unknown): void {
  const text = inspect(shown, { depth: 20, showHidden: true, getters: true })
  for (const secret of [CLIENT_SECRET, HASH, 'of-this-test']) {
    t.notOk(text.includes(secret), `does not show ${secret}`)
  }
}

/** Every body below holds all that must not come out. */
const SPOILED = `{"hash": "${HASH}", "token": "token-0-of-this-test", "secret": "${CLIENT_SECRET}"`

function answer(status: number, type: string, body: string, headers: Record<string, string> = {}) {
  return (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': type, ...headers }).end(body)
  }
}

function halfABody(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
  response.write(SPOILED, () => response.destroy())
}

function halfAChunkedBody(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write(SPOILED, () => response.destroy())
}

const TOO_LONG = JSON.stringify([user({ more: 'x'.repeat(1024 * 1024) })])

const FAULTS: readonly (readonly [what: string, code: string, (response: ServerResponse) => void])[] = [
  ['500', 'directory_unavailable', answer(500, 'application/json', `${SPOILED}}`)],
  ['503 of a proxy', 'directory_unavailable', answer(503, 'text/html', `<html>${SPOILED}`)],
  ['429', 'directory_unavailable', answer(429, 'text/plain', SPOILED)],
  ['a reset', 'directory_unavailable', (response) => response.destroy()],
  ['403', 'directory_refused', answer(403, 'application/json', `${SPOILED}}`)],
  ['404 of the realm', 'directory_refused', (response) => json(response, 404, { error: 'Realm not found.' })],
  ['HTML with 200', 'directory_invalid', answer(200, 'text/html', `<html>${SPOILED}`)],
  ['JSON called HTML', 'directory_invalid', answer(200, 'text/html', '[]')],
  ['HTML called JSON', 'directory_invalid', answer(200, 'application/json', `<html>${SPOILED}`)],
  ['cut JSON', 'directory_invalid', answer(200, 'application/json', SPOILED)],
  ['half a body', 'directory_invalid', halfABody],
  ['half a chunked body', 'directory_invalid', halfAChunkedBody],
  ['more than 1 MiB', 'directory_invalid', answer(200, 'application/json', TOO_LONG)],
  ['302', 'directory_invalid', answer(302, 'text/html', SPOILED, { location: '/elsewhere' })],
  ['307', 'directory_invalid', answer(307, 'application/json', '[]', { location: '/elsewhere' })],
  ['204', 'directory_invalid', (response) => response.writeHead(204).end()],
  ['418', 'directory_invalid', answer(418, 'application/json', '[]')],
]

t.test('every fault on a look-up is temporary, typed, and shows no secret', async (t) => {
  const fake = await startFake(t)
  const { directory, said } = open(t, fake.url)
  const more: typeof FAULTS = [
    ['404 of something else', 'directory_invalid', answer(404, 'text/html', SPOILED)],
    ['400', 'directory_invalid', answer(400, 'application/json', `${SPOILED}}`)],
    ['no list', 'directory_invalid', answer(200, 'application/json', `${SPOILED}}`)],
  ]
  for (const [what, code, misbehave] of [...FAULTS, ...more]) {
    fake.misbehave = (asked, response) => {
      if (asked.endpoint === 'token') return false
      misbehave(response)
      return true
    }
    const calls: readonly (() => Promise<unknown>)[] = [
      () => directory.findByEmail(JOE),
      () => directory.findById('f3a0'),
      () => directory.profile(),
    ]
    for (const call of calls) {
      const error = await errorOf(call())
      t.match(error, { code, temporary: true }, what)
      t.match(error.message, fake.url, 'names the server')
      showsNoSecret(t, error)
    }
  }
  t.notOk(
    fake.asked.some((asked) => asked.path === '/elsewhere'),
    'no redirect is followed',
  )
  fake.misbehave = () => false
  t.match(await directory.findByEmail(JOE), { kind: 'found' }, 'and works again afterwards')
  showsNoSecret(t, said)
  showsNoSecret(t, directory)
})

t.test('every fault on a token request is typed and shows no secret', async (t) => {
  const fake = await startFake(t)
  const { directory, said } = open(t, fake.url)
  const more: typeof FAULTS = [
    ['400', 'directory_refused', answer(400, 'application/json', `${SPOILED}}`)],
    ['401', 'directory_refused', answer(401, 'application/json', `${SPOILED}}`)],
    ['no token', 'directory_invalid', answer(200, 'application/json', `${SPOILED}}`)],
    [
      'a token that would add a header',
      'directory_invalid',
      (response) => json(response, 200, { access_token: 'a\r\nx: of-this-test', expires_in: 300 }),
    ],
    [
      'a token without an end',
      'directory_invalid',
      (response) => json(response, 200, { access_token: 'token-0-of-this-test' }),
    ],
  ]
  for (const [what, code, misbehave] of [...FAULTS, ...more]) {
    fake.misbehave = (asked, response) => {
      if (asked.endpoint === 'token') misbehave(response)
      else json(response, 500, {})
      return true
    }
    const error = await errorOf(directory.findByEmail(JOE))
    t.match(error, { code, temporary: true }, what)
    showsNoSecret(t, error)
  }
  t.equal(fake.count('users'), 0, 'nothing is looked up without a token')
  fake.misbehave = () => false
  t.match(await directory.findByEmail(JOE), { kind: 'found' })
  showsNoSecret(t, said)
})

t.test('no server and no HTTP', async (t) => {
  const gone = await FakeKeycloak.start()
  const { url } = gone
  await gone.stop()
  const { directory } = open(t, url)
  t.match(await errorOf(directory.findByEmail(JOE)), {
    code: 'directory_unavailable',
    message: /ECONNREFUSED/,
  })

  const smtp = createServer((socket) => socket.end(`220 ${CLIENT_SECRET} ESMTP\r\n`)).listen(0, '127.0.0.1')
  await once(smtp, 'listening')
  t.teardown(() => smtp.close())
  const address = smtp.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const wrong = await errorOf(open(t, `http://127.0.0.1:${port}`).directory.findByEmail(JOE))
  t.match(wrong, { code: 'directory_invalid' })
  showsNoSecret(t, wrong)
})

t.test('a silent server is given up after 15 seconds', async (t) => {
  const fake = await startFake(t)
  const clock = new FakeClock()
  const { directory } = open(t, fake.url, {}, clock)
  await directory.findByEmail(JOE)
  const silent: readonly Misbehave[] = [
    () => true,
    (_asked, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('[')
      return true
    },
  ]
  for (const misbehave of silent) {
    fake.misbehave = misbehave
    const asked = fake.count('users')
    let over = false
    const error = errorOf(directory.findByEmail(JOE)).finally(() => (over = true))
    await fake.untilAsked('users', asked + 1)
    await clock.advance(14_999)
    t.notOk(over, 'waits')
    await clock.advance(1)
    t.match(await error, {
      code: 'directory_unavailable',
      message: /look-up by e-mail at .*: no answer within 15000 ms/,
    })
  }

  fake.misbehave = (asked) => asked.endpoint === 'token'
  await clock.advance(300_000)
  const errors = Promise.all(Array.from({ length: 5 }, () => errorOf(directory.findByEmail(JOE))))
  await fake.untilAsked('token', 2)
  await clock.advance(15_000)
  for (const error of await errors) t.match(error, { code: 'directory_unavailable' }, 'silent on the token')
  fake.misbehave = () => false
  t.match(await directory.findByEmail(JOE), { kind: 'found' }, 'the next look-up asks for a token again')
  t.equal(clock.pendingTimers, 0, 'leaves no timer behind')
})

t.test('one token serves all, and is renewed before its end', async (t) => {
  const fake = await startFake(t)
  const clock = new FakeClock()
  const { directory, said } = open(t, fake.url, {}, clock)
  const lookups = await Promise.all(Array.from({ length: 50 }, () => directory.findByEmail(JOE)))
  t.ok(lookups.every((lookup) => lookup.kind === 'found'))
  t.equal(fake.count('token'), 1, 'fifty look-ups at once, one token')

  await clock.advance(269_000)
  await directory.findByEmail(JOE)
  t.equal(fake.count('token'), 1, 'not renewed while it has half a minute to live')
  await clock.advance(2000)
  await Promise.all(Array.from({ length: 50 }, () => directory.findByEmail(JOE)))
  await fake.untilAsked('token', 2)
  await untilUsed(fake, (email) => directory.findByEmail(email), 'token-1-of-this-test')
  t.equal(fake.count('token'), 2, 'renewed once, beside the look-ups')

  fake.misbehave = (asked, response) => {
    if (asked.endpoint !== 'token') return false
    json(response, 503, {})
    return true
  }
  await clock.advance(275_000)
  t.match(await directory.findByEmail(JOE), { kind: 'found' }, 'a failed renewal lets the old token serve')
  await fake.untilAsked('token', 3)
  while (said.length === 0) await settle()
  t.match(said[0], /was not renewed/)
  await clock.advance(30_000)
  await t.rejects(directory.findByEmail(JOE), { code: 'directory_unavailable' }, 'but not past its end')
  fake.misbehave = () => false
  t.match(await directory.findByEmail(JOE), { kind: 'found' })
})

/** Looks up until a look-up carries this token. */
async function untilUsed(
  fake: FakeKeycloak,
  lookup: (email: string) => Promise<unknown>,
  token: string,
): Promise<void> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    await lookup(JOE)
    if (fake.asked.at(-1)?.authorization === `Bearer ${token}`) return
  }
}

t.test('a refused token is replaced once for all', async (t) => {
  const fake = await startFake(t)
  const { directory } = open(t, fake.url)
  await directory.findByEmail(JOE)
  fake.tokens.length = 0
  const lookups = await Promise.all(Array.from({ length: 20 }, () => directory.findByEmail(JOE)))
  t.ok(lookups.every((lookup) => lookup.kind === 'found'))
  t.equal(fake.count('token'), 2)

  fake.misbehave = (asked, response) => {
    if (asked.endpoint === 'token') return false
    json(response, 401, { error: 'HTTP 401 Unauthorized' })
    return true
  }
  const before = { users: fake.count('users'), token: fake.count('token') }
  await t.rejects(directory.findByEmail(JOE), { code: 'directory_refused', message: /answer 401/ })
  t.equal(fake.count('users'), before.users + 2, 'asked again once')
  t.equal(fake.count('token'), before.token + 1, 'with one new token')
})

t.test('asks for exactly what it wants', async (t) => {
  const fake = await startFake(t)
  const { directory } = open(t, `${fake.url}/auth//`, {
    realm: 'a b/ü',
    client_id: 'mail&passd',
    client_secret: 'x+y z&ü',
  })
  await directory.findByEmail('jö%&e+@x.example')
  await directory.findById('f:1?2#3/4')
  await directory.profile()
  const [token, byEmail, byId, ...others] = fake.asked
  t.equal(token?.path, '/auth/realms/a%20b%2F%C3%BC/protocol/openid-connect/token')
  t.strictSame(Object.fromEntries(new URLSearchParams(token?.body)), {
    grant_type: 'client_credentials',
    client_id: 'mail&passd',
    client_secret: 'x+y z&ü',
  })
  const users = '/auth/admin/realms/a%20b%2F%C3%BC/users?'
  t.equal(
    byEmail?.path,
    `${users}email=j%C3%B6%25%26e%2B%40x.example&exact=true&briefRepresentation=false&max=100`,
  )
  t.equal(byId?.path, `${users}search=id%3Af%3A1%3F2%233%2F4&briefRepresentation=false&max=2`)
  t.strictSame(others.map((asked) => asked.path).sort(), [
    '/auth/admin/realms/a%20b%2F%C3%BC',
    '/auth/admin/realms/a%20b%2F%C3%BC/users/profile',
  ])
  t.notOk(
    fake.asked.some((asked) => asked.path.includes('y%20z')),
    'the secret is in no URL',
  )

  const before = fake.asked.length
  t.strictSame(await directory.findByEmail(''), { kind: 'absent' })
  t.equal(await directory.findById(''), undefined)
  await t.rejects(directory.findById('a b'), { code: 'directory_invalid' }, 'Keycloak would look up `a`')
  t.equal(fake.asked.length, before, 'what cannot be found is not asked for')
})

t.test('judges what was found itself', async (t) => {
  const fake = await startFake(t)
  const { directory } = open(t, fake.url)
  fake.users = [user({ email: 'bjoe@x.example' })]
  t.strictSame(await directory.findByEmail(JOE), { kind: 'other_email' })
  fake.users = [user({ id: '1', email: 'bjoe@x.example' }), user({ id: '2', email: 'JOE@x.example' })]
  t.match(await directory.findByEmail(JOE), { kind: 'found', user: { id: '2', email: JOE } })
  fake.users = [user({ id: '1', email: 'jo\u212ae@x.example' })]
  t.strictSame(await directory.findByEmail('joke@x.example'), { kind: 'other_email' }, 'no Unicode folding')
  fake.users = [user({ id: '1', email: 'joe@\u24d4xample.org' })]
  t.strictSame(
    await directory.findByEmail('joe@example.org'),
    { kind: 'other_email' },
    'no mapping of letters',
  )
  fake.users = [user({ id: '1' }), user({ id: '2' })]
  t.match(await directory.findByEmail(JOE), { kind: 'ambiguous', users: [{ id: '1' }, { id: '2' }] })
  fake.users = [user({ id: 'f3a' })]
  t.equal(await directory.findById('f3a0'), undefined, 'another id than the one asked for')
})

t.test('parses users strictly where it matters and not elsewhere', async (t) => {
  const fake = await startFake(t)
  const { directory } = open(t, fake.url)
  const long = 'x'.repeat(300_000)
  fake.users = [
    user({
      attributes: {
        mailcow_password: ['1', 2, null, '3', { HASH }, long, '4', '5', '6'],
        mailcow_template: [7, 'staff'],
        other: 5,
      },
      federationLink: 5,
      firstName: null,
    }),
  ]
  const lookup = await directory.findByEmail(JOE)
  t.match(lookup, { kind: 'found', user: { template: 'staff', firstName: '' } })
  const hashes = lookup.kind === 'found' ? lookup.user.hashes : []
  t.equal(hashes.length, 5)
  t.equal(hashes[2]?.length, 1025, 'a hash that is too long is kept as one that is too long')
  for (const change of [
    { enabled: 'true' },
    { enabled: 1 },
    { emailVerified: 'yes' },
    { id: undefined },
    { id: 5 },
    { username: undefined },
    { email: [JOE] },
    { requiredActions: 'none' },
    { attributes: [] },
    { attributes: HASH },
  ]) {
    fake.users = [user(change)]
    const error = await errorOf(directory.findByEmail(JOE))
    t.match(error, { code: 'directory_invalid' }, inspect(change))
    showsNoSecret(t, error)
  }
  fake.users = [user({ enabled: undefined, emailVerified: undefined, attributes: undefined })]
  t.match(await directory.findByEmail(JOE), {
    user: { enabled: false, emailVerified: false, hashes: [], template: undefined },
  })
})

t.test('reads the profile once a minute and keeps it ten', async (t) => {
  const fake = await startFake(t)
  const clock = new FakeClock()
  const { directory, said } = open(t, fake.url, {}, clock)
  const first = await Promise.all(Array.from({ length: 20 }, () => directory.profile()))
  t.strictSame(first[19], {
    emailSelfChosen: false,
    hashVisible: true,
    hashSelfEdited: false,
    templateSelfEdited: false,
  })
  await clock.advance(59_000)
  await directory.profile()
  t.equal(fake.count('profile'), 1)

  fake.profile = { attributes: [], unmanagedAttributePolicy: 'ENABLED' }
  await clock.advance(1000)
  t.strictSame(await directory.profile(), {
    emailSelfChosen: true,
    hashVisible: true,
    hashSelfEdited: true,
    templateSelfEdited: true,
  })
  t.equal(fake.count('profile'), 2)

  fake.misbehave = (asked, response) => {
    if (asked.endpoint !== 'profile') return false
    json(response, 500, {})
    return true
  }
  await clock.advance(600_000)
  t.match(await directory.profile(), { hashSelfEdited: true }, 'the last one serves')
  t.match(said.join('\n'), /user profile cannot be read/)
  await directory.profile()
  t.equal(fake.count('profile'), 3, 'and is not asked for at once again')
  await clock.advance(1000)
  await t.rejects(directory.profile(), { code: 'directory_unavailable' }, 'until it is too old')
})

t.test('reads the rules of a realm', async (t) => {
  const fake = await startFake(t)
  const declared = (name: string, view: string[], edit: string[]) => ({ name, permissions: { view, edit } })
  const cases: readonly (readonly [what: string, realm: object, profile: object, expected: object])[] = [
    ['policy absent', {}, { attributes: [] }, { hashVisible: false, hashSelfEdited: false }],
    ['ADMIN_VIEW', {}, { attributes: [], unmanagedAttributePolicy: 'ADMIN_VIEW' }, { hashVisible: true }],
    [
      'ADMIN_EDIT',
      {},
      { attributes: [], unmanagedAttributePolicy: 'ADMIN_EDIT' },
      { hashVisible: true, hashSelfEdited: false },
    ],
    [
      'declared without permissions, whatever the policy',
      {},
      { attributes: [{ name: 'mailcow_password' }], unmanagedAttributePolicy: 'ENABLED' },
      { hashVisible: false, hashSelfEdited: false, templateSelfEdited: true },
    ],
    [
      'declared for users alone',
      {},
      { attributes: [declared('mailcow_password', ['user'], ['user'])] },
      { hashVisible: false, hashSelfEdited: true },
    ],
    [
      'editing is seeing',
      {},
      { attributes: [declared('mailcow_password', [], ['admin'])] },
      { hashVisible: true },
    ],
    [
      'e-mail of users themselves',
      { registrationAllowed: false },
      { attributes: [declared('email', ['user'], ['admin', 'user'])] },
      { emailSelfChosen: true },
    ],
    [
      'registration',
      { registrationAllowed: true },
      { attributes: [declared('email', [], ['admin'])] },
      { emailSelfChosen: true },
    ],
    [
      'registration unseen',
      {},
      { attributes: [declared('email', [], ['admin'])] },
      { emailSelfChosen: true },
    ],
    [
      'neither',
      { registrationAllowed: false },
      { attributes: [declared('email', ['user'], ['admin'])] },
      { emailSelfChosen: false },
    ],
  ]
  for (const [what, realm, profile, expected] of cases) {
    fake.realm = { realm: 'test', ...realm }
    fake.profile = profile
    const { directory } = open(t, fake.url)
    t.match(await directory.profile(), expected, what)
  }
})

t.test('checks certificates as it is told', async (t) => {
  const dir = t.testdir({})
  const keyFile = join(dir, 'key.pem')
  const caFile = join(dir, 'ca.pem')
  const args =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1'
  await promisify(execFile)('openssl', [...args.split(' '), '-keyout', keyFile, '-out', caFile])
  const fake = await startFake(t, {
    key: await readFile(keyFile, 'utf8'),
    cert: await readFile(caFile, 'utf8'),
  })

  const trusted = open(t, fake.url, { tls: { ca_file: caFile, insecure: false } })
  t.match(await trusted.directory.findByEmail(JOE), { kind: 'found' })
  t.match(await trusted.directory.profile(), { hashVisible: true })

  const before = fake.asked.length
  const strict = open(t, fake.url)
  t.match(await errorOf(strict.directory.findByEmail(JOE)), {
    code: 'directory_unavailable',
    message: /SELF_SIGNED/,
  })
  t.equal(fake.asked.length, before, 'no secret is sent to a server that is not known')

  const insecure = open(t, fake.url, { tls: { insecure: true } })
  t.match(await insecure.directory.findByEmail(JOE), { kind: 'found' })
  t.match(insecure.said.join('\n'), /NOT checked/)

  const empty = join(dir, 'empty.pem')
  await writeFile(empty, 'nothing')
  t.throws(() => open(t, fake.url, { tls: { ca_file: empty, insecure: false } }), { code: 'config_invalid' })
  const missing = join(dir, 'missing.pem')
  t.throws(() => open(t, fake.url, { tls: { ca_file: missing, insecure: false } }), {
    code: 'config_unreadable',
  })
})

t.test('refuses server URLs that it cannot use', async (t) => {
  for (const url of ['', 'keycloak', 'ftp://x.example', 'https://u:p@x.example', 'https://x.example/?a=b']) {
    t.throws(() => open(t, url), { code: 'config_invalid' }, url)
  }
  t.throws(() => open(t, 'https://x.example', { realm: '' }), { code: 'config_invalid' })
})

t.test('bounds what waits, and ends all of it when it is closed', async (t) => {
  const fake = await startFake(t)
  const { directory } = open(t, fake.url, {}, new FakeClock())
  await directory.findByEmail(JOE)
  fake.misbehave = () => true
  const waiting = Promise.all(Array.from({ length: 4096 }, () => errorOf(directory.findByEmail(JOE))))
  await fake.untilAsked('users', 17)
  t.match(await errorOf(directory.findByEmail(JOE)), {
    code: 'directory_unavailable',
    message: /too many requests wait/,
  })
  t.equal(fake.count('users'), 17, 'sixteen connections')
  await directory.close()
  t.ok((await waiting).every((error) => error.code === 'directory_unavailable'))
  await directory.close()
})
