/** Guesses and known pairs on every database: two nodes, a restart, an operator, and what was there before. */
import t, { type Test } from 'tap'
import { systemClock, type Clock } from '../../src/clock.ts'
import { openGuarding, type Guarding } from '../../src/policy/guarding.ts'
import { KnownPairMemory } from '../../src/policy/known-pair-memory.ts'
import { PairSharing } from '../../src/policy/pair-sharing.ts'
import type { Store } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { refusal } from '../../src/login/decide.ts'
import { FakeClock } from '../fakes/clock.ts'
import { JANE, policyConfig, requestOf } from '../policy/guard.ts'
import { suite } from '../servers/suite.ts'
import { SUBJECTS, type Subject } from './store-subjects.ts'

const DAY_MS = 24 * 60 * 60 * 1000

function nodeOn(t: Test, store: Store, clock: Clock = systemClock): Guarding {
  const guarding = openGuarding(policyConfig(), {
    sharedSources: [],
    failureDelayMs: 2000,
    shared: store.guesses,
    pairs: { store: store.knownPairs, logins: store.loginLog },
    clock,
    logger: silentLogger,
  })
  t.teardown(() => guarding.close())
  return guarding
}

const requests = new FakeClock()

/** What a wrong password comes to: throttled, or refused and counted. */
function guess({ policy }: Guarding, password: string, remoteIp = '192.0.2.1') {
  const request = requestOf(requests, { password, remoteIp })
  const admission = policy.admit(request, JANE)
  policy.observe(
    request,
    refusal(admission.kind === 'ticket' ? 'hash_differs' : 'too_many_guesses', undefined),
  )
  return admission.kind
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}

const isThrottled = ({ policy }: Guarding) =>
  policy.foresee({ username: JANE, remoteIp: '192.0.2.1' }).retryAfterSeconds !== undefined
const total = ({ rates }: Guarding, scope = `a:${JANE}`) => rates.total(scope, systemClock.nowMs())

