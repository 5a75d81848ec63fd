/** The flush of SOGo's cache: a real memcached, one that is away, one that says other things. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createMemcached, flushOnce } from '../../src/mailcow/memcached.ts'
import { FakeClock } from '../fakes/clock.ts'
import { freePort } from '../servers/ports.ts'
import { memcachedMissing, startMemcached } from '../servers/redis.ts'
import { suite } from '../servers/suite.ts'

/** One command of the text protocol and its answer to the end. */
async function ask(port: number, command: string, end: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(command)
  let text = ''
  for await (const bytes of socket) {
    text += String(bytes)
    if (text.endsWith(end)) break
  }
  return text
}

suite('a real memcached', [memcachedMissing()], async (t) => {
  const server = await startMemcached()
  t.teardown(() => server.stop())
  t.equal(await ask(server.port, 'set user 0 0 3\r\nyes\r\n', 'STORED\r\n'), 'STORED\r\n')
  t.match(await ask(server.port, 'get user\r\n', 'END\r\n'), /yes/)
  await createMemcached(`127.0.0.1:${server.port}`, systemClock).flush()
  t.equal(await ask(server.port, 'get user\r\n', 'END\r\n'), 'END\r\n')
})

async function listening(
  t: Test,
  answer: string | undefined,
): Promise<{ place: string; commands: string[] }> {
  const commands: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      commands.push(bytes.toString())
      if (answer === undefined) socket.destroy()
      else socket.write(answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  return { place: `127.0.0.1:${address.port}`, commands }
}

t.test('what is not OK is an error that says so', async (t) => {
  for (const [answer, message] of [
    ['ERROR\r\n', /answers "ERROR/],
    ['220 mail.example.org ESMTP\r\n', /answers "220 mail/],
    ['x'.repeat(10_000), /answers "xxx/],
    [undefined, /closes the connection/],
  ] as const) {
    const { place } = await listening(t, answer)
    await t.rejects(flushOnce(place), { code: 'consumer_failed', message })
  }
  const away = `127.0.0.1:${await freePort()}`
  await t.rejects(flushOnce(away), { code: 'consumer_failed', message: /ECONNREFUSED/ })
})

t.test('one that takes the command and says nothing is given up', async (t) => {
  const { place, commands } = await listening(t, '')
  await t.rejects(flushOnce(place), { code: 'consumer_failed', message: /no answer within 2 s/ })
  t.same(commands, ['flush_all\r\n'])
})

t.test('one flush for all who ask before it begins; who asks later gets another', async (t) => {
  const { place, commands } = await listening(t, 'OK\r\n')
  const clock = new FakeClock()
  const memcached = createMemcached(place, clock)
  const first = [memcached.flush(), memcached.flush(), memcached.flush()]
  await clock.advance(999)
  first.push(memcached.flush())
  t.same(commands, [], 'not yet')
  await clock.advance(1)
  const later = memcached.flush()
  await Promise.all(first)
  t.equal(commands.length, 1)
  await clock.advance(1000)
  await later
  t.equal(commands.length, 2)
})
