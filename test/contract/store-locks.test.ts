/** Locks on every database: what they write together, and what is told of a mailbox's recent use. */
import type { Test } from 'tap'
import { isLocked } from '../../src/account/lock.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { suite } from '../servers/suite.ts'
import { addressOf, makePlan } from './store-plans.ts'
import { NOW_MS, stoppedClock, SUBJECTS, type Subject } from './store-subjects.ts'

const JANE = addressOf('jane@example.org')
const HOUR_MS = 3_600_000
const ENDING = { dovecots: ['a', 'b'], againAfterMs: 12_000 }

async function open(subject: Subject, t: Test) {
  const place = await subject.place(t)
  const store = await openStore(place.options, { clock: stoppedClock, logger: silentLogger, ending: ENDING })
  t.teardown(() => store.close())
  await store.ready()
  await place.sql(
    "insert into domain (domain, mailboxes, maxquota, quota) values ('example.org', 10, 10240, 102400)",
  )
  return { place, store }
}

async function contract(subject: Subject, t: Test): Promise<void> {
  t.test('a lock, its change and the end of sessions are one transaction', async (t) => {
    const { place, store } = await open(subject, t)
    await store.mailboxes.apply(JANE, makePlan)
    await place.sql('delete from mailpassd_change')
    await place.sql('delete from mailpassd_outbox')
    const locked = await store.locks.lock(JANE, { untilMs: NOW_MS + HOUR_MS, reason: 'stolen \u{1f4f1}' })
    t.match(locked, {
      address: JANE.full,
      mailbox: 'present',
      isLocked: true,
      lock: { sinceMs: NOW_MS, untilMs: NOW_MS + HOUR_MS, reason: 'stolen \u{1f4f1}' },
      ending: [{ dovecot: 'a' }, { dovecot: 'b' }],
    })
    t.match(await place.sql('select address, kind from mailpassd_change'), [
      { address: JANE.full, kind: 'mailbox' },
    ])
    const rows = await place.sql(
      'select id, consumer, action, address, body, due_ms from mailpassd_outbox order by consumer, due_ms',
    )
    t.match(
      rows.map(({ consumer, action, address, body, due_ms: dueMs }) => [
        consumer,
        action,
        address,
        body,
        dueMs,
      ]),
      ENDING.dovecots.flatMap((name) =>
        [NOW_MS, NOW_MS + 12_000].map((dueMs) => [
          `dovecot:${name}`,
          'end_sessions',
          JANE.full,
          '{"cause":"lock"}',
          dueMs,
        ]),
      ),
    )
    t.same(
      locked.ending.map(({ id }) => id),
      rows.filter((row) => row['due_ms'] === NOW_MS).map((row) => row['id']),
    )
    const stored = await store.accounts.loadAccount(JANE)
    t.ok(isLocked(stored, NOW_MS) && !isLocked(stored, NOW_MS + HOUR_MS))
    t.ok(await store.locks.isWanted(JANE.full, 'lock'))
  })

  t.test('a lock that cannot be written leaves nothing behind', async (t) => {
    const { place, store } = await open(subject, t)
    await place.sql('alter table mailpassd_outbox rename to mailpassd_outbox_gone')
    await t.rejects(store.locks.lock(JANE, { untilMs: undefined, reason: undefined }), {
      code: 'store_schema',
    })
    t.same(await place.sql('select * from mailpassd_lock'), [])
    t.same(await place.sql('select * from mailpassd_change'), [])
  })

  t.test('locking again changes the end; unlocking takes it away, and its kicks with it', async (t) => {
    const { place, store } = await open(subject, t)
    await store.locks.lock(JANE, { untilMs: undefined, reason: 'first' })
    const later = { ...stoppedClock, nowMs: () => NOW_MS + HOUR_MS }
    const node = await place.open(later)
    t.match(await node.locks.lock(JANE, { untilMs: NOW_MS + 2 * HOUR_MS, reason: undefined }), {
      lock: { sinceMs: NOW_MS, untilMs: NOW_MS + 2 * HOUR_MS, reason: 'first' },
    })
    const over = await place.open({ ...stoppedClock, nowMs: () => NOW_MS + 3 * HOUR_MS })
    t.match(await over.locks.show(JANE), { isLocked: false, lock: { reason: 'first' } })
    t.notOk(await over.locks.isWanted(JANE.full, 'lock'), 'its time is over')
    t.match(await over.locks.lock(JANE, { untilMs: undefined, reason: undefined }), {
      lock: { sinceMs: NOW_MS + 3 * HOUR_MS, untilMs: undefined, reason: '' },
    })
    t.match(await store.locks.unlock(JANE), { before: { reason: '' }, isLocked: false, lock: undefined })
    t.match(await store.locks.unlock(JANE), { before: undefined, isLocked: false })
    t.notOk(await store.locks.isWanted(JANE.full, 'lock'))
    t.ok(await store.locks.isWanted(JANE.full, 'app_password_revoked'))
    t.equal((await place.sql('select * from mailpassd_change')).length, 4, 'nothing changed, nothing told')
  })

  t.test('a lock may come before its mailbox, and one on an alias is told', async (t) => {
    const { place, store } = await open(subject, t)
    const terms = { untilMs: undefined, reason: undefined }
    t.match(await store.locks.lock(JANE, terms), { mailbox: 'absent', isLocked: true })
    await store.mailboxes.apply(JANE, makePlan)
    t.match(await store.locks.show(JANE), { mailbox: 'present', isLocked: true })
    t.equal((await store.accounts.loadAccount(JANE)).lock?.untilMs, undefined)
    await place.sql(
      "insert into alias (address, goto, domain) values ('info@example.org', 'jane@example.org', 'example.org')",
    )
    await place.sql(
      "insert into alias_domain (alias_domain, target_domain) values ('alias.example', 'example.org')",
    )
    t.match(await store.locks.lock(addressOf('info@example.org'), terms), { mailbox: 'alias' })
    t.match(await store.locks.lock(addressOf('jane@alias.example'), terms), { mailbox: 'alias_domain' })
  })

  t.test('recent use: who came from where, with which password', async (t) => {
    const { place, store } = await open(subject, t)
    await store.mailboxes.apply(JANE, makePlan)
    const entry = {
      mailbox: JANE.full,
      network: '192.0.2.0/24',
      service: 'imap',
      credential: 'main',
      verdict: 'ok',
      why: 'verified',
      hourMs: NOW_MS - HOUR_MS,
      firstMs: NOW_MS - HOUR_MS,
      lastMs: NOW_MS - HOUR_MS,
      count: 3,
    }
    await store.loginLog.writeLogins([
      entry,
      { ...entry, hourMs: NOW_MS, firstMs: NOW_MS - 5, lastMs: NOW_MS - 5, count: 1 },
      {
        ...entry,
        credential: 'app:7',
        network: '203.0.113.0/24',
        service: 'smtp',
        lastMs: NOW_MS,
        count: 900,
      },
      { ...entry, verdict: 'password_mismatch', why: 'hash_differs', network: '198.51.100.0/24' },
      { ...entry, mailbox: 'JANE@example.org', network: '198.51.100.0/24' },
    ])
    await store.loginLog.writeSaslLog([
      { service: 'imap', appPasswordId: 0, mailbox: JANE.full, remoteIp: '192.0.2.7', atMs: NOW_MS - 60_000 },
      { service: 'smtp', appPasswordId: 7, mailbox: JANE.full, remoteIp: '203.0.113.9', atMs: NOW_MS },
    ])
    const columns = 'id, name, mailbox, domain, password, active'
    for (const [id, name, mailbox] of [
      [7, 'phone', JANE.full],
      [8, 'never used', JANE.full],
      // Only a collation that folds lets such a row in.
      ...(subject.folds ? ([[9, 'of another', 'JANE@example.org']] as const) : []),
    ] as const)
      await place.sql(`insert into app_passwd (${columns}) values (?, ?, ?, 'example.org', '{X}y', 1)`, [
        id,
        name,
        mailbox,
      ])
    await place.sql(
      "insert into mailpassd_app_password_use (id, mailbox, last_ms, last_service, last_network) values (7, ?, ?, 'smtp', '203.0.113.0/24')",
      [JANE.full, NOW_MS],
    )
    t.same((await store.locks.show(JANE)).use, {
      credentials: [
        {
          credential: 'app:7',
          network: '203.0.113.0/24',
          service: 'smtp',
          firstMs: NOW_MS - HOUR_MS,
          lastMs: NOW_MS,
          count: 900,
        },
        {
          credential: 'main',
          network: '192.0.2.0/24',
          service: 'imap',
          firstMs: NOW_MS - HOUR_MS,
          lastMs: NOW_MS - 5,
          count: 4,
        },
      ],
      addresses: [
        { remoteIp: '203.0.113.9', service: 'smtp', credential: 'app:7', lastMs: NOW_MS },
        { remoteIp: '192.0.2.7', service: 'imap', credential: 'main', lastMs: NOW_MS - 60_000 },
      ],
      appPasswords: [
        {
          id: 7,
          name: 'phone',
          active: true,
          lastMs: NOW_MS,
          lastService: 'smtp',
          lastNetwork: '203.0.113.0/24',
        },
        {
          id: 8,
          name: 'never used',
          active: true,
          lastMs: undefined,
          lastService: undefined,
          lastNetwork: undefined,
        },
      ],
    })
  })
}

for (const subject of SUBJECTS) {
  suite(`locks: ${subject.name}`, [subject.missing], (t) => contract(subject, t))
}
