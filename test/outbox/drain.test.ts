/** The drain loop over an outbox in memory, with a clock that the test moves. */
import t from 'tap'
import { MailpassdError } from '../../src/errors.ts'
import { drainOnce, startDrain } from '../../src/outbox/drain.ts'
import type { Consume } from '../../src/outbox/run-row.ts'
import { FakeClock, settle } from '../fakes/clock.ts'
import { FakeOutbox } from '../fakes/outbox.ts'
import { silentLogger, type Logger } from '../../src/telemetry/logger.ts'

function rig(consume: Consume, limits: { readonly atOnce?: number } = {}) {
  const clock = new FakeClock()
  const outbox = new FakeOutbox(clock)
  const said: string[] = []
  const say = (_fields: object, text: string) => void said.push(text)
  const logger: Logger = { ...silentLogger, info: say, warn: say, error: say }
  const options = { consumer: 'dovecot:a', consume, source: outbox, clock, logger, limits }
  return { clock, outbox, said, options }
}

t.test('does what is due, oldest first, and only its own', async (t) => {
  const done: string[] = []
  const { clock, outbox, said, options } = rig(async (row) => {
    done.push(row.address)
    return 'done'
  })
  outbox.add('dovecot:a', 'first')
  outbox.add('dovecot:b', 'of another')
  outbox.add('dovecot:a', 'later', 12_000)
  outbox.add('dovecot:a', 'second')
  const drain = startDrain(options)
  await settle()
  t.same(done, ['first', 'second'])
  await clock.advance(20_000)
  t.same(done, ['first', 'second', 'later'])
  t.same(
    outbox.rows.map(({ address }) => address),
    ['of another'],
  )
  t.same(said, [])
  await drain.close()
})

t.test('wake looks at once, also while it looks, and not after the end', async (t) => {
  const done: string[] = []
  const { clock, outbox, options } = rig(async (row) => {
    done.push(row.address)
    return 'moot'
  })
  const drain = startDrain(options)
  await settle()
  outbox.add('dovecot:a', 'one')
  drain.wake()
  outbox.add('dovecot:a', 'two')
  drain.wake()
  await settle()
  t.same(done, ['one', 'two'])
  await drain.close()
  outbox.add('dovecot:a', 'three')
  drain.wake()
  await clock.advance(60_000)
  t.equal(outbox.rows.length, 1)
  t.equal(clock.pendingTimers, 0)
})

t.test(
  'waits twice as long after each failure, half a minute at most, and gives up after an hour',
  async (t) => {
    const tried: number[] = []
    const { clock, outbox, said, options } = rig(async () => {
      tried.push(clock.nowMs() - startMs)
      throw new MailpassdError('consumer_failed', 'connection refused')
    })
    const startMs = clock.nowMs()
    outbox.add('dovecot:a', 'jane@example.org')
    const drain = startDrain(options)
    await clock.advance(63_000)
    t.same(tried, [0, 1000, 3000, 7000, 15_000, 31_000, 61_000])
    t.same(outbox.rows[0]?.lastError, 'connection refused')
    t.same(said, ['outbox: failed, it is tried again'])
    await clock.advance(3_600_000)
    t.equal(outbox.rows.length, 0)
    t.equal(said.at(-1), 'outbox: given up, it failed for too long')
    await drain.close()
  },
)

t.test('what is older than an hour is tried once before it is given up', async (t) => {
  let isUp = true
  const { clock, outbox, options } = rig(async () => {
    if (isUp) return 'done'
    throw new MailpassdError('consumer_failed', 'down')
  })
  outbox.add('dovecot:a', 'jane@example.org')
  outbox.add('dovecot:a', 'joe@example.org', 1)
  await clock.advance(4_000_000)
  await drainOnce({ ...options, limits: { atOnce: 1 } })
  t.same(
    outbox.rows.map(({ address }) => address),
    ['joe@example.org'],
  )
  isUp = false
  await drainOnce(options)
  t.same(outbox.rows, [])
})

