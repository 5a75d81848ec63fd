import t from 'tap'
import { refusal } from '../../src/login/decide.ts'
import type { Observed } from '../../src/policy/observer.ts'
import { guard, JANE, success } from './guard.ts'

const HOUR = 60 * 60 * 1000
const SLOT = 5 * 60 * 1000
const delayOf = (tried: { ticket?: { delayMs: number } }) => tried.ticket?.delayMs

t.test('refusals leave after 2, 4 and 7 s, then nothing is compared', async (t) => {
  const { attempt, state } = guard()
  const tried = Array.from({ length: 12 }, (_, index) => attempt({ password: `guess ${index}` }))
  t.same(tried.map(delayOf), [2000, 4000, ...Array<number>(8).fill(7000), undefined, undefined])
  t.match(tried[10], { kind: 'throttled' })
  t.equal(state.compared, 10)
  t.equal(attempt({}).kind, 'throttled', 'nor is the right one: that would tell it apart')
})

t.test('the same wrong password again counts once, for as long as it comes', async (t) => {
  const { attempt, clock } = guard()
  for (let times = 0; times < 500; times += 1) {
    const tried = attempt({ password: 'the old one' })
    t.equal(tried.kind, 'refused')
    if (times > 0) t.equal(delayOf(tried), 2000)
    await clock.advance(60_000)
  }
})

t.test('what was guessed counts for an hour, and at most five minutes longer', async (t) => {
  const { attempt, clock } = guard()
  for (let index = 0; index < 10; index += 1) attempt({ password: `guess ${index}` })
  const wait = (attempt({ password: 'x' }).retryAfterSeconds ?? 0) * 1000
  t.ok(wait >= HOUR && wait <= HOUR + SLOT, `${wait}`)
  await clock.advance(HOUR - 1)
  t.equal(attempt({}).kind, 'throttled')
  await clock.advance(wait - HOUR + 1)
  t.equal(attempt({}).kind, 'ok')
})

t.test('a wall clock that is set back locks nobody out for long', async (t) => {
  const { attempt, clock } = guard()
  for (let index = 0; index < 11; index += 1) attempt({ password: `guess ${index}` })
  clock.setWallClock(-10 * HOUR)
  t.equal(attempt({}).kind, 'ok')
})

t.test('strangers fill up the mailbox, and its owner gets in from where it was', async (t) => {
  const { attempt, state } = guard()
  const home = { remoteIp: '198.51.100.7' }
  attempt(home)
  const before = state.compared
  for (let index = 0; index < 1000; index += 1)
    attempt({ remoteIp: `10.${index >> 8}.${index & 255}.9`, password: `guess ${index}` })
  t.equal(state.compared - before, 50)
  t.equal(attempt({ remoteIp: '203.0.113.1' }).kind, 'throttled', 'a place never seen')
  const owner = attempt({ remoteIp: '198.51.100.99' })
  t.match(owner, { kind: 'ok', ticket: { lane: 'known' } }, 'the same network, another address of it')
})

t.test('the guesses of a known pair are its own, and bounded', async (t) => {
  const { attempt, state, clock } = guard()
  attempt({})
  for (let index = 0; index < 3; index += 1)
    t.match(attempt({ password: `slip ${index}` }), { ticket: { lane: 'known' } })
  t.match(attempt({}), { kind: 'ok', ticket: { lane: 'stranger' } }, 'with strangers in the queue')
  await clock.advance(10 * 60 * 1000)
  t.match(attempt({}), { kind: 'ok', ticket: { lane: 'known' } })
  for (let index = 0; index < 100; index += 1) attempt({ password: `guess ${index}` })
  t.equal(attempt({}).kind, 'throttled')
  t.equal(state.compared, 1 + 3 + 2 + 7)
  t.equal(attempt({ remoteIp: '203.0.113.1' }).kind, 'ok', 'elsewhere nothing counts of it')
})

t.test('a pair is known for 30 days after its last right password', async (t) => {
  const { attempt, clock, known } = guard()
  attempt({})
  t.ok(known.isKnownNetwork('192.0.2.0/24'))
  await clock.advance(30 * 24 * HOUR)
  t.ok(known.isKnownPair(JANE, '192.0.2.0/24'))
  await clock.advance(24 * HOUR)
  t.notOk(known.isKnownPair(JANE, '192.0.2.0/24'))
  t.notOk(known.isKnownNetwork('192.0.2.0/24'))
})

