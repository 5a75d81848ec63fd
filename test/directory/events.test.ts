/** Reading events: what is told counts once and soon, and what may have been missed makes everything old. */
import t from 'tap'
import type { EventEffect } from '../../src/directory/events.ts'
import { startEvents } from '../../src/directory/events.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeFeed } from '../fakes/change-feed.ts'
import { FakeClock, settle } from '../fakes/clock.ts'

const EVERY_MS = 2000
const HOUR_MS = 3_600_000

interface Wish {
  readonly feed?: FakeFeed
  readonly stored?: number
  readonly storeFails?: boolean
}

function reading({ feed = new FakeFeed(), stored, storeFails = false }: Wish = {}) {
  const clock = new FakeClock()
  const effects: EventEffect[] = []
  const looked: string[][] = []
  const many: boolean[] = []
  const saved: number[] = []
  let oldestMs: number | undefined
  let profile: object = { emailSelfChosen: false }
  const events = startEvents({
    feed,
    profile: () => Promise.resolve(profile),
    changed: (event) => effects.push(event),
    looks: {
      add(users, { onlyDepartures }) {
        if (users.length === 0) return
        looked.push(users.map(({ id }) => id))
        many.push(onlyDepartures)
      },
      oldestMs: () => oldestMs,
      pending: () => 0,
      stop: async () => {},
    },
    position: {
      async load() {
        if (storeFails) throw new MailpassdError('store_unavailable', 'told by the test')
        return stored
      },
      async save(atMs) {
        saved.push(atMs)
      },
    },
    everyMs: EVERY_MS,
    clock,
    logger: silentLogger,
  })
  return {
    feed,
    clock,
    events,
    effects,
    looked,
    many,
    saved,
    setProfile: (next: object) => (profile = next),
    setOldest: (atMs: number) => (oldestMs = atMs),
    /** Both clocks go on. */
    pass: async (ms: number): Promise<void> => {
      feed.serverMs += ms
      await clock.advance(ms)
    },
    /** What was done since the last call. */
    take: () => effects.splice(0),
  }
}

async function started(wish: Wish = {}) {
  const rig = reading(wish)
  await settle()
  rig.take()
  return rig
}

t.test('a change counts at the next reading, once, and its user is looked up again', async (t) => {
  const { feed, pass, take, looked, events, clock } = await started()
  feed.tellUser('joe')
  feed.tell({ kind: 'user', id: 'ann', entire: false })
  await pass(EVERY_MS)
  t.same(take(), [
    { kind: 'directory_user', id: 'joe' },
    { kind: 'directory_user', id: 'ann' },
  ])
  t.same(looked, [['joe']], 'a part of a user (a group) changes neither address nor enabled')
  t.ok(events.onTime(clock.monotonicMs()))
  for (let polls = 0; polls < 100; polls++) await pass(EVERY_MS)
  t.same(take(), [], 'windows overlap; what was told counts once')
  t.equal(events.state().changes, 2)
})

t.test('several events of one user in a window are one change', async (t) => {
  const { feed, pass, take, looked } = await started()
  for (let count = 0; count < 5; count++) feed.tellUser('joe', feed.serverMs + count)
  await pass(EVERY_MS)
  t.same(take(), [{ kind: 'directory_user', id: 'joe' }])
  t.same(looked, [['joe']])
})

t.test('what is dated before others and committed after them is found', async (t) => {
  const { feed, pass, take } = await started()
  feed.tellUser('first')
  await pass(EVERY_MS)
  take()
  feed.tellUser('late', feed.serverMs - 8000)
  await pass(EVERY_MS)
  t.same(take(), [{ kind: 'directory_user', id: 'late' }], 'some seconds late: at the next reading')
  feed.tellUser('import', feed.serverMs - 100_000)
  await pass(6 * EVERY_MS)
  t.same(take(), [{ kind: 'directory_user', id: 'import' }], 'a long transaction: within 12 s')
})

t.test('clocks that differ, and drift, lose nothing', async (t) => {
  for (const serverMs of [1000, 9_000_000_000_000]) {
    const feed = new FakeFeed()
    feed.serverMs = serverMs
    const { pass, take, clock } = await started({ feed })
    clock.setWallClock(-HOUR_MS)
    for (let count = 0; count < 20; count++) {
      feed.tellUser(`user-${count}`)
      feed.serverMs += 500
      await pass(EVERY_MS)
    }
    t.equal(take().length, 20)
  }
})

t.test("the directory's clock is set back: all is read anew, and reading goes on from there", async (t) => {
  const { feed, pass, take } = await started()
  await pass(10 * EVERY_MS)
  feed.serverMs -= HOUR_MS
  await pass(EVERY_MS)
  t.same(take(), [{ kind: 'everything' }])
  feed.tellUser('joe')
  await pass(EVERY_MS)
  t.same(take(), [{ kind: 'directory_user', id: 'joe' }])
})

t.test('a restart goes on where the last process was', async (t) => {
  const feed = new FakeFeed()
  feed.tellUser('joe', feed.serverMs - 60_000)
  feed.tellUser('long-ago', feed.serverMs - HOUR_MS)
  const rig = reading({ feed, stored: feed.serverMs - 120_000 })
  await settle()
  t.same(rig.take(), [{ kind: 'everything' }, { kind: 'directory_user', id: 'joe' }])
  t.same(rig.looked, [['joe']])
  await rig.events.stop()
  t.same(rig.saved, [feed.serverMs], 'and says where this one was')
})

