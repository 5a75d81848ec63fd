import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { listenHttp } from '../../../src/door/http/listen.ts'
import { ask, bearer, makeApps, outcomeOf, tempDir, TOKENS, type FixtureOptions } from './fixtures.ts'

const BODY = JSON.stringify({
  username: 'jane@example.org',
  password: 'pw',
  service: 'imap',
  remote_ip: '192.0.2.7',
})
const MAILCOW_BODY = JSON.stringify({ username: 'jane@example.org', password: 'pw', real_rip: '192.0.2.7' })

async function listenBoth(t: Test, options: FixtureOptions = {}) {
  const apps = makeApps(options)
  const dir = await tempDir()
  const auth = await listenHttp(apps.auth, ['127.0.0.1:0', 'unix:auth.http'], dir.path, '0660')
  const admin = await listenHttp(apps.admin, ['127.0.0.1:0', 'unix:admin.sock'], dir.path, '0600')
  t.teardown(async () => {
    await Promise.all([auth.close(), admin.close()])
    apps.close()
    await dir.remove()
  })
  const [authTcp = '', authUnix = ''] = auth.addresses
  const [adminTcp = '', adminUnix = ''] = admin.addresses
  return { ...apps, dir: dir.path, listener: auth, authTcp, authUnix, adminTcp, adminUnix }
}

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

function connectTo(address: string): Socket {
  const [host = '', port = ''] = address.split(':')
  return connect({ host, port: Number(port) })
}

