/** Reading events, on every database: the position that nodes share, whose mailbox a user has, and the end of sessions. */
import type { Test } from 'tap'
import { parseAddress } from '../../src/login/address.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { suite } from '../servers/suite.ts'
import { makePlan } from './store-plans.ts'
import { stoppedClock, SUBJECTS, type Subject } from './store-subjects.ts'

const ENDING = { dovecots: ['a', 'b'], againAfterMs: 12_000 }
const HOUR_MS = 3_600_000

async function open(subject: Subject, t: Test) {
  const place = await subject.place(t)
  const store = await openStore(place.options, { clock: stoppedClock, logger: silentLogger, ending: ENDING })
  t.teardown(() => store.close())
  await store.ready()
  return { place, store, events: store.directoryEvents }
}

async function contract(subject: Subject, t: Test): Promise<void> {
  t.test('a position is kept by directory, and goes back only where it was far ahead', async (t) => {
    const { events } = await open(subject, t)
    const here = events.position('Keycloak https://id.example.org, realm a')
    const there = events.position('Keycloak https://id.example.org, realm b')
    t.equal(await here.load(), undefined)
    await here.save(1_800_000_000_000)
    t.equal(await here.load(), 1_800_000_000_000)
    t.equal(await there.load(), undefined)
    await here.save(1_800_000_060_000)
    await here.save(1_800_000_030_000)
    t.equal(await here.load(), 1_800_000_060_000, 'another node was further')
    await here.save(1_800_000_060_000 - 2 * HOUR_MS)
    t.equal(await here.load(), 1_800_000_060_000 - 2 * HOUR_MS, 'the clock there was set back')
  })

  t.test('sessions end for the mailboxes of a user, once', async (t) => {
    const { place, store, events } = await open(subject, t)
    await place.sql(
      "insert into domain (domain, mailboxes, maxquota, quota) values ('example.org', 10, 10240, 102400)",
    )
    const jane = parseAddress('jane@example.org')
    if (jane === undefined) throw new Error('no address')
    await store.mailboxes.apply(jane, makePlan)
    await place.sql(
      "update mailpassd_mailbox set directory_id = 'id-jane' where username = 'jane@example.org'",
    )
    await place.sql("update mailbox set authsource = 'keycloak' where username = 'jane@example.org'")
    await place.sql('delete from mailpassd_outbox')
    t.same(await events.known(['id-jane', 'ID-JANE', 'id-joe']), ['id-jane'])
    t.same(await events.known([]), [])
    const departed = [
      { id: 'id-jane', cause: 'user_disabled' },
      { id: 'id-joe', cause: 'user_deleted' },
    ] as const
    const written = await Promise.all([events.end(departed), events.end(departed)])
    t.same(written.flat(), [jane.full], 'of two at once, one')
    t.same(await events.end(departed), [])
    const rows = await place.sql('select consumer, action, address, body from mailpassd_outbox order by id')
    t.equal(rows.length, 4, 'each Dovecot, now and once more')
    t.match(rows[0], {
      consumer: 'dovecot:a',
      action: 'end_sessions',
      address: jane.full,
      body: '{"cause":"user_disabled"}',
    })
    await place.sql('delete from mailpassd_outbox')
    t.same(await events.end(departed), [jane.full], 'disabled again later')
    await place.sql('delete from mailpassd_outbox')
    await place.sql("update mailbox set authsource = 'mailcow' where username = 'jane@example.org'")
    t.same(await events.end(departed), [], "a mailbox whose password is not the directory's")
  })
}

for (const subject of SUBJECTS) {
  suite(`events of the directory: ${subject.name}`, [subject.missing], (t) => contract(subject, t))
}