t.test('the position waits for users who were not looked up yet', async (t) => {
  const { feed, events, saved, setOldest, pass } = await started()
  const beforeMs = feed.serverMs
  setOldest(beforeMs)
  await pass(20 * EVERY_MS)
  await events.stop()
  t.ok(saved.length > 0)
  for (const atMs of saved) t.equal(atMs, beforeMs)
})

t.test('a position that is too old, ahead, or not readable: reading begins now', async (t) => {
  const week = 7 * 24 * HOUR_MS
  for (const wish of [{ ago: week + 1 }, { ago: -HOUR_MS }, { storeFails: true }]) {
    const feed = new FakeFeed()
    feed.tellUser('missed', feed.serverMs - 200_000)
    const { ago = 0, ...more } = wish
    const rig = reading({ feed, stored: feed.serverMs - ago, ...more })
    await settle()
    t.same(rig.take(), [{ kind: 'everything' }])
    await rig.events.stop()
  }
})

t.test('away for longer than events are kept: everything is old', async (t) => {
  const { feed, pass, take, clock } = await started()
  feed.settingsAnswer = { missing: [], keptMs: HOUR_MS }
  await pass(10 * EVERY_MS)
  feed.fails = 'directory_unavailable'
  await pass(60_000)
  feed.serverMs += 2 * HOUR_MS
  feed.fails = undefined
  await clock.advance(10_000)
  t.same(take(), [{ kind: 'everything' }])
})

t.test('more events than are read at once: everything is old, once', async (t) => {
  const { feed, pass, take, events, looked, many } = await started()
  for (let count = 0; count < 10_001; count++) feed.tellUser(`user-${count}`, feed.serverMs + (count % 7))
  await pass(EVERY_MS)
  const effects = take()
  t.same(effects[0], { kind: 'everything' })
  t.equal(effects.filter(({ kind }) => kind === 'directory_user').length, 10_000)
  t.equal(effects.at(-1)?.kind, 'directory_newcomer', 'not each is looked up for a new address')
  t.equal(looked.length, 1)
  t.same(many, [true])
  await pass(EVERY_MS)
  t.same(take(), [], 'the same window again says nothing new')
  for (let count = 0; count < 200; count++) await pass(EVERY_MS)
  t.same(take(), [])
  t.equal(events.state().changes, 10_000)
})

t.test("a change of the realm's rules counts where the rules differ", async (t) => {
  const { feed, pass, take, setProfile } = await started()
  feed.tell({ kind: 'rules' })
  await pass(EVERY_MS)
  t.equal(feed.rulesExpired, 1)
  t.same(take(), [], 'another name of the realm is nothing to us')
  setProfile({ emailSelfChosen: true })
  feed.tell({ kind: 'rules' })
  await pass(EVERY_MS)
  t.same(take(), [{ kind: 'everything' }])
  feed.tell({ kind: 'everything' })
  await pass(EVERY_MS)
  t.same(take(), [{ kind: 'everything' }], 'a synchronisation of users')
})

t.test(
  'events are switched off and on again: told, and what happened meanwhile is not trusted',
  async (t) => {
    const { feed, pass, take, events, clock } = await started()
    feed.settingsAnswer = { missing: ['admin events'], keptMs: undefined }
    await pass(20_000)
    t.match(events.state(), { state: 'not_kept', missing: ['admin events'] })
    t.notOk(events.onTime(clock.monotonicMs()))
    take()
    feed.settingsAnswer = { missing: [], keptMs: undefined }
    await pass(20_000)
    t.equal(events.state().state, 'reading')
    t.ok(events.onTime(clock.monotonicMs()))
    t.same(take(), [{ kind: 'everything' }])
  },
)

t.test('an event about the settings makes them be looked at at once', async (t) => {
  const { feed, pass, events } = await started()
  feed.settingsAnswer = { missing: ['user events'], keptMs: undefined }
  feed.tell({ kind: 'settings' })
  await pass(2 * EVERY_MS)
  t.equal(events.state().state, 'not_kept')
})

t.test('our client may not see events: told, looked at again, and nothing is on time', async (t) => {
  const feed = new FakeFeed()
  feed.settingsAnswer = 'hidden'
  const { pass, events, clock } = await started({ feed })
  t.equal(events.state().state, 'hidden')
  t.same(feed.windows, [])
  t.notOk(events.onTime(clock.monotonicMs()))
  feed.settingsAnswer = { missing: [], keptMs: undefined }
  await pass(20_000)
  t.equal(events.state().state, 'reading')
  feed.fails = 'directory_refused'
  await pass(EVERY_MS)
  t.match(events.state(), { state: 'failing', error: 'directory_refused' })
})

t.test('a directory that does not answer: tried again, nothing is lost', async (t) => {
  const feed = new FakeFeed()
  feed.fails = 'directory_unavailable'
  const { pass, take, events, clock } = await started({ feed })
  t.match(events.state(), { state: 'failing', error: 'directory_unavailable', readAtMs: undefined })
  await pass(60_000)
  feed.fails = undefined
  await pass(10_000)
  t.equal(events.state().state, 'reading')
  t.same(take(), [{ kind: 'everything' }])
  feed.fails = 'directory_unavailable'
  await pass(10_000)
  feed.tellUser('joe')
  await pass(300_000)
  t.notOk(events.onTime(clock.monotonicMs()))
  t.same(take(), [])
  feed.fails = undefined
  await pass(10_000)
  t.same(take(), [{ kind: 'directory_user', id: 'joe' }])
  t.ok(events.onTime(clock.monotonicMs()))
})

t.test('stopped, it reads no more', async (t) => {
  const { feed, pass, events, clock } = await started()
  await events.stop()
  const windows = feed.windows.length
  await pass(60_000)
  t.equal(feed.windows.length, windows)
  t.equal(clock.pendingTimers, 0)
})
