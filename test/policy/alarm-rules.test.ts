/** Which good logins raise an alarm, by outcomes of the penalty and a clock that the test moves. */
import t from 'tap'
import { AlarmRules, type AlarmLimits, type LoginAlarm } from '../../src/policy/alarm-rules.ts'
import type { Observed } from '../../src/policy/observer.ts'
import { Secret } from '../../src/secret.ts'
import { FakeClock } from '../fakes/clock.ts'

const HOUR_MS = 60 * 60 * 1000

interface Wish {
  readonly mailbox?: string
  readonly network?: string
  readonly service?: 'imap' | 'smtp'
  readonly door?: 'sasl' | 'cli'
  readonly credential?: string
  readonly isShared?: boolean
  readonly wasKnown?: boolean
  readonly pair?: number
  readonly address?: number
}

function setUp(limits: Partial<AlarmLimits> = {}) {
  const clock = new FakeClock()
  const raised: LoginAlarm[] = []
  const rules = new AlarmRules(
    { guesses: 5, networkGuesses: 20, newNetworksPerHour: 3, ...limits },
    (alarm) => void raised.push(alarm),
    () => clock.monotonicMs(),
  )
  const facts = (wish: Wish): Observed => {
    const { mailbox = 'jane@example.org', network = '203.0.113.0/24', pair = 0, address = 0 } = wish
    return {
      request: {
        door: wish.door ?? 'sasl',
        mechanism: 'PLAIN',
        service: wish.service ?? 'imap',
        username: mailbox,
        secret: Secret.fromText('secret'),
        remoteIp: '203.0.113.9',
        localIp: undefined,
        tls: true,
        sessionId: undefined,
        receivedAtMs: clock.monotonicMs(),
        deadlineMs: clock.monotonicMs() + 8000,
      },
      outcome: {
        verdict: 'ok',
        why: 'verified',
        mailbox,
        credential: wish.credential ?? 'main',
        provisioned: false,
        recordAgeMs: undefined,
        retryAfterSeconds: undefined,
      },
      mailbox,
      network,
      isShared: wish.isShared ?? false,
      guess: undefined,
      isNewGuess: false,
      wasKnown: wish.wasKnown ?? false,
      guessesAtAddress: () => address,
      guessesFromPair: () => pair,
    }
  }
  const ok = (wish: Wish = {}) => rules.observed(facts(wish))
  const guess = (wish: Wish = {}, isNewGuess = true) => {
    const right = facts(wish)
    const outcome = { ...right.outcome, verdict: 'password_mismatch', why: 'hash_differs' } as const
    rules.observed({ ...right, outcome: { ...outcome, credential: undefined }, guess: 'account', isNewGuess })
  }
  return { clock, raised, ok, guess }
}

t.test('a login after guesses from where nobody used the mailbox', (t) => {
  const { raised, ok } = setUp()
  ok({ pair: 4, address: 4 })
  t.strictSame(raised, [], 'some tries are no guessing')
  ok({ pair: 5, address: 7, credential: 'app:3' })
  t.strictSame(raised, [
    {
      kind: 'guessed_login',
      mailbox: 'jane@example.org',
      service: 'imap',
      network: '203.0.113.0/24',
      remoteIp: '203.0.113.9',
      credential: 'app:3',
      guesses: { pair: 5, mailbox: 7, network: 0 },
    },
  ])
  t.end()
})

t.test('a mailbox under attack, opened from a network that did not guess', (t) => {
  const { raised, ok } = setUp()
  ok({ address: 5 })
  t.match(raised, [{ kind: 'guessed_login', guesses: { pair: 0, mailbox: 5 } }])
  t.end()
})

t.test('a network that guesses at many mailboxes and finds one', async (t) => {
  const { raised, ok, guess, clock } = setUp()
  for (let n = 0; n < 19; n += 1) guess({ mailbox: `user${n}@example.org` })
  for (let n = 0; n < 50; n += 1) guess({ mailbox: 'user1@example.org' }, false)
  for (let n = 0; n < 50; n += 1) guess({ isShared: true })
  ok({ pair: 1 })
  t.strictSame(raised, [], '19 different ones')
  guess()
  ok({ network: '198.51.100.0/24' })
  t.strictSame(raised, [], 'another network')
  ok()
  t.match(raised, [{ guesses: { pair: 0, network: 20 } }])
  await clock.advance(HOUR_MS)
  ok({ mailbox: 'joe@example.org' })
  t.equal(raised.length, 1, 'an hour later nothing of it counts')
})

t.test('the owner, SOGo and the operator raise nothing', (t) => {
  const { raised, ok } = setUp()
  const many = { pair: 9, address: 9, service: 'smtp' } as const
  ok({ ...many, wasKnown: true })
  ok({ ...many, door: 'cli' })
  ok({ ...many, credential: 'sogo' })
  t.strictSame(raised, [])
  t.end()
})

t.test('a mailbox that sends from more new networks an hour than may be', async (t) => {
  const { raised, ok, clock } = setUp()
  const from = (n: number, more: Wish = {}) => ok({ service: 'smtp', network: `192.0.${n}.0/24`, ...more })
  for (const n of [1, 2, 3]) from(n)
  for (const n of [1, 2, 3]) from(n)
  for (const n of [4, 5, 6]) from(n, { service: 'imap' })
  for (const n of [4, 5, 6]) from(n, { isShared: true })
  for (const n of [4, 5, 6]) from(n, { wasKnown: true })
  for (const n of [4, 5, 6]) from(n, { mailbox: `user${n}@example.org` })
  t.strictSame(raised, [], 'three may be')
  from(4)
  const networks = [1, 2, 3, 4].map((n) => `192.0.${n}.0/24`)
  t.match(raised, [{ kind: 'new_networks', mailbox: 'jane@example.org', network: '192.0.4.0/24', networks }])
  for (const n of [5, 6, 7]) from(n)
  t.equal(raised.length, 1, 'once an hour')
  await clock.advance(HOUR_MS)
  for (const n of [8, 9, 10]) from(n)
  t.equal(raised.length, 1, 'those of the hour before are not among them')
  from(11)
  t.equal(raised.length, 2)
})

t.test('slowly is not too many', async (t) => {
  const { raised, ok, clock } = setUp()
  for (let n = 0; n < 50; n += 1) {
    ok({ service: 'smtp', network: `192.0.${n}.0/24` })
    await clock.advance(HOUR_MS / 3)
  }
  t.strictSame(raised, [])
})

t.test('0 is never', (t) => {
  const { raised, ok, guess } = setUp({ guesses: 0, networkGuesses: 0, newNetworksPerHour: 0 })
  for (let n = 0; n < 100; n += 1) guess({ mailbox: `user${n}@example.org` })
  for (let n = 0; n < 100; n += 1)
    ok({ service: 'smtp', network: `192.0.${n}.0/24`, pair: 100, address: 100 })
  t.strictSame(raised, [])
  t.end()
})
