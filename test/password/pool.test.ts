/** The pool: off the thread, bounded in number, memory and time, and whole after a crash. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { makeHash } from '../../src/password/make.ts'
import { Secret } from '../../src/secret.ts'
import { FakeClock } from '../fakes/clock.ts'
import { ask, PATIENT, poolFor } from './pools.ts'

const MD5_CRYPT = '{MD5-CRYPT}$1$salt$qJH7.N4xYta3aEG/dfqo/0'
const BCRYPT = await makeHash('BLF-CRYPT', Secret.fromText('password'))
const argon2 = (kib: number) => `{ARGON2ID}$argon2id$v=19$m=${kib},t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA`

t.test('slow schemes answer later, digests at once', async (t) => {
  const pool = poolFor(t)
  const verify = (hash: string) => pool.verify(hash, Secret.fromText('password'), PATIENT)
  for (const hash of [
    BCRYPT,
    MD5_CRYPT,
    argon2(64),
    `{PBKDF2}$1$salt$10$${'a'.repeat(40)}`,
    '{CRYPT}rl0uE0e2WKB0.',
  ]) {
    const answer = verify(hash)
    t.ok(answer instanceof Promise, hash.slice(0, 14))
    await answer
  }
  t.equal(verify('{PLAIN}password'), 'match')
})

t.test('no more run at a time than workers, and all are answered', async (t) => {
  const pool = poolFor(t, { workers: 2 })
  const answers = Array.from({ length: 20 }, (_, i) => ask(pool, BCRYPT, i % 2 === 0 ? 'password' : 'wrong'))
  t.ok(pool.figures().running <= 2)
  t.equal(pool.figures().running + pool.figures().queued, 20)
  t.same(
    await Promise.all(answers),
    Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 'match' : 'mismatch')),
  )
  t.match(pool.figures(), { running: 0, queued: 0, done: 20 })
})

t.test(
  'a queue that is full, or a deadline that passes while waiting, is busy: not a mismatch',
  async (t) => {
    const clock = new FakeClock()
    const pool = poolFor(t, { workers: 1, clock, maxQueuedPerLane: 8 })
    const ticket = { ...PATIENT, deadlineMs: clock.monotonicMs() + 5000 }
    const first = ask(pool, BCRYPT, 'password', ticket)
    const waiting = [ask(pool, BCRYPT, 'password', ticket), ask(pool, BCRYPT, 'password', ticket)]
    t.equal(await ask(pool, BCRYPT, 'password', ticket), 'busy', 'a share has a quarter of the places')
    await clock.advance(5001)
    t.same(await Promise.all(waiting), ['busy', 'busy'])
    t.equal(await first, 'match', 'what runs is finished')
    t.equal(await ask(pool, BCRYPT, 'password', { ...ticket, deadlineMs: clock.monotonicMs() }), 'busy')
  },
)

t.test('argon2 stays within its memory; what can never fit is unusable', async (t) => {
  const pool = poolFor(t, { workers: 8, argon2MemoryMib: 64 })
  const answers = Array.from({ length: 6 }, () => ask(pool, argon2(30 * 1024), 'password'))
  t.ok(pool.figures().argon2MemoryKib <= 64 * 1024, 'two at a time')
  t.equal(pool.figures().running, 2)
  t.same(new Set(await Promise.all(answers)), new Set(['mismatch']))
  t.match(await ask(pool, argon2(65 * 1024), 'password'), { unusable: /argon2_memory_mib/ })
  t.equal(pool.figures().argon2MemoryKib, 0)
})

t.test('a thread that crashes answers busy, and the pool goes on', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-worker-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const script = join(dir, 'crash.mjs')
  await writeFile(
    script,
    "import { parentPort } from 'node:worker_threads'\nparentPort.on('message', () => { throw new Error('crash') })\n",
  )
  const pool = poolFor(t, { threadScript: pathToFileURL(script) })
  t.equal(await ask(pool, MD5_CRYPT, 'password'), 'busy')
  t.equal(await ask(pool, MD5_CRYPT, 'password'), 'busy')
  t.equal(await ask(pool, BCRYPT, 'password'), 'match', 'others are not harmed')
  t.match(pool.figures(), { failed: 2, running: 0 })
})

t.test('without a native build bcryptjs compares, in a thread', async (t) => {
  const pool = poolFor(t, { nativeBcrypt: null })
  t.equal(await ask(pool, BCRYPT, 'password'), 'match')
  t.equal(await ask(pool, BCRYPT, 'wrong'), 'mismatch')
  t.equal(pool.figures().threads, 1)
})

t.test('the caller may wipe its secret at once; close answers what waits', async (t) => {
  const pool = poolFor(t, { workers: 1 })
  const secret = Secret.fromText('password')
  const answer = pool.verify(BCRYPT, secret, PATIENT)
  secret.wipe()
  t.equal(await answer, 'match')
  const waiting = Array.from({ length: 3 }, () => ask(pool, MD5_CRYPT, 'password'))
  await pool.close()
  t.same(await Promise.all(waiting), ['busy', 'busy', 'busy'])
  t.equal(await ask(pool, MD5_CRYPT, 'password'), 'busy')
})