async function contract(subject: Subject, t: Test): Promise<void> {
  const place = await subject.place(t)

  await t.test('guesses at one node count at the other, and after a restart', async (t) => {
    const [a, b] = [nodeOn(t, await place.open(systemClock)), nodeOn(t, await place.open(systemClock))]
    await Promise.all([a.start(5000), b.start(5000)])
    for (let index = 0; index < 6; index += 1) guess(a, `guess ${index}`)
    await until(() => total(b) === 6)
    for (let index = 0; index < 4; index += 1) t.equal(guess(b, `other ${index}`), 'ticket')
    t.equal(guess(b, 'one more'), 'throttled')
    await until(() => isThrottled(a))
    t.equal(total(a), 10)
    // Without a word, as after SIGKILL.
    const again = nodeOn(t, await place.open(systemClock))
    await again.start(5000)
    t.equal(guess(again, 'one more'), 'throttled')
    const rows = await place.sql('select sum(count) as n from mailpassd_guess where scope = ?', [`a:${JANE}`])
    t.equal(Number(rows[0]?.['n']), 10)
  })

  await t.test('an operator lets somebody in again, on every node', async (t) => {
    const [a, b] = [nodeOn(t, await place.open(systemClock)), nodeOn(t, await place.open(systemClock))]
    await Promise.all([a.start(5000), b.start(5000)])
    await until(() => isThrottled(a) && isThrottled(b))
    const cleared = await a.desk.clear({ kind: 'mailbox', mailbox: JANE })
    t.same(
      cleared.map(({ kind, guesses, isThrottled }) => [kind, guesses, isThrottled]),
      [
        ['pair', 10, true],
        ['mailbox', 10, false],
      ],
    )
    t.equal(guess(a, 'again'), 'ticket')
    await until(() => !isThrottled(b))
    t.equal(guess(b, 'again'), 'ticket')
    await until(() => total(a) === 2 && total(b) === 2)
    t.same(a.desk.list({ kind: 'mailbox', mailbox: 'joe@example.org' }, 10), [])
    t.equal(a.desk.list({ kind: 'network', network: '192.0.2.1/32' }, 10).length, 3)
    await b.desk.clear({ kind: 'network', network: '192.0.2.1/32' })
    await until(() => a.desk.list({ kind: 'network', network: '192.0.2.0/24' }, 10).length === 0)
  })

  await t.test('what counts no more is deleted', async (t) => {
    const store = await place.open(systemClock)
    await store.guesses.write('old', [{ scope: 'a:old@example.org', slot: 1, count: 1 }])
    await place.sql("update mailpassd_guess set changed_ms = changed_ms - 7300000 where node = 'old'")
    await store.guesses.prune()
    t.same(await place.sql("select * from mailpassd_guess where node = 'old'"), [])
    t.not((await place.sql('select * from mailpassd_guess')).length, 0)
  })

  await t.test('who logged in before there were known pairs is known', async (t) => {
    const store = await place.open(systemClock)
    await place.sql('delete from mailpassd_known_pair')
    const nowMs = systemClock.nowMs()
    const line = { service: 'imap', why: 'verified', hourMs: 0, firstMs: nowMs, count: 1 }
    const ok = { ...line, verdict: 'ok', credential: 'main', lastMs: nowMs - DAY_MS }
    await store.loginLog.writeLogins([
      { ...ok, mailbox: JANE, network: '192.0.2.0/24' },
      { ...ok, mailbox: JANE, network: '198.51.100.0/24', verdict: 'password_mismatch' },
      { ...ok, mailbox: 'old@example.org', network: '192.0.2.0/24', lastMs: nowMs - 40 * DAY_MS },
    ])
    await store.loginLog.writeSaslLog(
      Array.from({ length: 600 }, (_, index) => ({
        service: 'imap',
        appPasswordId: 0,
        // mailcow writes the name as the client did.
        mailbox: `${index === 599 ? 'User' : 'user'}${index}@example.org`,
        remoteIp: '2001:db8::1',
        atMs: nowMs - DAY_MS,
      })),
    )
    const node = nodeOn(t, store)
    await node.start(5000)
    await until(() => node.known.isKnownPair('user599@example.org', '2001:db8::/64'))
    await until(() => node.known.isKnownPair(JANE, '192.0.2.0/24'))
    t.ok(node.known.isKnownPair('user0@example.org', '2001:db8::/64'))
    t.notOk(node.known.isKnownPair(JANE, '198.51.100.0/24'), 'a wrong password is none')
    t.notOk(node.known.isKnownPair('old@example.org', '192.0.2.0/24'), 'too long ago')
    t.ok(await store.knownPairs.isTakenOver())
  })

  await t.test('of very many pairs that were written at once none is missed', async (t) => {
    const store = await place.open(systemClock)
    const sinceMs = await store.knownPairs.nowMs()
    const all = Array.from({ length: 2600 }, (_, index) => `many${index}@example.org`)
    const atMs = systemClock.nowMs()
    for (let start = 0; start < all.length; start += 500)
      await store.knownPairs.write(
        all.slice(start, start + 500).map((mailbox) => ({ mailbox, network: '192.0.2.0/24', atMs })),
      )
    const read = new Set<string>()
    let fromMs = sinceMs
    for (let readings = 0; readings < 3; readings += 1) {
      const { pairs, nextMs } = await store.knownPairs.changedSince(fromMs)
      for (const { mailbox } of pairs) read.add(mailbox)
      fromMs = nextMs
    }
    t.equal(all.filter((mailbox) => !read.has(mailbox)).length, 0)
  })

  await t.test('a pair learned by one node is known to the other, and after a restart', async (t) => {
    const [one, two] = [await place.open(systemClock), await place.open(systemClock)]
    const [a, b] = [nodeOn(t, one), nodeOn(t, two)]
    await Promise.all([a.start(5000), b.start(5000)])
    a.known.learn('new@example.org', '203.0.113.0/24')
    await until(() => b.known.isKnownPair('new@example.org', '203.0.113.0/24'))
    t.ok(b.known.isKnownNetwork('203.0.113.0/24'))
    const known = new KnownPairMemory(10_000, () => systemClock.nowMs())
    const sharing = new PairSharing({
      known,
      store: one.knownPairs,
      logins: one.loginLog,
      clock: systemClock,
      logger: silentLogger,
    })
    await sharing.start()
    t.ok(known.isKnownPair('new@example.org', '203.0.113.0/24'))
    await sharing.close()
    await place.sql('update mailpassd_known_pair set changed_ms = changed_ms - 2764800000')
    await one.knownPairs.prune()
    t.same(await one.knownPairs.load(undefined), [])
    t.ok(await one.knownPairs.isTakenOver(), 'what is too old is not looked for again')
  })
}

for (const subject of SUBJECTS) suite(subject.name, [subject.missing], (t) => contract(subject, t))

t.test('while the database is down guesses count here, and are told afterwards', async (t) => {
  const clock = new FakeClock()
  let isDown = true
  const written: number[] = []
  const guarding = openGuarding(policyConfig(), {
    sharedSources: [],
    failureDelayMs: 2000,
    shared: {
      async write(_node, counts) {
        if (isDown) throw new Error('down')
        written.push(...counts.map(({ count }) => count))
      },
      async read() {
        if (isDown) throw new Error('down')
        return { counts: [], cleared: [], nextMs: 1 }
      },
      async clear() {},
      async prune() {},
    },
    clock,
    logger: silentLogger,
  })
  await guarding.start(1000)
  for (let index = 0; index < 20; index += 1) guess(guarding, `guess ${index}`)
  t.equal(guess(guarding, 'x'), 'throttled')
  await clock.advance(60_000)
  isDown = false
  await clock.advance(60_000)
  t.same(written, [10, 10, 10, 10], 'pair, mailbox, address, /24')
  await guarding.close()
})

t.test('a database that hangs holds up the start for the time given', async (t) => {
  const clock = new FakeClock()
  const never = () => new Promise<never>(() => {})
  const guarding = openGuarding(policyConfig(), {
    sharedSources: [],
    failureDelayMs: 2000,
    shared: { write: never, read: never, clear: never, prune: never },
    clock,
    logger: silentLogger,
  })
  const started = guarding.start(1000)
  await clock.advance(1000)
  await started
  t.equal(guess(guarding, 'x'), 'ticket')
})
