/** Redis and memcached in the checks: what is amiss is a warning, with the place and the way out. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkDovecotEndpoints, checkMemcached, checkRedis } from '../../src/check/beside.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { testDir } from '../contract/store-subjects.ts'
import { memcachedMissing, redisMissing, startMemcached, startRedis } from '../servers/redis.ts'
import { suite } from '../servers/suite.ts'

async function configOf(t: Test, sections: string): Promise<Config> {
  const dir = testDir(t)
  const path = join(dir, 'mailpassd.toml')
  writeFileSync(path, `[store]\nkind = "mysql"\nschema = "mailcow"\n${sections}`, { mode: 0o600 })
  return (await loadConfig({ path, dataDir: dir, env: {} })).config
}

t.test('no step where nothing is configured', async (t) => {
  const config = await configOf(t, '')
  t.same(await checkRedis(config), [])
  t.same(await checkMemcached(config), [])
  t.same(await checkDovecotEndpoints(config), [])
})

t.test('away: a warning', async (t) => {
  const config = await configOf(
    t,
    '[redis]\nhost = "127.0.0.1"\nport = 1\n[mailcow]\nmemcached = "127.0.0.1:1"\n',
  )
  t.match(await checkRedis(config), [
    {
      name: 'Redis',
      result: 'warning',
      detail: /redis 127\.0\.0\.1:1: .*ECONNREFUSED/,
      hint: /logins go on/,
    },
  ])
  t.match(await checkMemcached(config), [
    {
      name: 'memcached',
      result: 'warning',
      detail: /memcached 127\.0\.0\.1:1: .*ECONNREFUSED/,
      hint: /logins go on/,
    },
  ])
})

t.test('Dovecots: each is told to end sessions that nobody has', async (t) => {
  const config = await configOf(
    t,
    `[[dovecot.endpoints]]
name = "away"
url = "http://127.0.0.1:1"
api_key = "a key"
[[dovecot.endpoints]]
name = "refuses"
command = ["false"]
[[dovecot.endpoints]]
name = "does"
command = ["true"]
[[dovecot.endpoints]]
name = "of-another-node"
`,
  )
  t.match(await checkDovecotEndpoints(config), [
    { name: 'doveadm', result: 'warning', detail: /away .*ECONNREFUSED/, hint: /open sessions go on/ },
    { name: 'doveadm', result: 'warning', detail: /refuses .*exit code 1/ },
    { name: 'doveadm', result: 'ok', detail: 'does: ends sessions when told to' },
  ])
})

suite('there', [redisMissing(), memcachedMissing()], async (t) => {
  const redis = await startRedis('the right password')
  t.teardown(() => redis.stop())
  const memcached = await startMemcached()
  t.teardown(() => memcached.stop())
  const place = `[mailcow]\nmemcached = "127.0.0.1:${memcached.port}"\n[redis]\nhost = "127.0.0.1"\nport = ${redis.port}\n`
  const config = await configOf(t, `${place}password = "the right password"\n`)
  t.match(await checkRedis(config), [
    { name: 'Redis', result: 'ok', detail: /database 0: rate limits can be written/ },
  ])
  t.match(await checkMemcached(config), [{ name: 'memcached', result: 'ok', detail: /version \d/ }])
  t.equal(await redis.client.exists('RL_VALUE'), 0, 'nothing is changed')

  const [wrong] = await checkRedis(await configOf(t, `${place}password = "another password"\n`))
  t.match(wrong, { result: 'warning', detail: /WRONGPASS/ })
  t.notMatch(JSON.stringify(wrong), /another password/)
  await redis.client.set('RL_VALUE', 'no hash')
  t.match(await checkRedis(config), [{ result: 'warning', detail: /WRONGTYPE/ }])
})
