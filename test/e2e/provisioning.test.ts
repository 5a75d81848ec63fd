/**
 * First logins on a mailcow with SOGo, Redis and memcached: the login writes its rows, the outbox the rest afterwards.
 * With Redis and memcached away or hanging a login notices nothing of it, and nothing is lost, by a crash neither.
 */
import { connect } from 'node:net'
import { DEFAULT_TEMPLATE } from '../servers/mailcow-schema.ts'
import { freePort } from '../servers/ports.ts'
import { memcachedMissing, redisMissing, startMemcached, startRedis } from '../servers/redis.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'
import { keycloakAndMariadb, mailUser } from './backend.ts'
import { httpLogin, startDaemon } from './daemon.ts'

const DOMAIN = 'provisioning.example'
const REDIS_PASSWORD = 'of the Redis of this suite'
const USERS = ['jane', 'joe', 'mary', 'sue', 'tim'].map((name) => mailUser(`${name}@${DOMAIN}`, 'right'))

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const last = Date.now() + 60_000
  while (!(await isSo())) {
    if (Date.now() > last) throw new Error(`not seen: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** What memcached answers to one command. */
async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(command)
  for await (const bytes of socket) return String(bytes)
  return ''
}

const reasons = [keycloakMissing(), mariadbMissing(), redisMissing(), memcachedMissing()]
suite('Redis and memcached beside a mailcow', reasons, async (t) => {
  const backend = await keycloakAndMariadb(t, DOMAIN, USERS)
  const { sql } = backend.database
  const limited = DEFAULT_TEMPLATE.replace('"rl_frame":"s","rl_value":""', '"rl_frame":"h","rl_value":"10"')
  await sql.query("update templates set attributes = ? where type = 'mailbox'", [limited])
  const [redisPort, memcachedPort] = [await freePort(), await freePort()]
  const config = `${backend.config()}
[redis]
host = "127.0.0.1"
port = ${redisPort}
password = "${REDIS_PASSWORD}"
timeout_ms = 1000
[mailcow]
memcached = "127.0.0.1:${memcachedPort}"
`
  const outbox = async (): Promise<number> => {
    const [rows] = await sql.query('select * from mailpassd_outbox')
    return Array.isArray(rows) ? rows.length : -1
  }
  let daemon = await startDaemon({ config })
  t.teardown(() => daemon.stop())
  const login = async (name: string) => {
    const { status, body } = await httpLogin(daemon.url, `${name}@${DOMAIN}`, 'right')
    return { status, provisioned: body['provisioned'] }
  }
  const made = { status: 200, provisioned: true }

  await t.test('away: the login makes the mailbox; what waits outlives a crash', async (t) => {
    t.same(await login('jane'), made)
    t.equal(await outbox(), 2, 'a rate limit, a flush')
    for (const place of ['redis', 'memcached'])
      await until(
        () => new RegExp(`${place} [\\d.]+:\\d+: .*ECONNREFUSED`).test(daemon.log()),
        `a warning of ${place}`,
      )
    t.same(await login('jane'), { status: 200, provisioned: false })
    await daemon.kill()
    t.equal(await outbox(), 2)
  })

  const redis = await startRedis(REDIS_PASSWORD, redisPort)
  t.teardown(() => redis.stop())
  const memcached = await startMemcached(memcachedPort)
  t.teardown(() => memcached.stop())

  await t.test('back, with another daemon: everything is written', async (t) => {
    await ask(memcachedPort, 'set stale 0 0 1\r\nx\r\n')
    // Whoever died held its rows for their lease.
    await sql.query('update mailpassd_outbox set lease_until_ms = 0, due_ms = 0')
    daemon = await startDaemon({ config })
    await until(async () => (await outbox()) === 0, 'an empty outbox')
    t.same(await redis.client.hgetall('RL_VALUE'), { [`jane@${DOMAIN}`]: '10 / 1h' })
    t.equal(
      await ask(memcachedPort, 'get stale\r\n'),
      'END\r\n',
      'SOGo has forgotten that it did not know her',
    )
  })

  await t.test('there: a new mailbox is told', async (t) => {
    await ask(memcachedPort, 'set stale 0 0 1\r\nx\r\n')
    t.same(await login('joe'), made)
    await until(async () => (await outbox()) === 0, 'an empty outbox')
    t.equal(await redis.client.hget('RL_VALUE', `joe@${DOMAIN}`), '10 / 1h')
    t.equal(await ask(memcachedPort, 'get stale\r\n'), 'END\r\n')
    const [rows] = await sql.query('select c_uid from _sogo_static_view order by c_uid')
    t.same(rows, [{ c_uid: `jane@${DOMAIN}` }, { c_uid: `joe@${DOMAIN}` }])
  })

  await t.test(
    'Redis hanging: the login does not wait for it, and it gets the limit when it is back',
    async (t) => {
      redis.pause()
      t.same(await login('mary'), made)
      await until(() => daemon.log().includes('timed out'), 'a time that ran out')
      t.same(await login('sue'), made, 'nor does the next one')
      redis.resume()
      await until(async () => (await outbox()) === 0, 'an empty outbox')
      t.same(await redis.client.hmget('RL_VALUE', `mary@${DOMAIN}`, `sue@${DOMAIN}`), ['10 / 1h', '10 / 1h'])
    },
  )

  await t.test('a template without a limit takes away what an earlier mailbox left', async (t) => {
    await redis.client.hset('RL_VALUE', `tim@${DOMAIN}`, '1 / 1d')
    await sql.query("update templates set attributes = ? where type = 'mailbox'", [DEFAULT_TEMPLATE])
    t.same(await login('tim'), made)
    await until(async () => (await outbox()) === 0, 'an empty outbox')
    t.equal(await redis.client.hexists('RL_VALUE', `tim@${DOMAIN}`), 0)
  })

  t.notMatch(daemon.log(), REDIS_PASSWORD)
})
