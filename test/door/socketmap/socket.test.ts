/** A socketmap listener over real sockets. */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { LookupMap, MapAnswer } from '../../../src/account/maps/lookup.ts'
import { systemClock, type Clock } from '../../../src/clock.ts'
import { listenSocketmap, type SocketmapListener } from '../../../src/door/socketmap/socket.ts'
import { silentLogger, type Logger } from '../../../src/telemetry/logger.ts'
import { FakeClock } from '../../fakes/clock.ts'
import { SocketClient } from '../dovecot-auth/socket-client.ts'
import { answerTo, netstring, parseNetstrings } from './rig.ts'

const ask = (key: string, map = 'map') => netstring(`${map} ${key}`)

interface Options {
  readonly lookup?: LookupMap
  readonly listen?: string
  readonly clock?: Clock
  readonly logger?: Logger
  readonly dataDir?: string
  readonly maxConnections?: number
  readonly maxPending?: number
  readonly answered?: (map: string, status: string) => void
}

const byKey: LookupMap = (key) => {
  const answer = answerTo({ map: 'map', key })
  return answer === 'later' ? new Promise(() => {}) : Promise.resolve(answer)
}

async function listen(t: Test, options: Options = {}): Promise<SocketmapListener> {
  const listener = await listenSocketmap(
    { listen: options.listen ?? '127.0.0.1:0', mode: '0660' },
    {
      max_connections: options.maxConnections ?? 1000,
      max_pending: options.maxPending ?? 100,
      recipient_delimiter: '+',
    },
    {
      maps: new Map([['map', options.lookup ?? byKey]]),
      answered: options.answered ?? (() => {}),
      clock: options.clock ?? systemClock,
      logger: options.logger ?? silentLogger,
      dataDir: options.dataDir ?? tmpdir(),
    },
  )
  t.teardown(() => listener.close(0))
  return listener
}

async function open(t: Test, listener: SocketmapListener): Promise<SocketClient> {
  const client = await SocketClient.open(listener.address)
  t.teardown(() => client.destroy())
  return client
}

t.test('over TCP and over a UNIX socket of mode 0660', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'maps-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const answered: string[] = []
  for (const where of ['127.0.0.1:0', 'unix:maps.sock']) {
    const listener = await listen(t, {
      listen: where,
      dataDir,
      answered: (map, status) => answered.push(`${map} ${status}`),
    })
    const client = await open(t, listener)
    client.send(ask('key') + ask('absent') + ask('x', 'unknown'))
    await client.until(() => client.text.includes('PERM'))
    t.match(parseNetstrings(client.text), [
      'OK key',
      'NOTFOUND ',
      /^PERM there is no such map; there are: map$/,
    ])
    t.equal(listener.connections, 1)
  }
  t.same(answered.splice(0, 3).sort(), ['map NOTFOUND', 'map OK', 'other PERM'])
  t.equal((await stat(join(dataDir, 'maps.sock'))).mode & 0o777, 0o660)
})

t.test('only loopback, whatever the configuration was checked by', async (t) => {
  await t.rejects(listen(t, { listen: '0.0.0.0:0' }), { code: 'config_invalid', message: /not loopback/ })
})

t.test('a long pipeline: all answers in order, at most max_pending at a time', async (t) => {
  let running = 0
  let most = 0
  const lookup: LookupMap = async (key) => {
    running += 1
    most = Math.max(most, running)
    await new Promise((resolve) => setImmediate(resolve))
    running -= 1
    return { kind: 'found', value: key }
  }
  const listener = await listen(t, { lookup, maxPending: 7 })
  const client = await open(t, listener)
  const keys = Array.from({ length: 5000 }, (_, index) => `key${index}`)
  client.send(keys.map((key) => ask(key)).join(''))
  await client.until(() => client.text.includes('OK key4999,'))
  t.same(
    parseNetstrings(client.text),
    keys.map((key) => `OK ${key}`),
  )
  t.equal(most, 7)
})

