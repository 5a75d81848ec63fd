/** From an alarm to a row of a real outbox (SQLite), and from there to a webhook that first does not answer. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { consumeAlarm } from '../../src/alarm/consume.ts'
import { createAlarms } from '../../src/alarm/raise.ts'
import { createWebhook } from '../../src/alarm/webhook.ts'
import { systemClock, type Clock } from '../../src/clock.ts'
import { MailpassdError } from '../../src/errors.ts'
import { startDrain } from '../../src/outbox/drain.ts'
import type { OutboxEntry } from '../../src/outbox/outbox.ts'
import type { LoginAlarm } from '../../src/policy/alarm-rules.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger, type Logger } from '../../src/telemetry/logger.ts'
import { FakeClock, settle } from '../fakes/clock.ts'
import { startReceiver } from './receiver.ts'

const ALARM: LoginAlarm = {
  kind: 'guessed_login',
  mailbox: 'jane@example.org',
  service: 'imap',
  network: '203.0.113.0/24',
  remoteIp: '203.0.113.9',
  credential: 'main',
  guesses: { pair: 7, mailbox: 8, network: 9 },
}
const NETWORKS: LoginAlarm = {
  kind: 'new_networks',
  mailbox: 'jane@example.org',
  service: 'smtp',
  network: '203.0.113.0/24',
  remoteIp: '203.0.113.9',
  credential: 'main',
  networks: Array.from({ length: 1000 }, (_, n) => `2001:db8:${n.toString(16)}::/64`),
}

function setUp(add?: (entry: OutboxEntry) => Promise<unknown>, running?: Clock) {
  const clock = new FakeClock()
  const said: { level: string; fields: object; text: string }[] = []
  const say = (level: string) => (fields: object, text: string) => void said.push({ level, fields, text })
  const logger: Logger = { ...silentLogger, warn: say('warn'), error: say('error') }
  const counted: string[] = []
  const alarms = createAlarms({
    outbox: add === undefined ? undefined : { add },
    metrics: { recordAlarm: (kind) => void counted.push(kind) },
    logger,
    clock: running ?? clock,
  })
  return { clock, said, counted, alarms }
}

t.test('a line and a number, also where there is no webhook', async (t) => {
  const { alarms, said, counted } = setUp()
  alarms.raise(ALARM)
  alarms.raise(NETWORKS)
  t.strictSame(counted, ['guessed_login', 'new_networks'])
  t.match(said, [
    {
      level: 'warn',
      fields: { event: 'alarm', alarm: 'guessed_login', mailbox: 'jane@example.org', guesses: { pair: 7 } },
      text: /^jane@example\.org was opened over imap from 203\.0\.113\.0\/24/,
    },
    { level: 'warn', fields: { alarm: 'new_networks' }, text: /1000 new networks/ },
  ])
  await alarms.close()
})

t.test('kept in the outbox, tried again until the webhook takes it, the same each time', async (t) => {
  const dataDir = t.testdir({})
  const store = await openStore(
    {
      kind: 'sqlite',
      schema: 'standalone',
      path: `${dataDir}/store.sqlite`,
      host: '',
      port: 1,
      database: '',
      user: '',
      connections: 1,
      timeout_ms: 3000,
      fresh_seconds: 2,
      dataDir,
    },
    { clock: systemClock, logger: silentLogger },
  )
  t.teardown(() => store.close())
  const receiver = await startReceiver(
    (response, count) => void response.writeHead(count < 3 ? 500 : 200).end(),
  )
  t.teardown(() => receiver.stop())
  const webhook = createWebhook({
    url: receiver.url,
    secret: undefined,
    caFile: undefined,
    timeoutMs: 20_000,
    clock: systemClock,
  })
  const drain = startDrain({
    consumer: 'webhook',
    consume: consumeAlarm(webhook),
    source: store.outbox,
    clock: systemClock,
    logger: silentLogger,
    limits: { firstRetryMs: 10, everyMs: 20 },
  })
  t.teardown(() => drain.close())
  const { alarms } = setUp((entry) => store.outbox.add(entry), systemClock)
  alarms.onWritten(() => drain.wake())
  alarms.raise(NETWORKS)
  while (receiver.posted.length < 3 || (await store.outbox.pending()).length > 0) await sleep(10)
  const bodies = receiver.posted.map(({ body }) => body)
  t.equal(new Set(bodies).size, 1)
  const body: object = JSON.parse(bodies[0] ?? '')
  t.match(body, {
    event: 'alarm',
    id: /^[0-9a-f-]{36}$/,
    alarm: 'new_networks',
    time: /^\d{4}-\d\d-\d\dT/,
    mailbox: 'jane@example.org',
    service: 'smtp',
    network: '203.0.113.0/24',
    remote_ip: '203.0.113.9',
    credential: 'main',
  })
  t.equal('networks' in body && Array.isArray(body.networks) ? body.networks.length : 0, 50)
  t.ok((bodies[0] ?? '').length < 8192)

  const row = { id: 1, consumer: 'webhook', address: '', createdMs: 0, tries: 1, leaseUntilMs: 0 }
  const { signal } = new AbortController()
  t.equal(await consumeAlarm(webhook)({ ...row, action: 'other', body: {} }, signal), 'moot')
  t.equal(await consumeAlarm(webhook)({ ...row, action: 'alarm', body: undefined }, signal), 'moot')
  await alarms.close()
})

t.test('while the database is down they wait, in their order and bounded', async (t) => {
  const kept: string[] = []
  let isDown = true
  const { alarms, clock, said } = setUp(async ({ address }) => {
    if (isDown) throw new MailpassdError('store_unavailable', 'down')
    kept.push(address)
  })
  for (let n = 0; n < 1200; n += 1) alarms.raise({ ...ALARM, mailbox: `user${n}@example.org` })
  await clock.advance(20_000)
  t.strictSame(kept, [])
  isDown = false
  await clock.advance(5000)
  t.equal(kept.length, 1000)
  t.equal(kept[0], 'user200@example.org', 'the oldest were given up')
  t.equal(kept.at(-1), 'user1199@example.org')
  t.equal(said.filter(({ text }) => text.includes('given up')).length, 200)
  t.equal(clock.pendingTimers, 0)
  await alarms.close()
})

t.test('the end tries once more, and says what is lost', async (t) => {
  const kept: string[] = []
  let isDown = true
  const rig = () =>
    setUp(async ({ address }) => {
      if (isDown) throw new MailpassdError('store_unavailable', 'down')
      kept.push(address)
    })
  const lost = rig()
  lost.alarms.raise(ALARM)
  await lost.alarms.close()
  t.match(lost.said.at(-1), { level: 'error', text: /alarms are lost/ })
  t.equal(lost.clock.pendingTimers, 0)
  const saved = rig()
  saved.alarms.raise(ALARM)
  await settle()
  isDown = false
  await saved.alarms.close()
  t.strictSame(kept, ['jane@example.org'])
})
