/** What the outbox's rows make of Redis and memcached; rows that are none of ours do nothing. */
import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config/load.ts'
import { besideOf, consumeFlush, consumeRateLimit, openConsumers } from '../../src/mailcow/consumers.ts'
import type { OutboxRow } from '../../src/outbox/outbox.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { testDir } from '../contract/store-subjects.ts'

const ROW: OutboxRow = {
  id: 1,
  consumer: 'redis',
  action: 'rate_limit',
  address: 'jane@example.org',
  body: {},
  createdMs: 0,
  tries: 1,
  leaseUntilMs: 0,
}
const { signal } = new AbortController()

t.test('rate limits', async (t) => {
  const written: (readonly [string, string | undefined])[] = []
  const consume = consumeRateLimit({
    where: 'a list',
    write: async (...what) => void written.push(what),
    probe: async () => {},
  })
  t.equal(await consume({ ...ROW, body: { value: '10 / 1h' } }, signal), 'done')
  t.equal(await consume(ROW, signal), 'done', 'no limit')
  t.same(written.splice(0), [
    ['jane@example.org', '10 / 1h'],
    ['jane@example.org', undefined],
  ])
  for (const body of [{ value: '10 / 1w' }, { value: 10 }, { value: null }, { value: '1 / 1h\n2 / 1h' }])
    t.equal(await consume({ ...ROW, body }, signal), 'moot')
  t.equal(await consume({ ...ROW, action: 'other' }, signal), 'moot')
  t.same(written, [])
})

t.test('flushes', async (t) => {
  let flushes = 0
  const consume = consumeFlush({ flush: async () => void flushes++ })
  t.equal(await consume({ ...ROW, action: 'flush' }, signal), 'done')
  t.equal(await consume({ ...ROW, action: 'other' }, signal), 'moot')
  t.equal(flushes, 1)
})

t.test('who is told is what the configuration names', async (t) => {
  const dir = testDir(t)
  const told = async (toml: string) => {
    const path = join(dir, 'mailpassd.toml')
    writeFileSync(path, toml, { mode: 0o600 })
    const { config } = await loadConfig({ path, dataDir: dir, env: {} })
    const names = (await openConsumers(config, systemClock)).map(({ consumer }) => consumer)
    return [besideOf(config), names]
  }
  const mailcow = '[store]\nkind = "mysql"\nschema = "mailcow"\n'
  t.same(await told(''), [{ sogo: false, redis: false, memcached: false }, []])
  t.same(await told(mailcow), [{ sogo: true, redis: false, memcached: false }, []])
  t.same(await told(`${mailcow}[redis]\nhost = "redis"\n[mailcow]\nmemcached = "memcached:11211"\n`), [
    { sogo: true, redis: true, memcached: true },
    ['redis', 'memcached'],
  ])
  t.same(await told(`${mailcow}[redis]\nsocket = "/r.sock"\n[mailcow]\nsogo = false\nmemcached = "m:1"\n`), [
    { sogo: false, redis: true, memcached: false },
    ['redis'],
  ])
})
