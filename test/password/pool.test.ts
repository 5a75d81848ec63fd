/** The pool: what answers at once, what waits and how long, memory, order, lost threads, the end. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { HashAnswer } from '../../src/credential/hash-verifier.ts'
import type { PasswordPool } from '../../src/password/pool.ts'
import { Secret } from '../../src/secret.ts'
import { FakeClock, settle } from '../fakes/clock.ts'
import { all, ask, HeldBcrypt, poolFor, ticketOf } from './pools.ts'

const BCRYPT = '{BLF-CRYPT}$2y$05$XRKJR3jPHN0Pl.r0iYZtIOQMjjWrRKs2AE.dFSOKxMVfd7M180lWS'
const MD5_CRYPT = '{CRYPT}$1$POwHggbT$vqIDLKv394uiuchLs7prP1'
const FAULTY = new URL('./workers/faulty.ts', import.meta.url)

/** Waits until `isSo`, for as long as it takes; the test runner's limit ends it. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(2)
}

function argon2(memoryKib: number, passes = 1): string {
  return `{ARGON2ID}$argon2id$v=19$m=${memoryKib},t=${passes},p=1$c2FsdHNhbHRzYWx0$${'A'.repeat(43)}`
}

t.test('cheap schemes answer at once, slow ones later and never on this thread', async (t) => {
  const pool = poolFor(t)
  const secret = Secret.fromText('test')
  t.equal(pool.verify('{SSHA}cfECmHBD9YQMOkmkStuOq3QXieNyyksC', secret, ticketOf()), 'match')
  t.equal(pool.verify('{PLAIN}other', secret, ticketOf()), 'mismatch')
  const slow: Record<string, HashAnswer | Promise<HashAnswer>> = {}
  for (const hash of [
    BCRYPT,
    MD5_CRYPT,
    argon2(64),
    '{CRYPT}Y3u.O7fuIVCCI',
    '{PBKDF2}$1$s$9$' + '0'.repeat(40),
  ]) {
    slow[hash] = pool.verify(hash, secret, ticketOf())
    t.type(slow[hash], Promise, hash)
  }
  t.same(await all(Object.values(slow)), ['match', 'match', 'mismatch', 'match', 'mismatch'])
  t.match(pool.figures(), {
    running: 0,
    queued: { known: 0, stranger: 0 },
    done: 5,
    busy: 0,
    failed: 0,
    argon2MemoryKib: 0,
  })
})

t.test('no more run at a time than allowed', async (t) => {
  const bcrypt = new HeldBcrypt()
  const pool = poolFor(t, { nativeBcrypt: bcrypt, workers: 2 })
  const answers = ['a', 'b', 'c', 'd'].map((text) => pool.verify(BCRYPT, Secret.fromText(text), ticketOf()))
  await settle()
  t.match(pool.figures(), { running: 2, queued: { known: 2 } })
  await bcrypt.endOne()
  t.same(bcrypt.started, ['a', 'b', 'c'])
  t.match(pool.figures(), { running: 2, queued: { known: 1 }, done: 1 })
  for (let i = 0; i < 3; i++) await bcrypt.endOne()
  t.same(await all(answers), ['match', 'match', 'match', 'match'])
})

t.test('what cannot start before its deadline is busy, at its deadline', async (t) => {
  const bcrypt = new HeldBcrypt()
  const clock = new FakeClock()
  const pool = poolFor(t, { nativeBcrypt: bcrypt, workers: 1, clock })
  const now = clock.monotonicMs()
  t.equal(pool.verify(BCRYPT, Secret.fromText('late'), ticketOf({ deadlineMs: now })), 'busy')

  const running = pool.verify(BCRYPT, Secret.fromText('a'), ticketOf({ deadlineMs: now + 10 }))
  const patient = pool.verify(BCRYPT, Secret.fromText('b'), ticketOf({ deadlineMs: now + 8000 }))
  const hasty = pool.verify(BCRYPT, Secret.fromText('c'), ticketOf({ deadlineMs: now + 100 }))
  let answered: HashAnswer | undefined
  void Promise.resolve(hasty).then((answer) => (answered = answer))
  await clock.advance(90)
  t.equal(answered, undefined)
  await clock.advance(20)
  t.equal(answered, 'busy')
  t.match(pool.figures(), { running: 1, queued: { known: 1 }, busy: 2 })

  await bcrypt.endOne()
  t.equal(await running, 'match', 'what has started is finished')
  await clock.advance(9000)
  await bcrypt.endOne()
  t.equal(await patient, 'match')
})

t.test('a full lane, and a share with its quarter of it, is busy at once', async (t) => {
  const bcrypt = new HeldBcrypt()
  const pool = poolFor(t, { nativeBcrypt: bcrypt, workers: 1, maxQueuedPerLane: 8 })
  const send = (share: string, lane: 'known' | 'stranger'): HashAnswer | Promise<HashAnswer> =>
    pool.verify(BCRYPT, Secret.fromText(share), ticketOf({ networks: [share], lane }))
  const answers = [send('flood', 'stranger')]
  for (let i = 0; i < 2; i++) answers.push(send('flood', 'stranger'))
  t.equal(await send('flood', 'stranger'), 'busy')
  for (let i = 0; i < 6; i++) answers.push(send(`network ${i}`, 'stranger'))
  t.equal(await send('one too many', 'stranger'), 'busy')
  answers.push(send('flood', 'known'))
  t.match(pool.figures(), { running: 1, queued: { known: 1, stranger: 8 }, busy: 2 })
  for (let i = 0; i < 10; i++) await bcrypt.endOne()
  t.same(new Set(await all(answers)), new Set(['match']))
})

t.test('known users first, one stranger in four, networks by turns', async (t) => {
  const bcrypt = new HeldBcrypt()
  const pool = poolFor(t, { nativeBcrypt: bcrypt, workers: 1 })
  const answers: (HashAnswer | Promise<HashAnswer>)[] = []
  const send = (name: string, share: string, lane: 'known' | 'stranger'): void => {
    answers.push(pool.verify(BCRYPT, Secret.fromText(name), ticketOf({ networks: [share], lane })))
  }
  send('first', 'x', 'known')
  for (const name of ['s1', 's2', 's3']) send(name, 'flood', 'stranger')
  send('s4', 'other', 'stranger')
  for (const name of ['k1', 'k2', 'k3', 'k4']) send(name, 'office', 'known')
  send('k5', 'home', 'known')
  await settle()
  for (let i = 0; i < 10; i++) await bcrypt.endOne()
  t.same(bcrypt.started, ['first', 'k1', 'k5', 'k2', 's1', 'k3', 'k4', 's4', 's2', 's3'])
  await all(answers)
})

t.test('argon2 stays within its memory; what does not need memory goes on', async (t) => {
  const bcrypt = new HeldBcrypt()
  const pool = poolFor(t, { nativeBcrypt: bcrypt, workers: 8, argon2MemoryMib: 64 })
  const secret = Secret.fromText('test')
  t.same(pool.verify(argon2(64 * 1024 + 8), secret, ticketOf()), {
    unusable: 'ARGON2 memory over password.argon2_memory_mib',
  })
  const large = argon2(40 * 1024)
  const answers = [large, large, argon2(8 * 1024), large].map((hash) => pool.verify(hash, secret, ticketOf()))
  t.match(pool.figures(), { running: 1, queued: { known: 3 }, argon2MemoryKib: 40 * 1024 })
  answers.push(pool.verify(BCRYPT, secret, ticketOf()))
  t.match(
    pool.figures(),
    { running: 2, queued: { known: 3 } },
    'the small one does not overtake the large one that waits',
  )
  await settle()
  await bcrypt.endOne()
  t.same(await all(answers), ['mismatch', 'mismatch', 'mismatch', 'mismatch', 'match'])
  t.match(pool.figures(), { running: 0, queued: { known: 0 }, argon2MemoryKib: 0 })
})

t.test('a thread that ends, throws or hangs answers busy, and the pool goes on', async (t) => {
  const clock = new FakeClock()
  const pool = poolFor(t, { threadScript: FAULTY, workers: 2, clock })
  const verify = (text: string): HashAnswer | Promise<HashAnswer> =>
    pool.verify(MD5_CRYPT, Secret.fromText(text), ticketOf())
  t.equal(await verify('good'), 'match')
  t.equal(await verify('exits'), 'busy')
  t.equal(await verify('good'), 'match')
  t.equal(await verify('throws'), 'busy')
  const hanging = verify('hangs')
  t.equal(await verify('good'), 'match', 'beside one that hangs')
  await clock.advance(61_000)
  t.equal(await hanging, 'busy')
  t.equal(await verify('good'), 'match')
  t.match(pool.figures(), { running: 0, done: 4, failed: 3 })
})

t.test('more faults than threads leave none behind', async (t) => {
  const pool = poolFor(t, { threadScript: FAULTY, workers: 2 })
  const texts = ['exits', 'throws', 'good', 'exits', 'exits', 'good', 'throws', 'good']
  const answers = await Promise.all(
    texts.map(async (text) => pool.verify(MD5_CRYPT, Secret.fromText(text), ticketOf())),
  )
  t.same(answers, ['busy', 'busy', 'match', 'busy', 'busy', 'match', 'busy', 'match'])
  t.ok(pool.figures().threads <= 2)
})

t.test('without a native build bcryptjs compares, in a thread', async (t) => {
  const pool = poolFor(t, { nativeBcrypt: null })
  t.equal(await ask(pool, BCRYPT, 'test'), 'match')
  t.equal(await ask(pool, BCRYPT, 'wrong'), 'mismatch')
  t.equal(pool.figures().threads, 1)
})

t.test('threads start when needed and end when idle', async (t) => {
  const clock = new FakeClock()
  const pool = poolFor(t, { workers: 2, clock, threadIdleMs: 1000 })
  t.equal(pool.figures().threads, 0)
  const verify = (): HashAnswer | Promise<HashAnswer> =>
    pool.verify(MD5_CRYPT, Secret.fromText('test'), ticketOf())
  t.equal(await verify(), 'match')
  t.equal(await verify(), 'match')
  t.equal(pool.figures().threads, 1, 'used again')
  await clock.advance(999)
  t.equal(pool.figures().threads, 1)
  await clock.advance(1)
  t.equal(pool.figures().threads, 0)
  t.equal(await verify(), 'match', 'and start again')
})

t.test('the caller may wipe its secret meanwhile, and the copies are wiped afterwards', async (t) => {
  const bcrypt = new HeldBcrypt()
  const pool = poolFor(t, { nativeBcrypt: bcrypt, workers: 1 })
  const secret = Secret.fromText('test')
  const first = pool.verify(BCRYPT, secret, ticketOf())
  const second = pool.verify(BCRYPT, secret, ticketOf())
  secret.wipe()
  await settle()
  await bcrypt.endOne()
  await bcrypt.endOne()
  t.same([await first, await second], ['match', 'match'])
  t.same(bcrypt.started, ['test', 'test'])
  for (const buffer of bcrypt.buffers) t.same(Buffer.from(buffer), Buffer.alloc(4))
})

t.test('closing answers what waits or runs in a thread, and ends the threads', async (t) => {
  const bcrypt = new HeldBcrypt()
  const pool: PasswordPool = poolFor(t, { nativeBcrypt: bcrypt, threadScript: FAULTY, workers: 2 })
  const inThread = pool.verify(MD5_CRYPT, Secret.fromText('hangs'), ticketOf())
  const native = pool.verify(BCRYPT, Secret.fromText('a'), ticketOf())
  const waiting = pool.verify(BCRYPT, Secret.fromText('b'), ticketOf({ deadlineMs: Number.MAX_SAFE_INTEGER }))
  await until(() => bcrypt.started.length === 1)
  await pool.close()
  t.equal(await waiting, 'busy')
  t.equal(await inThread, 'busy')
  await bcrypt.endOne()
  t.equal(await native, 'match')
  t.equal(pool.figures().threads, 0)
  t.equal(pool.verify(BCRYPT, Secret.fromText('c'), ticketOf()), 'busy')
  t.equal(pool.verify('{PLAIN}c', Secret.fromText('c'), ticketOf()), 'match')
})

t.test('a ticket says how many comparisons were begun', async (t) => {
  const bcrypt = new HeldBcrypt()
  const pool = poolFor(t, { nativeBcrypt: bcrypt, workers: 1 })
  const asked = () => ticketOf({ deadlineMs: Number.MAX_SAFE_INTEGER, attempt: { comparisons: 0 } })
  const [plain, first, second] = [asked(), asked(), asked()]
  t.equal(pool.verify('{PLAIN}c', Secret.fromText('x'), plain), 'mismatch')
  const running = pool.verify(BCRYPT, Secret.fromText('a'), first)
  const waiting = pool.verify(BCRYPT, Secret.fromText('b'), second)
  await until(() => bcrypt.started.length === 1)
  await pool.close()
  await bcrypt.endOne()
  t.same(await all([running, waiting]), ['match', 'busy'])
  t.same(
    [plain, first, second].map((ticket) => ticket.attempt?.comparisons),
    [1, 1, 0],
  )
})

t.test('closing lets others run while thousands are answered', async (t) => {
  const pool = poolFor(t, { nativeBcrypt: new HeldBcrypt(), workers: 1 })
  let answered = 0
  const jobs = Array.from({ length: 2000 }, (_, index) =>
    Promise.resolve(
      pool.verify(
        BCRYPT,
        Secret.fromText(`${index}`),
        ticketOf({ networks: [`n${index}`], deadlineMs: Number.MAX_SAFE_INTEGER }),
      ),
    ).then(() => (answered += 1)),
  )
  await settle()
  let meanwhile = 0
  setImmediate(() => (meanwhile = answered))
  await pool.close()
  t.equal(pool.figures().queued.known, 0)
  t.ok(meanwhile < 1000, `${meanwhile} of ${jobs.length} were answered before anybody else had a turn`)
})
