/** Lines for mailcow's netfilter in a real Redis: which, what they look like, and what happens when Redis is away. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { refusal } from '../../src/login/decide.ts'
import { verdictOf, WHYS, type Why } from '../../src/login/why.ts'
import { createF2b, f2bLine, type F2bMode, type Publisher } from '../../src/mailcow/f2b.ts'
import { openRedis } from '../../src/mailcow/redis.ts'
import type { Observed } from '../../src/policy/observer.ts'
import { Secret } from '../../src/secret.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeClock } from '../fakes/clock.ts'
import { redisMissing, startRedis } from '../servers/redis.ts'
import { suite } from '../servers/suite.ts'

/** What netfilter looks for, and takes the address from. */
const RULE = /mailcow UI: Invalid password for .+ by ([0-9a-f.:]+)/

function facts(why: Why, remoteIp: string | undefined, more: Partial<Observed> = {}): Observed {
  const outcome = refusal(why, undefined)
  return {
    request: {
      door: 'sasl',
      mechanism: 'PLAIN',
      service: 'smtp',
      username: 'jane@example.org',
      secret: Secret.fromText('secret'),
      remoteIp,
      localIp: undefined,
      tls: true,
      sessionId: undefined,
      receivedAtMs: 0,
      deadlineMs: 8000,
    },
    outcome,
    mailbox: 'jane@example.org',
    network: '203.0.113.0/24',
    isShared: false,
    guess: undefined,
    isNewGuess: false,
    wasKnown: false,
    guessesAtAddress: () => 0,
    guessesFromPair: () => 0,
    ...more,
  }
}

function setUp(mode: F2bMode, publisher: Publisher) {
  const clock = new FakeClock()
  const said: string[] = []
  const logger = { ...silentLogger, warn: (_fields: object, text: string) => void said.push(text) }
  return { clock, said, f2b: createF2b({ mode, publisher, clock, logger }) }
}

t.test('a line ends with an address that netfilter can read, whatever the name', (t) => {
  for (const [mailbox, ip, name, address] of [
    ['jane@example.org', '203.0.113.9', 'jane@example.org', '203.0.113.9'],
    ['jane@example.org', '2001:DB8::9', 'jane@example.org', '2001:db8::9'],
    [`x"by'198.51.100.1@example.org`, '203.0.113.9', 'unknown', '203.0.113.9'],
    ['x by 198.51.100.1', '203.0.113.9', 'unknown', '203.0.113.9'],
    [undefined, '203.0.113.9', 'unknown', '203.0.113.9'],
  ] as const) {
    const line = f2bLine(mailbox, ip) ?? ''
    t.equal(line, `mailcow UI: Invalid password for ${name} by ${address}`)
    t.equal(RULE.exec(line)?.[1], address)
  }
  for (const ip of [undefined, '', 'fe80::1%eth0', '203.0.113', 'by'])
    t.equal(f2bLine('jane@example.org', ip), undefined)
  t.end()
})

t.test('which outcomes, and from where', async (t) => {
  for (const [mode, verdicts] of [
    ['throttled', ['throttled']],
    ['all', ['password_mismatch', 'user_unknown', 'throttled']],
  ] as const) {
    const told: string[] = []
    const { f2b, clock } = setUp(mode, { publish: async (_channel, lines) => void told.push(...lines) })
    for (const [at, why] of WHYS.entries()) {
      f2b.observed(facts(why, `203.0.113.${at}`))
      f2b.observed(facts(why, `198.51.100.${at}`, { isShared: true }))
      f2b.observed(facts(why, undefined))
    }
    t.strictSame(told, [], 'no login waits for it')
    await clock.advance(1000)
    const expected = WHYS.flatMap((why, at) =>
      verdicts.some((verdict) => verdict === verdictOf(why)) ? [`203.0.113.${at}`] : [],
    )
    t.strictSame(
      told.map((line) => RULE.exec(line)?.[1]),
      expected,
    )
    t.equal(clock.pendingTimers, 0)
  }
})

t.test('bounded, and silent after the end', async (t) => {
  const batches: number[] = []
  const { f2b, clock } = setUp('all', { publish: async (_channel, lines) => void batches.push(lines.length) })
  for (let n = 0; n < 5000; n += 1) f2b.observed(facts('hash_differs', '203.0.113.9'))
  await clock.advance(5000)
  t.strictSame(batches, [1000])
  f2b.observed(facts('hash_differs', '203.0.113.9'))
  f2b.close()
  f2b.observed(facts('hash_differs', '203.0.113.9'))
  await clock.advance(5000)
  t.strictSame(batches, [1000])
  t.equal(clock.pendingTimers, 0)
})

suite('a real Redis', [redisMissing()], async (t) => {
  const server = await startRedis('the password')
  t.teardown(() => server.stop())
  const heard: string[] = []
  const listener = server.client.duplicate()
  t.teardown(() => listener.disconnect())
  listener.on('error', () => undefined)
  listener.on('message', (_channel: string, line: string) => void heard.push(line))
  await listener.subscribe('F2B_CHANNEL')
  const config = {
    host: '127.0.0.1',
    port: server.port,
    password: 'the password',
    database: 0,
    timeout_ms: 300,
  }
  const { f2b, clock, said } = setUp('throttled', await openRedis(config))
  for (let n = 0; n < 10; n += 1) f2b.observed(facts('busy', '203.0.113.9'))
  await clock.advance(1000)
  while (heard.length < 10) await sleep(20)
  t.ok(heard.every((line) => line === 'mailcow UI: Invalid password for jane@example.org by 203.0.113.9'))

  server.pause()
  f2b.observed(facts('busy', '203.0.113.10'))
  await clock.advance(1000)
  while (said.length === 0) await sleep(20)
  server.resume()
  t.strictSame(said, ["mailcow's netfilter was not told of failed logins"])
  f2b.observed(facts('busy', '203.0.113.11'))
  await clock.advance(1000)
  while (!heard.at(-1)?.endsWith('203.0.113.11')) await sleep(20)
  t.pass('and on')
  f2b.close()
})
