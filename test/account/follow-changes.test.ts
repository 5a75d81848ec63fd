import t from 'tap'
import type { AccountEvent } from '../../src/account/accounts.ts'
import { followChanges, type ChangeRow, type ChangeSource } from '../../src/account/follow-changes.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeClock, settle } from '../fakes/clock.ts'

class FakeChanges implements ChangeSource {
  rows: ChangeRow[] = [{ id: 7, address: 'old@example.org', kind: 'mailbox' }]
  isDown = false
  pruned = 0

  async lastChangeId(): Promise<number> {
    if (this.isDown) throw new MailpassdError('store_unavailable', 'down')
    return this.rows.at(-1)?.id ?? 0
  }

  async readChanges(afterId: number): Promise<readonly ChangeRow[]> {
    if (this.isDown) throw new MailpassdError('store_unavailable', 'down')
    return this.rows.filter((row) => row.id > afterId).slice(0, 1000)
  }

  async pruneChanges(): Promise<number> {
    this.pruned += 1
    return 0
  }
}

function follower(source: FakeChanges) {
  const clock = new FakeClock()
  const events: AccountEvent[] = []
  const following = followChanges({
    source,
    changed: (event) => events.push(event),
    clock,
    logger: silentLogger,
  })
  return { clock, events, stop: () => following.stop() }
}

t.test('starts at the end of the table, then tells each change once', async (t) => {
  const source = new FakeChanges()
  const { clock, events, stop } = follower(source)
  await settle()
  t.same(events, [{ kind: 'everything' }])
  source.rows.push(
    { id: 9, address: 'jane@example.org', kind: 'mailbox' },
    { id: 10, address: 'example.org', kind: 'domain' },
  )
  await clock.advance(1000)
  await clock.advance(3000)
  t.same(events.slice(1), [{ kind: 'mailbox', address: 'jane@example.org' }, { kind: 'domain' }])
  stop()
  source.rows.push({ id: 11, address: 'late@example.org', kind: 'mailbox' })
  await clock.advance(5000)
  t.equal(events.length, 3, 'stopped')
})

t.test('what comes behind thousands of others counts as soon', async (t) => {
  const source = new FakeChanges()
  const { clock, events, stop } = follower(source)
  await settle()
  for (let id = 8; id < 4008; id += 1) source.rows.push({ id, address: 'x@example.org', kind: 'mailbox' })
  source.rows.push({ id: 4008, address: 'locked@example.org', kind: 'mailbox' })
  await clock.advance(1000)
  t.match(events.at(-1), { address: 'locked@example.org' })
  t.equal(events.length, 1 + 4001)
  stop()
})

t.test('many changes of domains at once empty the memory once', async (t) => {
  const source = new FakeChanges()
  const { clock, events, stop } = follower(source)
  await settle()
  for (let id = 10; id < 1000; id += 1)
    source.rows.push({ id, address: `d${id}.example.org`, kind: 'domain' })
  await clock.advance(1000)
  t.same(events.slice(1), [{ kind: 'domain' }])
  stop()
})

t.test('a table that cannot be read is read again, and nothing is passed over', async (t) => {
  const source = new FakeChanges()
  source.isDown = true
  const { clock, events, stop } = follower(source)
  await clock.advance(3000)
  t.same(events, [])
  source.isDown = false
  await clock.advance(1000)
  t.same(events, [{ kind: 'everything' }])
  source.isDown = true
  source.rows.push({ id: 8, address: 'a@example.org', kind: 'mailbox' })
  await clock.advance(3000)
  source.isDown = false
  await clock.advance(1000)
  t.same(events.at(-1), { kind: 'mailbox', address: 'a@example.org' })
  await clock.advance(11 * 60 * 1000)
  t.equal(source.pruned, 1)
  stop()
})