t.test('a consumer that never answers is left, its row tried again, and others are not kept', async (t) => {
  const aborted: boolean[] = []
  const { clock, outbox, options } = rig(
    (row, signal) => {
      if (row.address !== 'stuck' || row.tries > 1) return Promise.resolve('done')
      signal.addEventListener('abort', () => aborted.push(true))
      return new Promise(() => {})
    },
    { atOnce: 2 },
  )
  for (const address of ['stuck', 'b', 'c', 'd']) outbox.add('dovecot:a', address)
  const drain = startDrain(options)
  await settle()
  await settle()
  t.same(
    outbox.rows.map(({ address }) => address),
    ['stuck'],
  )
  await clock.advance(10_000)
  t.same(aborted, [true])
  t.match(outbox.rows[0]?.lastError, 'not done within 10 s')
  await clock.advance(1000)
  t.same(outbox.rows, [])
  await drain.close()
})

t.test(
  'of two nodes one does a row; the rows of one that died are done when its lease has ended',
  async (t) => {
    const done: string[] = []
    const { clock, outbox, options } = rig(async (row) => {
      done.push(row.address)
      return 'done'
    })
    outbox.add('dovecot:a', 'taken by the dead')
    await outbox.claim('dovecot:a', 10, 30_000)
    outbox.add('dovecot:a', 'free')
    const drains = [startDrain(options), startDrain(options)]
    await clock.advance(29_000)
    t.same(done, ['free'])
    await clock.advance(6000)
    t.same(done, ['free', 'taken by the dead'])
    await Promise.all(drains.map((drain) => drain.close()))
  },
)

t.test('a store that is down is said once, and work goes on afterwards', async (t) => {
  const { clock, outbox, said, options } = rig(async () => 'done')
  outbox.isDown = true
  outbox.add('dovecot:a', 'jane@example.org')
  const drain = startDrain(options)
  await clock.advance(20_000)
  t.same(said, ['the outbox cannot be read'])
  outbox.isDown = false
  await clock.advance(5000)
  t.same(outbox.rows, [])
  t.equal(said.at(-1), 'the outbox is read again')
  await drain.close()
})

t.test('work that is done but cannot be crossed off is done again', async (t) => {
  let runs = 0
  const { clock, outbox, said, options } = rig(async () => {
    runs += 1
    outbox.isDown = runs === 1
    return 'done'
  })
  outbox.add('dovecot:a', 'jane@example.org')
  const drain = startDrain(options)
  await settle()
  t.match(said, ['the outbox cannot be written'])
  outbox.isDown = false
  await clock.advance(40_000)
  t.equal(runs, 2)
  t.same(outbox.rows, [])
  await drain.close()
})

t.test('while all fail one round is tried at a time, and at full speed again afterwards', async (t) => {
  let isUp = false
  let runs = 0
  const { clock, outbox, options } = rig(async () => {
    runs += 1
    if (isUp) return 'done'
    throw new MailpassdError('consumer_failed', 'connection refused')
  })
  for (let row = 0; row < 1000; row++) outbox.add('dovecot:a', `m${row}`)
  const drain = startDrain(options)
  await clock.advance(50_000)
  t.ok(runs >= 8 && runs <= 8 * 11, `a round each 5 s, not ${runs} tries`)
  drain.wake()
  await settle()
  t.ok(runs <= 8 * 11, 'also where others write')
  isUp = true
  await clock.advance(40_000)
  t.same(outbox.rows, [])
  await drain.close()
})

t.test('stopping waits 2 s for what runs; what hangs is due again', async (t) => {
  const aborted: unknown[] = []
  let finish = () => {}
  const { clock, outbox, options } = rig((row, signal) => {
    signal.addEventListener('abort', () => aborted.push(row.address))
    if (row.address === 'hangs') return new Promise(() => {})
    return new Promise((resolve) => {
      finish = () => resolve('done')
    })
  })
  outbox.add('dovecot:a', 'hangs')
  outbox.add('dovecot:a', 'slow')
  const drain = startDrain(options)
  await settle()
  let isClosed = false
  const closing = drain.close().then(() => (isClosed = true))
  await clock.advance(1000)
  finish()
  await clock.advance(900)
  t.notOk(isClosed)
  await clock.advance(100)
  await closing
  t.same(aborted, ['hangs'])
  t.match(outbox.rows, [
    { address: 'hangs', leaseUntilMs: 0, lastError: 'not done when mailpassd was stopped' },
  ])
  t.equal(clock.pendingTimers, 0)
})
