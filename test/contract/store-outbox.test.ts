/** The outbox on every database: rows are taken by one process at a time, and by another when that one is gone. */
import type { Test } from 'tap'
import { parseAddress } from '../../src/login/address.ts'
import type { OutboxEntry, OutboxRow } from '../../src/outbox/outbox.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { suite } from '../servers/suite.ts'
import { NOW_MS, stoppedClock, SUBJECTS, type Subject } from './store-subjects.ts'

const JANE = 'jane@example.org'
const LEASE_MS = 30_000

function entry(more: Partial<OutboxEntry> = {}): OutboxEntry {
  return {
    consumer: 'dovecot:a',
    action: 'end_sessions',
    address: JANE,
    body: { cause: 'lock' },
    dueMs: NOW_MS,
    ...more,
  }
}

async function contract(subject: Subject, t: Test): Promise<void> {
  t.test('rows come when they are due, to their consumer, and go when they are done', async (t) => {
    const store = await (await subject.place(t)).open()
    const first = await store.outbox.add(entry({ body: { cause: 'lock', 'naïve "quotes"': [1, null] } }))
    await store.outbox.add(entry({ dueMs: NOW_MS + 1 }))
    await store.outbox.add(entry({ consumer: 'redis' }))
    t.same(await store.outbox.pending(), [
      { consumer: 'dovecot:a', count: 2, oldestMs: NOW_MS },
      { consumer: 'redis', count: 1, oldestMs: NOW_MS },
    ])
    const claimed = await store.outbox.claim('dovecot:a', 10, LEASE_MS)
    t.same(claimed, [
      {
        id: first,
        consumer: 'dovecot:a',
        action: 'end_sessions',
        address: JANE,
        body: { cause: 'lock', 'naïve "quotes"': [1, null] },
        createdMs: NOW_MS,
        tries: 1,
        leaseUntilMs: NOW_MS + LEASE_MS,
      },
    ])
    t.same(await store.outbox.claim('dovecot:a', 10, LEASE_MS), [], 'leased')
    for (const row of claimed) await store.outbox.done(row)
    t.same(await store.outbox.lookup([first]), [])
    t.equal((await store.outbox.claim('redis', 10, LEASE_MS)).length, 1)
  })

  t.test('a row that failed waits; whoever lost its lease changes nothing any more', async (t) => {
    const place = await subject.place(t)
    const store = await place.open()
    const id = await store.outbox.add(entry())
    const [slow] = await store.outbox.claim('dovecot:a', 1, LEASE_MS)
    if (slow === undefined) throw new Error('nothing was claimed')
    const later = await place.open({ ...stoppedClock, nowMs: () => NOW_MS + LEASE_MS })
    const [taken] = await later.outbox.claim('dovecot:a', 1, LEASE_MS)
    t.match(taken, { id, tries: 2, leaseUntilMs: NOW_MS + 2 * LEASE_MS })
    await store.outbox.postpone(slow, 'too late', NOW_MS)
    t.match(await store.outbox.lookup([id]), [{ tries: 2, lastError: '' }])
    t.same(await later.outbox.claim('dovecot:a', 1, LEASE_MS), [], 'still leased')
    if (taken !== undefined) await later.outbox.postpone(taken, `\u{1f600}${'x'.repeat(1000)}`, NOW_MS + 1)
    const [state] = await store.outbox.lookup([id])
    t.match(state?.lastError, /^\u{1f600}x+$/u)
    t.same(await store.outbox.claim('dovecot:a', 1, LEASE_MS), [], 'not due')
    t.match(await later.outbox.claim('dovecot:a', 1, LEASE_MS), [{ id, tries: 3 }])
  })

  t.test('of the rate limits of a mailbox only the last is written, whatever waits or runs', async (t) => {
    const place = await subject.place(t)
    const beside = { sogo: false, redis: true, memcached: false }
    const open = async (clock = stoppedClock) => {
      const store = await openStore(place.options, { clock, logger: silentLogger, beside })
      t.teardown(() => store.close())
      return store
    }
    const store = await open()
    const limit = async (messages: number, text = JANE) => {
      const address = parseAddress(text)
      if (address === undefined) throw new Error(text)
      const change = { kind: 'set_rate_limit', limit: { messages, frame: 'h' } } as const
      await store.mailboxes.apply(address, () => ({ kind: 'changes', changes: [change] }))
    }
    const bodies = (rows: readonly OutboxRow[]) => rows.map(({ address, body }) => [address, body])
    await limit(1)
    await limit(2, 'joe@example.org')
    await limit(3)
    const claimed = await store.outbox.claim('redis', 10, LEASE_MS)
    t.same(bodies(claimed), [
      ['joe@example.org', { value: '2 / 1h' }],
      [JANE, { value: '3 / 1h' }],
    ])
    // Somebody is writing 3 now, and may do so late: 4 comes after that.
    await limit(4)
    t.same(await store.outbox.claim('redis', 10, LEASE_MS), [])
    for (const row of claimed) await store.outbox.postpone(row, 'Redis was away', NOW_MS)
    t.same(bodies(await store.outbox.claim('redis', 10, LEASE_MS)), [
      ['joe@example.org', { value: '2 / 1h' }],
    ])
    const later = await open({ ...stoppedClock, nowMs: () => NOW_MS + LEASE_MS - 1 })
    t.same(await later.outbox.claim('redis', 10, LEASE_MS), [])
    const afterLease = await open({ ...stoppedClock, nowMs: () => NOW_MS + LEASE_MS })
    t.same(bodies(await afterLease.outbox.claim('redis', 10, LEASE_MS)), [
      ['joe@example.org', { value: '2 / 1h' }],
      [JANE, { value: '4 / 1h' }],
    ])
  })

  t.test('what nobody does any more is forgotten when it is old', async (t) => {
    const store = await (await subject.place(t)).open()
    await store.outbox.add(entry())
    await store.outbox.add(entry({ consumer: 'redis' }))
    t.equal(await store.outbox.forget('dovecot:a', NOW_MS), 0, 'not so old')
    t.equal(await store.outbox.forget('dovecot:a', NOW_MS + 1), 1)
    t.match(await store.outbox.pending(), [{ consumer: 'redis' }])
  })

  t.test('many nodes at once: each row is claimed once', async (t) => {
    const place = await subject.place(t)
    const nodes = await Promise.all(Array.from({ length: 4 }, () => place.open()))
    const [writer] = nodes
    if (writer === undefined) throw new Error('no node')
    const ids: number[] = []
    for (let row = 0; row < 40; row++) ids.push(await writer.outbox.add(entry()))
    const claimed: number[] = []
    while (claimed.length < ids.length) {
      const before = claimed.length
      const found = await Promise.all(nodes.map((node) => node.outbox.claim('dovecot:a', 10, LEASE_MS)))
      claimed.push(...found.flat().map(({ id }) => id))
      if (claimed.length === before) break
    }
    t.same(
      claimed.sort((a, b) => a - b),
      ids,
    )
  })
}

for (const subject of SUBJECTS) {
  suite(`outbox: ${subject.name}`, [subject.missing], (t) => contract(subject, t))
}