t.test('tokens x scopes x doors', async (t) => {
  const { authTcp, authUnix, adminTcp, adminUnix } = await listenBoth(t)
  const routes: [string, string, string, string | undefined, string][] = [
    // door, method, path, body, who may (of: - none, l login, r read, a admin, ? a wrong token)
    ['auth', 'POST', '/v1/login', BODY, 'la'],
    ['auth', 'GET', '/v1/userdb/a%40b', undefined, 'la'],
    ['auth', 'POST', '/', MAILCOW_BODY, 'la'],
    ['admin', 'GET', '/healthz', undefined, '-lra?'],
    ['admin', 'GET', '/readyz', undefined, 'ra'],
    ['admin', 'GET', '/metrics', undefined, 'ra'],
    ['admin', 'GET', '/openapi.json', undefined, 'ra'],
    ['admin', 'POST', '/v1/login-attempts', BODY, 'a'],
  ]
  const holders: [string, Record<string, string>][] = [
    ['-', {}],
    ['l', bearer('login')],
    ['r', bearer('read')],
    ['a', bearer('admin')],
    ['?', { authorization: `Bearer ${TOKENS.admin}x` }],
  ]
  for (const [door, method, path, body, allowed] of routes) {
    for (const [holder, headers] of holders) {
      const options = body === undefined ? { headers } : { headers, body }
      const overTcp = await ask(door === 'auth' ? authTcp : adminTcp, method, path, options)
      const isRefused = /^{"error":{"code":"(?:token|scope)_/.test(overTcp.body)
      t.equal(!isRefused, allowed.includes(holder), `${method} ${path} as ${holder}`)
      if (isRefused) {
        const status = path === '/' || holder === 'l' || holder === 'r' ? 403 : 401
        t.equal(overTcp.status, status, `${path} as ${holder}`)
        t.notMatch(overTcp.body, 'verdict')
        t.equal('www-authenticate' in overTcp.headers, path !== '/')
      }
      const overUnix = await ask(door === 'auth' ? authUnix : adminUnix, method, path, options)
      t.notMatch(overUnix.body, /^{"error":{"code":"(?:token|scope)_/, `${path} over UNIX as ${holder}`)
    }
  }
})

t.test('authorization in other spellings', async (t) => {
  const { auth } = makeAuth(t)
  const status = async (authorization: string) =>
    (await auth.inject({ url: '/v1/userdb/a', headers: { authorization } })).statusCode
  t.equal(await status(`bearer ${TOKENS.login}`), 404)
  t.equal(await status(`BEARER   ${TOKENS.login} `), 404)
  t.equal(await status(TOKENS.login), 401)
  t.equal(await status(`Basic ${TOKENS.login}`), 401)
  t.equal(await status(`Bearer ${TOKENS.login.slice(0, -1)}`), 401)
  t.equal(await status('Bearer '), 401)
  t.equal(await status(`Bearer ${'x'.repeat(10_000)}`), 401)
})

function makeAuth(t: Test, options: FixtureOptions = {}) {
  const apps = makeApps(options)
  t.teardown(async () => {
    apps.close()
    await Promise.all([apps.auth.close(), apps.admin.close()])
  })
  return apps
}

t.test('what a proxy forwarded is refused on every door, before its body is read', async (t) => {
  const { authTcp, authUnix, adminTcp, adminUnix, seen } = await listenBoth(t, {
    compatNetworks: ['127.0.0.0/8'],
  })
  const headers = [
    { forwarded: 'for=192.0.2.7' },
    { 'x-forwarded-for': '192.0.2.7' },
    { 'X-Forwarded-Proto': 'https' },
    { 'x-forwarded-anything': '' },
  ]
  for (const forwarded of headers) {
    for (const [at, method, path, body] of [
      [authTcp, 'POST', '/v1/login', BODY],
      [authTcp, 'POST', '/', MAILCOW_BODY],
      [authUnix, 'POST', '/v1/login', BODY],
      [adminTcp, 'POST', '/v1/login-attempts', BODY],
      [adminUnix, 'GET', '/healthz', undefined],
      [adminTcp, 'GET', '/nothing', undefined],
    ] as const) {
      const answer = await ask(at, method, path, {
        headers: { ...bearer('admin'), ...forwarded },
        ...(body === undefined ? {} : { body }),
      })
      t.equal(answer.status, 403)
      t.match(answer.body, /"code":"forwarded","message":".*proxy/)
    }
  }
  t.equal(seen.length, 0)
})

t.test('POST / without a token: only from compat.networks, and only that route', async (t) => {
  const { authTcp } = await listenBoth(t, { compatNetworks: ['10.0.0.0/8', '127.0.0.0/8'] })
  t.strictSame((await ask(authTcp, 'POST', '/', { body: MAILCOW_BODY })).body, '{"success":true}')
  t.equal((await ask(authTcp, 'POST', '/v1/login', { body: BODY })).status, 401)
  t.equal((await ask(authTcp, 'GET', '/v1/userdb/a')).status, 401)

  const other = await listenBoth(t, { compatNetworks: ['10.0.0.0/8', '2001:db8::/32', '127.0.0.2/32'] })
  const refused = await ask(other.authTcp, 'POST', '/', { body: MAILCOW_BODY })
  t.equal(refused.status, 403, "not 401, which mailcow's Lua takes for a wrong password")
  t.equal(other.seen.length, 0)

  const { auth } = makeAuth(t, { compatNetworks: ['10.0.0.0/8', '2001:db8::/32'] })
  const from = async (remoteAddress: string) =>
    (await auth.inject({ method: 'POST', url: '/', payload: JSON.parse(MAILCOW_BODY), remoteAddress }))
      .statusCode
  t.strictSame(
    await Promise.all(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::9', '11.0.0.1', '::1', ''].map(from)),
    [200, 200, 200, 403, 403, 403],
  )
})

t.test(
  'several addresses at once, UNIX sockets with their mode; a taken one undoes the others',
  async (t) => {
    const { dir, authTcp, authUnix } = await listenBoth(t)
    t.match(authTcp, /^127\.0\.0\.1:\d+$/)
    t.equal(authUnix, `unix:${join(dir, 'auth.http')}`)
    t.equal((await stat(join(dir, 'auth.http'))).mode & 0o777, 0o660)
    t.equal((await stat(join(dir, 'admin.sock'))).mode & 0o777, 0o600)

    const { auth } = makeAuth(t)
    await t.rejects(listenHttp(auth, ['127.0.0.1:0', 'unix:second.sock', authTcp], dir, '0600'), {
      code: 'listen_failed',
    })
    await t.rejects(stat(join(dir, 'second.sock')), { code: 'ENOENT' })
    await t.rejects(listenHttp(auth, ['nonsense'], dir, '0600'), { code: 'config_invalid' })
  },
)

t.test('Expect: 100-continue is answered, as Dovecot 2.3 asks with each POST', async (t) => {
  const { authTcp, seen } = await listenBoth(t)
  const socket = connectTo(authTcp)
  socket.write(
    `POST /v1/login HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKENS.login}\r\nExpect: 100-continue\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\nConnection: close\r\n\r\n`,
  )
  const [first] = await once(socket, 'data')
  t.match(String(first), /^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  t.equal(seen.length, 0)
  socket.write(BODY)
  t.match(await readAll(socket), /^HTTP\/1\.1 200 OK\r\n[^]*"verdict":"ok"/)
})

t.test('what is not HTTP is answered in our format, without a word of it', async (t) => {
  const { authTcp, logged } = await listenBoth(t)
  for (const bytes of [
    'hello canary\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: x\r\ncanary\u0000: 1\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'canary'.repeat(5000)}\r\n\r\n`,
  ]) {
    const socket = connectTo(authTcp)
    socket.on('error', () => {})
    const answer = readAll(socket)
    socket.write(bytes)
    t.match(await answer, /^HTTP\/1\.1 4\d\d [^]*\r\n\r\n\{"error":\{"code":"bad_request"/)
    t.notMatch(await answer, 'canary')
  }
  t.strictSame(logged, [])
})

t.test('connections are kept alive longer than Dovecot keeps them, and many logins share one', async (t) => {
  const { authTcp, seen } = await listenBoth(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (let n = 0; n < 5; n += 1) {
    const answer = await ask(authTcp, 'POST', '/v1/login', { headers: bearer('login'), body: BODY, agent })
    t.equal(answer.headers['keep-alive'], 'timeout=75')
  }
  t.equal(seen.length, 5)
  t.equal(Object.values(agent.freeSockets).flat().length, 1)
})

t.test('close lets logins under way finish, ends idle connections, takes no new ones', async (t) => {
  const login = Promise.withResolvers<ReturnType<typeof outcomeOf>>()
  const { authTcp, listener, seen } = await listenBoth(t, { login: () => login.promise })
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const idle = connectTo(authTcp)
  const idleClosed = once(idle, 'close')
  await once(idle, 'connect')
  const answer = ask(authTcp, 'POST', '/v1/login', { headers: bearer('login'), body: BODY, agent })
  while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve))
  const closed = listener.close()
  await t.rejects(ask(authTcp, 'GET', '/v1/userdb/a', { headers: bearer('login') }), { code: 'ECONNREFUSED' })
  login.resolve(outcomeOf('verified'))
  t.equal((await answer).status, 200)
  await closed
  await idleClosed
})

t.test('no password stays on the heap of an idle door', async (t) => {
  const dir = await tempDir()
  t.teardown(dir.remove)
  const child = spawn(process.execPath, [fileURLToPath(new URL('heap-child.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const address = String((await lines.next()).value)
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })

  const canary = 'heap-canary-'
  const logins = Array.from({ length: 100 }, (_, n) => {
    const password = Buffer.from(`${canary}${n}-${'x'.repeat(n % 40)}`)
    // Every third one with a byte that is not UTF-8.
    const bytes = n % 3 === 0 ? Buffer.concat([password, Buffer.from([0xe9])]) : password
    const isMailcow = n % 5 === 0
    const head = `{"username":"user${n}@example.org","service":"imap",${isMailcow ? '"real_rip":"",' : ''}"password":"`
    const body = Buffer.concat([Buffer.from(head), bytes, Buffer.from('"}')])
    return ask(address, 'POST', isMailcow ? '/' : '/v1/login', { headers: bearer('login'), body, agent })
  })
  const statuses = (await Promise.all(logins)).map(({ status }) => status)
  t.ok(statuses.every((status) => status === 200 || status === 401))
  // Malformed ones too: their errors quote nothing and keep nothing.
  for (const body of [`{"password":"${canary}cut`, `{"password":["${canary}list"]}`])
    t.equal((await ask(address, 'POST', '/v1/login', { headers: bearer('login'), body, agent })).status, 400)

  const path = join(dir.path, 'door.heapsnapshot')
  child.stdin.write(`${path}\n`)
  t.equal((await lines.next()).value, '100 logins')
  const snapshot = await readFile(path, 'latin1')
  t.match(snapshot, '"/v1/login"', 'it is a snapshot of the door')
  t.equal(snapshot.split(canary).length - 1, 0, 'no password')
  agent.destroy()
  child.stdin.end()
  await exited
})