t.test('one address that tries many mailboxes is stopped, of IPv6 each width', async (t) => {
  const { attempt, state } = guard()
  for (let index = 0; index < 300; index += 1)
    attempt({ username: `user${index}@example.org`, password: 'summer' })
  t.equal(state.compared, 100, 'one IPv4 address')
  for (let index = 0; index < 300; index += 1)
    attempt({
      username: `other${index}@example.org`,
      password: 'summer',
      remoteIp: `192.0.2.${2 + (index % 250)}`,
    })
  t.equal(state.compared, 300, 'its /24')
  const v6 = guard()
  for (let index = 0; index < 900; index += 1)
    v6.attempt({
      username: `user${index}@example.org`,
      password: 'summer',
      remoteIp: `2001:db8:1:${index.toString(16)}::1`,
    })
  t.equal(v6.state.compared, 400, 'a /48 that walks through its /64')
})

t.test('a source that others stand behind, and none at all, count for the mailbox alone', async (t) => {
  for (const remoteIp of [undefined, '127.0.0.1', '::1', '10.1.2.3']) {
    const { attempt, state, rates } = guard({}, { sharedSources: ['127.0.0.0/8', '::1/128', '10.0.0.0/8'] })
    for (let index = 0; index < 60; index += 1) attempt({ remoteIp, password: `guess ${index}` })
    t.equal(state.compared, 50)
    t.equal(rates.size, 1)
    t.equal(attempt({ remoteIp, username: 'joe@example.org' }).kind, 'ok', 'its other users get in')
  }
})

t.test('guesses sent at once are counted before any is answered', async (t) => {
  for (const isKnown of [false, true]) {
    const { attempt, begin, state, policy } = guard()
    if (isKnown) attempt({})
    const before = state.compared
    const begun = Array.from({ length: 100 }, (_, index) => begin({ password: `guess ${index}` }))
    t.equal(state.compared - before, 10)
    t.same(begun[50]?.admission, { kind: 'throttled', retryAfterSeconds: 2 })
    for (const { admission, end } of begun)
      end(refusal(admission.kind === 'ticket' ? 'hash_differs' : 'too_many_guesses', undefined))
    t.equal(policy.underWay, 0)
    t.equal(attempt({}).kind, 'throttled')
  }
})

t.test('many connections with one password at once need one place', async (t) => {
  const { begin, state, policy, known } = guard()
  const begun = Array.from({ length: 200 }, () => begin({}))
  t.equal(state.compared, 200)
  for (const { end } of begun) end(success(JANE))
  t.ok(known.isKnownPair(JANE, '192.0.2.0/24'))
  const again = Array.from({ length: 200 }, () => begin({}))
  t.equal(state.compared, 400)
  for (const { end } of again) end(success(JANE))
  t.equal(policy.underWay, 0)
})

t.test('a mailbox and a name that is none are charged alike', async (t) => {
  const [mailbox, name] = [guard(), guard()]
  for (let index = 0; index < 200; index += 1) {
    const wish = { remoteIp: `192.0.2.${index % 7}`, password: `guess ${index % 90}` }
    t.same(name.attempt(wish, 'no_such_user'), mailbox.attempt(wish, 'hash_differs'))
    if (index % 50 === 0) await Promise.all([name.clock.advance(60_000), mailbox.clock.advance(60_000)])
  }
  const [disabled, refused] = [guard(), guard()]
  for (let index = 0; index < 20; index += 1) {
    const wish = { password: `guess ${index}` }
    t.same(disabled.attempt(wish, 'no_hash'), refused.attempt(wish, 'hash_differs'))
  }
})

t.test('what is no guess at the account does not touch it', async (t) => {
  for (const why of [
    'app_password_differs',
    'domain_not_hosted',
    'directory_down',
    'deadline',
    'busy',
  ] as const) {
    const { attempt, rates } = guard()
    for (let index = 0; index < 60; index += 1)
      attempt({ remoteIp: `10.0.${index}.1`, password: `guess ${index}` }, why)
    t.equal(attempt({ remoteIp: '203.0.113.1' }).kind, 'ok', why)
    const scopes = [...rates.counted(0)].map(({ scope }) => scope)
    t.notOk(
      scopes.some((scope) => !scope.startsWith('n:')),
      why,
    )
  }
  const { attempt, rates, clock } = guard()
  for (let index = 0; index < 60; index += 1) attempt({ password: `guess ${index}` }, 'domain_not_hosted')
  t.equal(rates.total('n:192.0.2.1/32', clock.nowMs()), 1, 'one name is one, whatever was tried with it')
  const tried = ['too_many_app_passwords', 'reread_refused', 'reread_failed'] as const
  for (const [index, why] of tried.entries()) {
    attempt({ password: why }, why)
    t.equal(rates.total(`a:${JANE}`, clock.nowMs()), index + 1, `${why}: as good as tried`)
  }
})