t.test('a map that throws is not known, and is in the log without the key', async (t) => {
  const logged: string[] = []
  const keep = (fields: object, text: string): void => void logged.push(JSON.stringify(fields) + text)
  const logger: Logger = { trace: keep, debug: keep, info: keep, warn: keep, error: keep }
  const listener = await listen(t, { logger, lookup: () => Promise.reject(new Error('a fault')) })
  const client = await open(t, listener)
  client.send(ask('jane@example.org'))
  await client.seen('TEMP internal,')
  t.match(logged, [/a map threw/])
  t.notMatch(logged.join(), 'jane')
})

t.test('garbage ends the connection', async (t) => {
  const listener = await listen(t)
  const client = await open(t, listener)
  client.send(ask('good'))
  await client.seen('OK good,')
  client.send('GET / HTTP/1.1\r\n')
  await client.until(() => client.isClosed)
  t.equal(client.text, netstring('OK good'))
  await client.until(() => listener.connections === 0)
})

t.test('a look-up that hangs is TEMP within 8 s, and silence never ends a connection', async (t) => {
  const clock = new FakeClock()
  const listener = await listen(t, { clock })
  const client = await open(t, listener)
  client.send(ask('first'))
  await client.seen('OK first,')
  await clock.advance(3_600_000)
  client.send(ask('later'))
  await client.until(() => clock.pendingTimers > 0)
  await clock.advance(8000)
  await client.seen('TEMP deadline,')
  t.notOk(client.isClosed)
})

t.test('closing waits for what was asked, and accepts nothing more', async (t) => {
  const pending = Promise.withResolvers<MapAnswer>()
  const asked = Promise.withResolvers<void>()
  const lookup: LookupMap = () => {
    asked.resolve()
    return pending.promise
  }
  const listener = await listen(t, { lookup })
  const [busy, idle] = [await open(t, listener), await open(t, listener)]
  busy.send(ask('key'))
  await asked.promise
  const closed = listener.close(60_000)
  await idle.until(() => idle.isClosed)
  pending.resolve({ kind: 'found', value: 'done' })
  await busy.until(() => busy.isClosed)
  t.equal(busy.text, netstring('OK done'))
  await closed
  await t.rejects(SocketClient.open(listener.address))
})

t.test('what hangs longer than the grace is cut off', async (t) => {
  const listener = await listen(t)
  const client = await open(t, listener)
  client.send(ask('first') + ask('later'))
  await client.seen('OK first,')
  await listener.close(10)
  await client.until(() => client.isClosed)
  t.equal(client.text, netstring('OK first'))
})

t.test('a client that does not read is not read from', async (t) => {
  const listener = await listen(t, { lookup: async () => ({ kind: 'found', value: 'x'.repeat(90_000) }) })
  const client = await open(t, listener)
  client.socket.pause()
  const keys = 2000
  client.send(Array.from({ length: keys }, (_, index) => ask(`key${index}`)).join(''))
  client.socket.resume()
  await client.until(() => client.text.length >= keys * (90_003 + '90003:,'.length))
  t.equal(parseNetstrings(client.text).length, keys)
})

t.test('a client that ends its side gets what it asked for, then the end', async (t) => {
  const lookup: LookupMap = async (key) => {
    await new Promise((resolve) => setImmediate(resolve))
    return { kind: 'found', value: key }
  }
  const listener = await listen(t, { lookup, maxPending: 2 })
  const client = await open(t, listener)
  const keys = Array.from({ length: 500 }, (_, index) => `key${index}`)
  client.socket.end(keys.map((key) => ask(key)).join(''))
  await client.until(() => client.isClosed)
  t.same(
    parseNetstrings(client.text),
    keys.map((key) => `OK ${key}`),
  )
  const silent = await open(t, listener)
  silent.socket.end()
  await silent.until(() => silent.isClosed)
  await silent.until(() => listener.connections === 0)
})

t.test('more connections than max_connections are dropped', async (t) => {
  const listener = await listen(t, { maxConnections: 1 })
  const first = await open(t, listener)
  first.send(ask('key'))
  await first.seen('OK key,')
  const second = await SocketClient.open(listener.address)
  await second.until(() => second.isClosed)
  t.equal(listener.connections, 1)
})
