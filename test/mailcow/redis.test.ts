/** Rate limits in a real Redis: written, taken away, refused, away, hanging. */
import { inspect } from 'node:util'
import t from 'tap'
import type { RedisConfig } from '../../src/config/schema.ts'
import { openRedis } from '../../src/mailcow/redis.ts'
import { redisMissing, startRedis } from '../servers/redis.ts'
import { suite } from '../servers/suite.ts'

const PASSWORD = 'the password of this Redis'

suite('a real Redis', [redisMissing()], async (t) => {
  const server = await startRedis(PASSWORD)
  t.teardown(() => server.stop())
  const config = (more: Partial<RedisConfig> = {}): RedisConfig => ({
    host: '127.0.0.1',
    port: server.port,
    password: PASSWORD,
    database: 0,
    timeout_ms: 2000,
    ...more,
  })
  const { client } = server

  await t.test('a limit as Rspamd reads it; no limit takes it away; twice is as once', async (t) => {
    const redis = await openRedis(config())
    for (const _ of [1, 2]) await redis.write('jane@example.org', '10 / 1h')
    await redis.write('joe@example.org', '3 / 1s')
    t.same(await client.hgetall('RL_VALUE'), { 'jane@example.org': '10 / 1h', 'joe@example.org': '3 / 1s' })
    for (const _ of [1, 2]) await redis.write('jane@example.org', undefined)
    t.same(await client.hgetall('RL_VALUE'), { 'joe@example.org': '3 / 1s' })
  })

  await t.test(
    'by its UNIX socket, another database, another user with rights on RL_VALUE alone',
    async (t) => {
      await client.acl('SETUSER', 'mailpassd', 'on', '>secret', '~RL_VALUE', '+hset', '+hdel', '+select')
      const { host: _host, ...place } = config({
        socket: server.socket,
        database: 3,
        user: 'mailpassd',
        password: 'secret',
      })
      const redis = await openRedis(place)
      await redis.probe()
      await redis.write('jane@example.org', '1 / 1d')
      const [, value] =
        (await client.multi().select(3).hget('RL_VALUE', 'jane@example.org').select(0).exec()) ?? []
      t.same(value, [null, '1 / 1d'])
    },
  )

  await t.test('what it refuses is said, and the password is in no error', async (t) => {
    for (const [what, more, text] of [
      ['a wrong password', { password: 'not this secret' }, /redis 127\.0\.0\.1:\d+: WRONGPASS/],
      ['a wrong user', { user: 'nobody', password: 'not this secret' }, /WRONGPASS/],
      ['no such database', { database: 999 }, /DB index/],
    ] as const) {
      const redis = await openRedis(config(more))
      const error: unknown = await redis.write('x@example.org', '1 / 1s').catch((thrown: unknown) => thrown)
      t.match(error, { code: 'consumer_failed', message: text }, what)
      t.notMatch(inspect(error, { depth: 9, showHidden: true }), /not this secret|password of this/)
    }
    const { password: _password, ...without } = config()
    const open = await openRedis(without)
    await t.rejects(open.probe(), { code: 'consumer_failed', message: /NOAUTH/ })
    await t.rejects(open.write('x@example.org', '1 / 1s'), { code: 'consumer_failed', message: /NOAUTH/ })
    t.notOk(await client.hexists('RL_VALUE', 'x@example.org'))
  })

  await t.test('one that does not know AUTH quotes the password, and we do not', async (t) => {
    const without = await startRedis('', undefined, ['--rename-command', 'AUTH', ''])
    t.teardown(() => without.stop())
    for (const more of [{}, { user: 'mailpassd' }]) {
      const redis = await openRedis(config({ port: without.port, ...more }))
      const error: unknown = await redis.write('x@example.org', '1 / 1s').catch((thrown: unknown) => thrown)
      t.match(error, { code: 'consumer_failed', message: /redis 127\.0\.0\.1:\d+: ERR unknown command$/ })
      t.notMatch(inspect(error, { depth: 9, showHidden: true }), /password of this/)
    }
  })

  await t.test('hanging: an error after its time', async (t) => {
    const redis = await openRedis(config({ timeout_ms: 200 }))
    server.pause()
    await t.rejects(redis.write('x@example.org', '1 / 1s'), { code: 'consumer_failed', message: /timed out/ })
    server.resume()
    await t.resolves(redis.probe(), 'and on')
  })
})

t.test('away: an error, at once', async (t) => {
  const redis = await openRedis({ host: '127.0.0.1', port: 1, database: 0, timeout_ms: 2000 })
  await t.rejects(redis.probe(), { code: 'consumer_failed', message: /redis 127\.0\.0\.1:1: .*ECONNREFUSED/ })
  const socket = await openRedis({ socket: '/nowhere/redis.sock', port: 1, database: 0, timeout_ms: 2000 })
  await t.rejects(socket.probe(), { code: 'consumer_failed', message: /ENOENT/ })
})

t.test('the library does not print its debugging', async (t) => {
  process.env['DEBUG'] = 'ioredis:*'
  await openRedis({ host: '127.0.0.1', port: 1, database: 0, timeout_ms: 2000 })
  t.notOk('DEBUG' in process.env)
})