t.test('an operator sees what is charged, and who waits', async (t) => {
  const { attempt, policy } = guard()
  const about = { username: JANE, service: 'imap', door: 'sasl', remoteIp: '192.0.2.1' } as const
  t.same(policy.foresee(about), { retryAfterSeconds: undefined, penalties: [] })
  attempt({ password: 'one' })
  t.same(policy.foresee(about), {
    retryAfterSeconds: undefined,
    penalties: [
      'jane@example.org from 192.0.2.0/24: 1 of 10 different wrong passwords within an hour',
      'mailbox jane@example.org: 1 of 50 different wrong passwords within an hour',
      'network 192.0.2.1/32: 1 of 100 different wrong passwords within an hour',
      'network 192.0.2.0/24: 1 of 300 different wrong passwords within an hour',
    ],
  })
  for (let index = 0; index < 20; index += 1) attempt({ password: `guess ${index}` })
  t.ok((policy.foresee(about).retryAfterSeconds ?? 0) > 3500)
  t.equal(policy.underWay, 0)
})

t.test('others hear of each outcome once, with what it counts', async (t) => {
  const heard: Observed[] = []
  const { attempt } = guard({}, { observers: [{ observed: (facts) => heard.push(facts) }] })
  attempt({ password: 'wrong' })
  attempt({ password: 'wrong' })
  attempt({})
  attempt({})
  t.match(heard, [
    {
      guess: 'account',
      isNewGuess: true,
      wasKnown: false,
      mailbox: JANE,
      network: '192.0.2.0/24',
      isShared: false,
    },
    { guess: 'account', isNewGuess: false },
    { guess: undefined, wasKnown: false, outcome: { verdict: 'ok' } },
    { guess: undefined, wasKnown: true },
  ])
  t.equal(heard.length, 4)
  t.same([heard[3]?.guessesAtAddress(), heard[3]?.guessesFromPair()], [1, 1])
})

t.test('a report of what was never admitted counts as well', async (t) => {
  const { policy, rates, clock, begin } = guard()
  const { end } = begin({ username: 'nonsense' })
  end(refusal('address_invalid', undefined))
  t.equal(rates.total('n:192.0.2.0/24', clock.nowMs()), 1)
  end(refusal('hash_differs', undefined))
  t.equal(policy.underWay, 0)
})

t.test('without a limit nothing is held up', async (t) => {
  const { attempt } = guard({ pair_guesses: 0, address_guesses: 0, ipv4_32_guesses: 0, ipv4_24_guesses: 0 })
  for (let index = 0; index < 500; index += 1)
    t.equal(attempt({ password: `guess ${index}` }).kind, 'refused')
})

t.test('what was cut short counts where a comparison had begun, and else does not', async (t) => {
  for (const why of ['busy', 'deadline'] as const) {
    const { begin, rates, clock } = guard()
    const total = () => rates.total(`a:${JANE}`, clock.nowMs())
    begin({ password: 'never compared' }).end(refusal(why, undefined))
    t.equal(total(), 0, why)
    const { admission, end } = begin({ password: 'compared with the first of two' })
    const attempt = admission.kind === 'ticket' ? admission.ticket.attempt : undefined
    if (attempt !== undefined) attempt.comparisons += 1
    end(refusal(why, undefined))
    t.equal(total(), 1, why)
  }
})

t.test('where nothing holds it up, a flood of guesses is still counted and told', async (t) => {
  const { rates, clock, desk } = guard({ address_guesses: 0 })
  for (let mac = 0; mac < 200_000; mac += 1) rates.add(`a:${JANE}`, mac, clock.nowMs())
  t.match(desk.list({ kind: 'mailbox', mailbox: JANE }, 10), [{ guesses: 200_000, isThrottled: false }])
})
