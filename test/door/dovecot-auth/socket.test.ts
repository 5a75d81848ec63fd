import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock, type Clock } from '../../../src/clock.ts'
import { allowNetworks } from '../../../src/door/dovecot-auth/networks.ts'
import { listenSasl, type SaslListener } from '../../../src/door/dovecot-auth/socket.ts'
import {
  bindServer,
  formatAddress,
  isLoopback,
  parseListen,
  prepareUnixPath,
} from '../../../src/door/sockets.ts'
import type { Login } from '../../../src/login/login.ts'
import type { Outcome } from '../../../src/login/outcome.ts'
import type { LoginRequest } from '../../../src/login/request.ts'
import { silentLogger, type Logger } from '../../../src/telemetry/logger.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { auth, base64, hello, plainLogin, plainMessage } from './client.ts'
import { joe, outcomeOf } from './rig.ts'
import { SocketClient } from './socket-client.ts'

const good = plainLogin(1, 'joe@example.org', 'secret')
const OK1 = 'OK\t1\tuser=joe@example.org\n'

interface Options {
  readonly login?: Login
  readonly clock?: Clock
  readonly listen?: string
  readonly dataDir?: string
  readonly tempFail?: 'close' | 'reply'
  readonly failureDelayMs?: number
  readonly maxConnections?: number
  readonly networks?: string[]
  readonly logger?: Logger
  readonly recordRefused?: (request: LoginRequest, outcome: Outcome) => void
}

async function listen(t: Test, options: Options = {}): Promise<SaslListener> {
  const listener = await listenSasl(
    {
      listen: options.listen ?? '127.0.0.1:0',
      temp_fail: options.tempFail ?? 'close',
      mode: '0660',
      networks: options.networks ?? [],
    },
    {
      failure_delay_ms: options.failureDelayMs ?? 0,
      max_connections: options.maxConnections ?? 1000,
      max_pending: 1000,
    },
    {
      login: options.login ?? joe,
      clock: options.clock ?? systemClock,
      logger: options.logger ?? silentLogger,
      dataDir: options.dataDir ?? tmpdir(),
      ...(options.recordRefused === undefined ? {} : { recordRefused: options.recordRefused }),
    },
  )
  t.teardown(() => listener.close(0))
  return listener
}

