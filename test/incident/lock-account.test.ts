/** What an operator is told of the sessions that a lock ends. */
import t from 'tap'
import type { Locked, Locks } from '../../src/incident/incident.ts'
import { createIncidents } from '../../src/incident/lock-account.ts'
import type { OutboxState } from '../../src/outbox/outbox.ts'
import { FakeClock, settle } from '../fakes/clock.ts'

const JANE = { local: 'jane', domain: 'example.org', full: 'jane@example.org' }
const TERMS = { untilMs: undefined, reason: undefined }

function rig(ending: Locked['ending']) {
  const clock = new FakeClock()
  const state = {
    address: JANE.full,
    mailbox: 'present' as const,
    lock: undefined,
    isLocked: true,
    use: undefined,
  }
  const locks: Locks = {
    lock: async () => ({ ...state, ending }),
    unlock: async () => ({ ...state, before: undefined }),
    show: async () => state,
  }
  let left: OutboxState[] = ending.map(({ id, dovecot }) => ({
    id,
    consumer: `dovecot:${dovecot}`,
    tries: 0,
    lastError: '',
  }))
  let drained = 0
  const changed: string[] = []
  const incidents = createIncidents({
    locks,
    outbox: { lookup: async (ids) => left.filter(({ id }) => ids.includes(id)) },
    drain: () => void (drained += 1),
    changed: (address) => void changed.push(`${address}, drained ${drained}`),
    clock,
  })
  return {
    clock,
    incidents,
    drained: () => drained,
    changed,
    done: (done: number) => void (left = left.filter(({ id }) => id !== done)),
    failed: (failed: number) =>
      void (left = left.map((row) => (row.id === failed ? { ...row, tries: 1, lastError: 'refused' } : row))),
  }
}

t.test('it counts here at once, before sessions end', async (t) => {
  const { incidents, changed, done, clock } = rig([{ dovecot: 'a', id: 1 }])
  const locking = incidents.lock(JANE, TERMS)
  await clock.advance(100)
  t.same(changed, [`${JANE.full}, drained 0`])
  done(1)
  await clock.advance(200)
  await locking
  await incidents.unlock(JANE)
  t.same(changed, [`${JANE.full}, drained 0`, `${JANE.full}, drained 1`])
})

t.test('it is waited for until each Dovecot has answered, one way or the other', async (t) => {
  const { clock, incidents, drained, done, failed } = rig([
    { dovecot: 'a', id: 1 },
    { dovecot: 'b', id: 2 },
  ])
  const locking = incidents.lock(JANE, TERMS)
  await clock.advance(200)
  t.equal(drained(), 1)
  done(1)
  await clock.advance(200)
  failed(2)
  await clock.advance(100)
  t.same((await locking).sessions, [
    { dovecot: 'a', ended: true, error: undefined },
    { dovecot: 'b', ended: false, error: 'refused' },
  ])
})

t.test('but not for ever, and not at all where there is no Dovecot', async (t) => {
  const { clock, incidents } = rig([{ dovecot: 'a', id: 1 }])
  const locking = incidents.lock(JANE, TERMS)
  await clock.advance(5000)
  t.same((await locking).sessions, [{ dovecot: 'a', ended: false, error: undefined }])
  const none = rig([])
  t.same((await none.incidents.lock(JANE, TERMS)).sessions, [])
  t.equal(none.drained(), 0)
  await settle()
})
