/** What is told of the outbox: how much waits, whether it is stuck, and what nobody does any more. */
import t from 'tap'
import { isStuck, watchOutbox } from '../../src/outbox/figures.ts'
import type { OutboxPending } from '../../src/outbox/outbox.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { FakeClock, settle } from '../fakes/clock.ts'

const HOUR_MS = 3_600_000

t.test('stuck is what waits for longer than five minutes', async (t) => {
  const waiting = (oldestMs: number) => [{ consumer: 'redis', count: 1, oldestMs }]
  t.notOk(isStuck([], 0))
  t.notOk(isStuck(waiting(0), 5 * 60_000))
  t.ok(isStuck([...waiting(10 * 60_000), ...waiting(0)], 5 * 60_000 + 1))
})

t.test('looks now and then; an outage leaves what was known; the abandoned is forgotten', async (t) => {
  const clock = new FakeClock()
  let now: OutboxPending[] | undefined = [{ consumer: 'dovecot:gone', count: 2, oldestMs: 1 }]
  const forgotten: (readonly [string, number])[] = []
  const said: object[] = []
  const figures = watchOutbox(
    {
      async pending() {
        if (now === undefined) throw new Error('down')
        return now
      },
      async forget(consumer, beforeMs) {
        forgotten.push([consumer, clock.nowMs() - beforeMs])
        return 2
      },
    },
    (consumer) => consumer === 'dovecot:gone',
    { clock, logger: { ...silentLogger, error: (fields) => void said.push(fields) } },
  )
  await settle()
  t.match(figures.latest(), [{ count: 2 }])
  t.same(forgotten, [['dovecot:gone', HOUR_MS]])
  t.same(said, [{ consumer: 'dovecot:gone', rows: 2 }])
  now = [{ consumer: 'redis', count: 7, oldestMs: 1 }]
  await clock.advance(15_000)
  now = undefined
  await clock.advance(15_000)
  t.match(figures.latest(), [{ consumer: 'redis', count: 7 }])
  figures.close()
  t.equal(clock.pendingTimers, 0)
  t.equal(forgotten.length, 1)
})

t.test('metrics: a value for each consumer, gone when nothing waits', async (t) => {
  const metrics = createMetrics({ version: '0.0.0' })
  t.teardown(() => metrics.close())
  let waiting = [{ consumer: 'dovecot:mx1', count: 3, oldestSeconds: 12.5 }]
  metrics.watch({ outbox: () => waiting })
  const text = await metrics.text()
  t.match(text, 'mailpassd_outbox_pending{consumer="dovecot:mx1"} 3\n')
  t.match(text, 'mailpassd_outbox_oldest_seconds{consumer="dovecot:mx1"} 12.5\n')
  waiting = []
  t.notMatch(await metrics.text(), 'consumer="dovecot:mx1"')
})