/** Short enough for a socket's path, which t.testdir() is not. */
async function makeDir(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sasl-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function open(t: Test, listener: SaslListener): Promise<SocketClient> {
  const client = await SocketClient.open(listener.address)
  t.teardown(() => client.destroy())
  return client
}

t.test('over TCP and over a UNIX socket', async (t) => {
  const dataDir = await makeDir(t)
  for (const where of ['127.0.0.1:0', 'unix:auth.sock']) {
    const listener = await listen(t, { listen: where, dataDir })
    const client = await open(t, listener)
    await client.seen('DONE\n')
    t.equal(client.chunks.length, 1, 'the handshake comes in one piece, before the client said anything')
    client.send(hello() + good)
    await client.seen(OK1)
    t.equal(client.afterHandshake(), OK1)
    t.equal(listener.connections, 1)
  }
  t.equal((await stat(join(dataDir, 'auth.sock'))).mode & 0o777, 0o660)
})

t.test('handshakes differ in CUID and COOKIE', async (t) => {
  const listener = await listen(t)
  const cookies: (string | undefined)[] = []
  for (const cuid of [1, 2]) {
    const client = await open(t, listener)
    t.match(await client.seen('DONE\n'), `CUID\t${cuid}\n`)
    cookies.push(/COOKIE\t([0-9a-f]{32})\n/.exec(client.text)?.[1])
  }
  t.ok(cookies[0] !== undefined && cookies[0] !== cookies[1])
})

t.test('a client that breaks the protocol is dropped, and its line is not in the log', async (t) => {
  const logged: string[] = []
  const keep = (fields: object, text: string): void => void logged.push(JSON.stringify(fields) + text)
  const logger: Logger = { trace: keep, debug: keep, info: keep, warn: keep, error: keep }
  const listener = await listen(t, { logger })
  const client = await open(t, listener)
  client.send(`${hello()}AUTH\t1\tPLAIN\tservice=smtp\tresp=${base64('\0joe\0secret')}\trip=192.0.2.1\n`)
  t.equal(await client.closed(), '')
  await client.until(() => listener.connections === 0)
  t.match(logged, [/parameter after resp/])
  t.notMatch(logged.join('\n'), /secret|c2VjcmV0|AHpv|joe/)
})

t.test('login may answer at once, later, never, or throw', async (t) => {
  const clock = new FakeClock()
  const never = new Promise<Outcome>(() => {})
  const login: Login = (request) => {
    switch (request.username) {
      case 'later':
        return new Promise((resolve) => setImmediate(() => resolve(outcomeOf('verified'))))
      case 'throws':
        throw new Error('a fault')
      case 'rejects':
        return Promise.reject(new Error('a fault'))
      case 'never':
        return never
      default:
        return joe(request)
    }
  }
  const listener = await listen(t, { login, tempFail: 'reply', clock })
  const client = await open(t, listener)
  const names = ['later', 'throws', 'rejects', 'joe@example.org', 'never']
  client.send(hello() + names.map((name, index) => plainLogin(index + 1, name, 'secret')).join(''))
  const isAnswered = (count: number) => (): boolean => client.afterHandshake().split('\n').length > count
  await client.until(isAnswered(4))
  await clock.advance(8000)
  await client.until(isAnswered(5))
  t.equal(clock.pendingTimers, 0, 'nothing pending, no sweep')
  t.same(client.afterHandshake().split('\n').sort(), [
    '',
    'FAIL\t2\tuser=throws\tcode=temp_fail',
    'FAIL\t3\tuser=rejects\tcode=temp_fail',
    'FAIL\t5\tuser=never\tcode=temp_fail',
    'OK\t1\tuser=joe@example.org',
    'OK\t4\tuser=joe@example.org',
  ])
})

t.test('temp_fail = close ends that connection alone, after what was answered before', async (t) => {
  const login: Login = (request) => (request.username === 'down' ? outcomeOf('directory_down') : joe(request))
  const listener = await listen(t, { login })
  const other = await open(t, listener)
  const client = await open(t, listener)
  client.send(hello() + good + plainLogin(2, 'down', 'x') + plainLogin(3, 'joe@example.org', 'secret'))
  t.equal(await client.closed(), OK1)
  other.send(hello() + good)
  await other.seen(OK1)
})

t.test('the secret is login’s: a comparison may still read it when the answer has left', async (t) => {
  const secrets: LoginRequest['secret'][] = []
  const login: Login = (request) => {
    secrets.push(request.secret)
    const outcome = joe(request)
    return secrets.length === 1 ? outcome : Promise.resolve(outcome)
  }
  const listener = await listen(t, { login })
  const client = await open(t, listener)
  client.send(hello() + good + plainLogin(2, 'joe@example.org', 'secret'))
  await client.seen('OK\t2\t')
  t.same(
    secrets.map((secret) => [...secret.reveal()]),
    [[...Buffer.from('secret')], [...Buffer.from('secret')]],
  )
})

t.test('answers of one turn leave in one piece', async (t) => {
  const waiting: ((outcome: Outcome) => void)[] = []
  const login: Login = () => new Promise((resolve) => waiting.push(resolve))
  const listener = await listen(t, { login })
  const client = await open(t, listener)
  await client.seen('DONE\n')
  client.send(hello() + Array.from({ length: 20 }, (_, id) => plainLogin(id + 1, 'joe', 'x')).join(''))
  await client.until(() => waiting.length === 20)
  const before = client.chunks.length
  for (const answer of waiting) answer(outcomeOf('verified'))
  await client.seen('OK\t20\t')
  t.equal(client.chunks.length, before + 1)
})

t.test('failures are delayed by the listener’s sweep', async (t) => {
  const listener = await listen(t, { failureDelayMs: 300 })
  const client = await open(t, listener)
  client.send(hello() + plainLogin(1, 'nobody', 'x') + plainLogin(2, 'joe@example.org', 'secret'))
  await client.seen('FAIL\t1\t')
  t.equal(client.afterHandshake(), 'OK\t2\tuser=joe@example.org\nFAIL\t1\tuser=nobody\n')
})

t.test('what a mechanism refuses is recorded', async (t) => {
  const recorded: string[] = []
  const listener = await listen(t, { recordRefused: (_, outcome) => recorded.push(outcome.why) })
  const client = await open(t, listener)
  client.send(hello() + auth(1, 'PLAIN', plainMessage('joe', 'x', 'boss')))
  await client.seen('FAIL\t1')
  t.same(recorded, ['authzid_differs'])
})

t.test('a megabyte of requests in one write is answered whole', async (t) => {
  const listener = await listen(t)
  const client = await open(t, listener)
  const count = 12_000
  client.send(
    hello() +
      Array.from({ length: count }, (_, id) => plainLogin(id + 1, 'joe@example.org', 'secret')).join(''),
  )
  await client.seen(`OK\t${count}\tuser=joe@example.org\n`)
  const lines = client.afterHandshake().split('\n').slice(0, -1)
  t.equal(lines.length, count)
  t.equal(new Set(lines).size, count)
})

t.test('a client that does not read is not read from, and is answered when it reads again', async (t) => {
  const counter = { asked: 0 }
  const login: Login = (request) => {
    counter.asked += 1
    return joe(request)
  }
  // A UNIX socket: the kernel's buffers of a TCP connection grow to several megabytes.
  const listener = await listen(t, { login, listen: 'unix:auth.sock', dataDir: await makeDir(t) })
  const client = await open(t, listener)
  await client.seen('DONE\n')
  client.socket.pause()
  const count = 100_000
  const requests = Array.from({ length: count }, (_, id) => plainLogin(id + 1, 'joe@example.org', 'secret'))
  client.send(hello() + requests.join(''))
  for (let before = -1; counter.asked !== before || before === 0;) {
    before = counter.asked
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  t.ok(counter.asked < count / 2, `stopped after ${counter.asked}`)
  client.socket.resume()
  await client.seen(`OK\t${count}\t`)
  t.equal(counter.asked, count)
})

t.test(
  'who owes the rest of a handshake or of a line for 30 s is let go; silence after it is no debt',
  async (t) => {
    const clock = new FakeClock()
    const warned: string[] = []
    const logger: Logger = { ...silentLogger, warn: (_fields, text) => void warned.push(text) }
    const listener = await listen(t, { clock, logger })
    const clients = [await open(t, listener), await open(t, listener), await open(t, listener)] as const
    const [silent, half, idle] = clients
    for (const client of clients) await client.seen('DONE\n')
    idle.send(hello() + good)
    await idle.seen(OK1)
    half.send(`${hello()}${good}AUTH\t2\tPLAIN\t`)
    await half.seen(OK1)
    await clock.advance(29_000)
    t.same([silent.isClosed, half.isClosed], [false, false])
    await clock.advance(1500)
    await silent.closed()
    await half.closed()
    t.equal(warned.length, 2)
    await clock.advance(3_600_000)
    t.equal(idle.isClosed, false)
    idle.send(plainLogin(2, 'joe@example.org', 'secret'))
    await idle.seen('OK\t2\t')
    t.equal(clock.pendingTimers, 0, 'nobody owes: no sweep')
  },
)

t.test('who does not read its answers for 30 s is let go', async (t) => {
  const clock = new FakeClock()
  const listener = await listen(t, { clock, listen: 'unix:auth.sock', dataDir: await makeDir(t) })
  const client = await open(t, listener)
  await client.seen('DONE\n')
  client.socket.pause()
  client.send(
    hello() +
      Array.from({ length: 100_000 }, (_, id) => plainLogin(id + 1, 'joe@example.org', 'secret')).join(''),
  )
  while (clock.pendingTimers === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  for (let rounds = 0; listener.connections > 0 && rounds < 100; rounds += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    await clock.advance(1000)
  }
  t.equal(listener.connections, 0)
})

t.test('connections beyond max_connections are dropped', async (t) => {
  const listener = await listen(t, { maxConnections: 2 })
  const clients = [await open(t, listener), await open(t, listener)]
  for (const client of clients) await client.seen('DONE\n')
  const third = await open(t, listener)
  t.equal(await third.closed(), '')
  clients[0]?.destroy()
  await third.until(() => listener.connections === 1)
  const fourth = await open(t, listener)
  await fourth.seen('DONE\n')
})

t.test('close ends idle connections at once and busy ones with their answer', async (t) => {
  const dataDir = await makeDir(t)
  let answer: (outcome: Outcome) => void = () => {}
  const login: Login = (request) =>
    request.username === 'later' ? new Promise((resolve) => (answer = resolve)) : joe(request)
  const listener = await listen(t, { login, listen: 'unix:auth.sock', dataDir })
  const idle = await open(t, listener)
  const busy = await open(t, listener)
  idle.send(hello() + good)
  await idle.seen(OK1)
  busy.send(hello() + plainLogin(1, 'later', 'x') + plainLogin(2, 'joe@example.org', 'secret'))
  await busy.seen('OK\t2\t')
  const closing = listener.close(20_000)
  await idle.closed()
  t.equal(busy.isClosed, false)
  answer(outcomeOf('verified'))
  t.match(await busy.closed(), OK1)
  await closing
  await t.rejects(stat(join(dataDir, 'auth.sock')), { code: 'ENOENT' })
})

t.test('close does not wait longer than the grace', async (t) => {
  const listener = await listen(t, { login: () => new Promise(() => {}) })
  const client = await open(t, listener)
  client.send(hello() + good)
  await client.seen('DONE\n')
  await listener.close(50)
  await client.closed()
})

t.test('listeners beyond loopback want networks', async (t) => {
  await t.rejects(listen(t, { listen: '0.0.0.0:0' }), { code: 'config_invalid' })
  await t.rejects(listen(t, { networks: ['10.0.0.0/33'] }), { code: 'config_invalid' })
  const listener = await listen(t, { listen: '0.0.0.0:0', networks: ['192.0.2.0/24'] })
  const client = await SocketClient.open(listener.address.replace('0.0.0.0', '127.0.0.1'))
  t.teardown(() => client.destroy())
  await client.seen('DONE\n')
})

t.test('networks', async (t) => {
  const isAllowed = allowNetworks(['10.1.0.0/16', '192.0.2.7', '2001:db8::/32'])
  for (const address of ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1', '10.1.255.1', '192.0.2.7']) {
    t.ok(isAllowed(address), address)
  }
  for (const address of ['::ffff:10.1.2.3', '2001:db8:1::1']) t.ok(isAllowed(address), address)
  for (const address of ['10.2.0.1', '192.0.2.8', '2001:db9::1', '::2', '', 'nonsense']) {
    t.notOk(isAllowed(address), address)
  }
  for (const bad of ['', 'x', '10.0.0.0/', '10.0.0.0/x', '10.0.0.0/33', '::/129', '10.0.0.0/8/8']) {
    t.throws(() => allowNetworks([bad]), { code: 'config_invalid' }, bad)
  }
})

t.test('listen strings', async (t) => {
  const dir = '/var/lib/mailpassd'
  t.same(parseListen('127.0.0.1:8144', dir), { kind: 'tcp', host: '127.0.0.1', port: 8144 })
  t.same(parseListen('[::1]:0', dir), { kind: 'tcp', host: '::1', port: 0 })
  t.same(parseListen('mail-1.example.org:80', dir), { kind: 'tcp', host: 'mail-1.example.org', port: 80 })
  t.same(parseListen('unix:auth.sock', dir), { kind: 'unix', path: '/var/lib/mailpassd/auth.sock' })
  t.same(parseListen('unix:/run/a.sock', dir), { kind: 'unix', path: '/run/a.sock' })
  for (const text of ['127.0.0.1:8144', '[::1]:1', 'unix:/run/a.sock']) {
    t.equal(formatAddress(parseListen(text, dir)), text)
  }
  for (const bad of ['', '8144', ':8144', '::1:8144', 'host:', 'host:65536', 'host:-1', 'unix:', 'a b:1']) {
    t.throws(() => parseListen(bad, dir), { code: 'config_invalid' }, bad)
  }
  t.equal(Buffer.byteLength('/'.repeat(107)), 107)
  t.ok(parseListen(`unix:/${'x'.repeat(106)}`, dir))
  t.throws(() => parseListen(`unix:/${'x'.repeat(107)}`, dir), {
    code: 'config_invalid',
    message: /longer than 107 bytes/,
  })
  t.throws(() => parseListen(`unix:${'x'.repeat(100)}`, dir), { message: /longer than 107 bytes/ })
  for (const text of ['127.0.0.1:1', '[::1]:1', 'localhost:1', 'unix:x']) {
    t.ok(isLoopback(parseListen(text, dir)), text)
  }
  for (const text of ['0.0.0.0:1', '[::]:1', '192.0.2.1:1', 'example.org:1', '127.example.org:1']) {
    t.notOk(isLoopback(parseListen(text, dir)), text)
  }
})

t.test('UNIX sockets: stale ones are replaced, living ones and files are not', async (t) => {
  const dir = await makeDir(t)
  await writeFile(join(dir, 'file'), 'mine')
  const path = join(dir, 's')
  // A server that dies without removing its socket: another one of its own process does as well.
  const gone = createServer()
  await bindServer(gone, { kind: 'unix', path }, '0600')
  t.equal((await stat(path)).mode & 0o777, 0o600)
  await t.rejects(prepareUnixPath(path), { code: 'listen_failed', message: /another process listens/ })
  await t.rejects(prepareUnixPath(join(dir, 'file')), { code: 'listen_failed', message: /no socket/ })
  await prepareUnixPath(join(dir, 'nothing'))

  await rename(path, join(dir, 'stale'))
  gone.close()
  await prepareUnixPath(join(dir, 'stale'))
  await t.rejects(stat(join(dir, 'stale')), { code: 'ENOENT' })
  await writeFile(path, '')
  const server = createServer()
  await t.rejects(bindServer(server, { kind: 'unix', path }, '0600'), { code: 'listen_failed' })
  await t.rejects(bindServer(server, { kind: 'unix', path: join(dir, 'no/s') }, '0600'), {
    code: 'listen_failed',
    message: /does not exist; make it/,
  })
})

t.test('a port in use is said with the way out', async (t) => {
  const listener = await listen(t)
  await t.rejects(listen(t, { listen: listener.address }), {
    code: 'listen_failed',
    message: /another process listens there; stop it, or choose another address/,
  })
  await t.rejects(listen(t, { listen: '192.0.2.1:0', networks: ['192.0.2.0/24'] }), {
    code: 'listen_failed',
    message: /no such address/,
  })
})
