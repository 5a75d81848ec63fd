/** The snapshot on every database: what was known is there after a start, sealed, with the age that it has. */
import type { Test } from 'tap'
import { MassChangeGuard } from '../../src/account/mass-change.ts'
import { RecordBook } from '../../src/account/record-book.ts'
import { RecordKey } from '../../src/mirror/record-key.ts'
import { Snapshot } from '../../src/mirror/snapshot.ts'
import type { Store } from '../../src/store/database.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { jane, profile } from '../fakes/accounts.ts'
import { FakeClock, FAKE_NOW_MS, settle } from '../fakes/clock.ts'
import { suite } from '../servers/suite.ts'
import { SUBJECTS, type Subject } from './store-subjects.ts'

const HOUR_MS = 3_600_000
const KEY = new RecordKey(Buffer.alloc(32, 1))

function node(store: Store, { wallMs = 0, key = KEY, max = 10_000 } = {}) {
  const clock = new FakeClock()
  clock.setWallClock(wallMs)
  const guard = new MassChangeGuard({ clock, logger: silentLogger, maxPercent: 5 })
  const book = new RecordBook(max, guard)
  const said: string[] = []
  const note = (_fields: object, text: string) => said.push(text)
  const logger: Logger = { ...silentLogger, warn: note, info: note }
  const snapshot = new Snapshot({
    rows: store.records,
    key,
    book,
    hostedDomains: async () => ['example.org'],
    outageMs: 24 * HOUR_MS,
    clock,
    logger,
  })
  const say = (local: string, found = true, atMs = clock.monotonicMs()) =>
    book.put(`${local}@example.org`, {
      kind: 'record',
      lookup: found
        ? { kind: 'found', user: { ...jane, id: `id-${local}`, email: `${local}@example.org` } }
        : { kind: 'absent' },
      profile,
      atMs,
    })
  const loaded = async () => {
    snapshot.start()
    while (snapshot.state().isLoading) await settle()
  }
  return { clock, book, guard, snapshot, say, said, loaded }
}

async function contract(subject: Subject, t: Test): Promise<void> {
  t.test('what one process wrote another one reads, with its age', async (t) => {
    const place = await subject.place(t)
    const store = await place.open()
    const first = node(store)
    for (let number = 0; number < 700; number++) first.say(`user${number}`)
    first.book.put('joe@other.example', {
      kind: 'record',
      lookup: { kind: 'found', user: jane },
      profile,
      atMs: 1,
    })
    first.say('gone')
    first.say('gone', false, first.clock.monotonicMs() + 1)
    await first.snapshot.stop()
    const rows = await place.sql('select * from mailpassd_record')
    t.equal(rows.length, 700, 'of hosted domains alone')
    t.notMatch(JSON.stringify(rows), /PLAIN/)

    const second = node(store, { wallMs: 2 * HOUR_MS })
    await second.loaded()
    t.equal(second.book.size, 700)
    const record = second.book.find('user699@example.org')
    t.match(record, { lookup: { kind: 'found', user: { id: 'id-user699', hashes: jane.hashes } } })
    t.equal(second.clock.monotonicMs() - (record?.atMs ?? 0), 2 * HOUR_MS)
    t.strictSame(second.book.emailsOf('id-user1'), ['user1@example.org'])
    await second.snapshot.stop()
  })

  t.test('rows that are too old, of the future, changed or sealed by others are not used', async (t) => {
    const place = await subject.place(t)
    const store = await place.open()
    const first = node(store)
    for (const local of ['a', 'b', 'c']) first.say(local)
    await first.snapshot.stop()
    const others = node(store, { key: new RecordKey(Buffer.alloc(32, 2)) })
    others.say('d')
    await others.snapshot.stop()

    const old = node(store, { wallMs: 25 * HOUR_MS })
    await old.loaded()
    t.equal(old.book.size, 0)
    await old.snapshot.stop()
    const early = node(store, { wallMs: -HOUR_MS })
    await early.loaded()
    t.equal(early.book.size, 0)
    t.match(early.said.join('\n'), /of the future/)
    await early.snapshot.stop()

    await place.sql("update mailpassd_record set address = 'x@example.org' where address = 'a@example.org'")
    const after = node(store)
    await after.loaded()
    t.equal(after.book.size, 2)
    t.match(after.said.join('\n'), /changed by somebody/)
    t.match(after.said.join('\n'), /another key/)
    t.equal(after.snapshot.state().unreadable, 1)
    await after.snapshot.stop()
  })

  t.test('what is learned while it is read counts', async (t) => {
    const place = await subject.place(t)
    const store = await place.open()
    const first = node(store)
    first.say('gone')
    first.say('changed')
    await first.snapshot.stop()
    const second = node(store, { wallMs: HOUR_MS })
    second.snapshot.start()
    second.say('gone', false)
    second.say('changed')
    while (second.snapshot.state().isLoading) await settle()
    t.equal(second.book.find('gone@example.org'), undefined)
    t.equal(second.book.find('changed@example.org')?.atMs, second.clock.monotonicMs())
    await second.snapshot.stop()
    t.equal((await place.sql('select address from mailpassd_record')).length, 1)
  })

  t.test('a record that says the same again is written once an hour; old rows are deleted', async (t) => {
    const place = await subject.place(t)
    const store = await place.open()
    const first = node(store)
    await first.loaded()
    first.say('jane')
    await first.clock.advance(3000)
    while (first.snapshot.state().pending > 0) await settle()
    first.say('jane')
    t.equal(first.snapshot.state().pending, 0)
    await first.clock.advance(2 * HOUR_MS)
    first.say('jane')
    t.equal(first.snapshot.state().pending, 1)
    await first.snapshot.stop()
    await store.records.deleteRecordsBefore(FAKE_NOW_MS + HOUR_MS)
    t.equal((await place.sql('select address from mailpassd_record')).length, 1)
    await store.records.deleteRecordsBefore(FAKE_NOW_MS + 3 * HOUR_MS)
    t.equal((await place.sql('select address from mailpassd_record')).length, 0)
  })

  t.test('who was held as gone, and is accepted as gone, is not kept', async (t) => {
    const place = await subject.place(t)
    const store = await place.open()
    const first = node(store)
    const written = async () => {
      for (let turn = 0; turn < 10; turn++) {
        await first.clock.advance(3000)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    const count = async () => (await place.sql('select address from mailpassd_record')).length
    await first.loaded()
    for (let number = 0; number < 30; number++) first.say(`user${number}`)
    await written()
    for (let number = 0; number < 25; number++) first.say(`user${number}`, false)
    t.ok(first.guard.isHolding)
    await written()
    t.equal(first.guard.accept(HOUR_MS), 25)
    await first.snapshot.stop()
    t.equal(await count(), 5)
  })

  t.test('no more is read than there is room for', async (t) => {
    const store = await (await subject.place(t)).open()
    const first = node(store)
    for (let number = 0; number < 50; number++) first.say(`user${number}`)
    await first.snapshot.stop()
    const second = node(store, { max: 20 })
    await second.loaded()
    t.equal(second.book.size, 20)
    await second.snapshot.stop()
  })
}

for (const subject of SUBJECTS)
  suite(`the snapshot on ${subject.name}`, [subject.missing], (t) => contract(subject, t))
