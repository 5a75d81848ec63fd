/** App passwords on every database: rows that mailcow takes for its own, ours beside them, and no more than that. */
import type { Test } from 'tap'
import { lifeOf } from '../../src/account/app-password-life.ts'
import type { SweptAppPassword } from '../../src/credential/app-password-sweep.ts'
import type { NewAppPassword } from '../../src/credential/app-passwords.ts'
import { MAX_ACTIVE, MAX_ENDED } from '../../src/store/app-passwords.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { suite } from '../servers/suite.ts'
import { addressOf, makePlan } from './store-plans.ts'
import { NOW_MS, stoppedClock, SUBJECTS, type Place, type Subject } from './store-subjects.ts'

const JANE = addressOf('jane@example.org')
const DAY_MS = 86_400_000

let tags = 0
function made(more: Partial<NewAppPassword> = {}): NewAppPassword {
  tags += 1
  return {
    name: 'phone',
    services: ['imap', 'smtp'],
    expiresMs: undefined,
    unusedDays: undefined,
    networks: [],
    tag: `t${tags}`,
    hash: `{SSHA512}${tags}`,
    ...more,
  }
}

async function hosting(subject: Subject, t: Test) {
  const place = await subject.place(t)
  const store = await place.open()
  if (subject.schema === 'mailcow')
    await place.sql(`insert into domain (domain, mailboxes) values ('example.org', 10)`)
  await store.domains.add('example.org', { template: 'Default' })
  await store.mailboxes.apply(JANE, makePlan)
  const create = async (more: Partial<NewAppPassword> = {}) => {
    const created = await store.appPasswords.create(JANE, made(more))
    if (created === 'tag_taken') throw new Error('the tag is taken')
    return created
  }
  return { place, store, create }
}

async function insertPhp(place: Place, name: string, active = 1): Promise<void> {
  await place.sql(
    `insert into app_passwd (name, mailbox, domain, password, active) values (?, ?, 'example.org', ?, ?)`,
    [name, JANE.full, `{BLF-CRYPT}${name}`, active],
  )
}

const hasEnded = (row: SweptAppPassword) => lifeOf(row, true, row.lastUsedMs, NOW_MS) !== 'active'

async function contract(subject: Subject, t: Test): Promise<void> {
  t.test("one is made: mailcow's row, ours, and a change", async (t) => {
    const { place, store, create } = await hosting(subject, t)
    const last = await store.changes.lastChangeId()
    const expiresMs = NOW_MS + 5 * DAY_MS
    const networks = ['192.0.2.0/24', '2001:db8::/32']
    const created = await create({ tag: 'k7m2xp', hash: '{SSHA512}abc', expiresMs, unusedDays: 30, networks })
    const own = {
      tag: 'k7m2xp',
      directoryId: 'id-1',
      networks,
      createdMs: NOW_MS,
      expiresMs,
      unusedDays: 30,
      revokedMs: undefined,
    }
    const { id } = created
    t.same(created, {
      id,
      name: 'phone',
      services: ['imap', 'smtp'],
      active: true,
      own,
      lastUse: undefined,
    })
    const [row] = await place.sql('select * from app_passwd')
    t.match(row, {
      id,
      name: 'phone',
      mailbox: JANE.full,
      domain: 'example.org',
      password: '{SSHA512}abc',
      imap_access: 1,
      pop3_access: 0,
      smtp_access: 1,
      sieve_access: 0,
      eas_access: 0,
      dav_access: 0,
      active: 1,
    })
    t.match(await store.changes.readChanges(last), [{ address: JANE.full, kind: 'mailbox' }])
    const { appPasswords } = await store.accounts.loadAccount(JANE)
    t.same(appPasswords, [
      {
        id,
        hash: '{SSHA512}abc',
        services: new Set(['imap', 'smtp']),
        active: true,
        own,
        lastUsedMs: undefined,
      },
    ])
    t.equal(await store.appPasswords.create(JANE, made({ tag: 'k7m2xp' })), 'tag_taken')
    t.equal((await place.sql('select id from app_passwd')).length, 1)
  })

  t.test('only for a mailbox that is there, byte for byte', async (t) => {
    const { place, store } = await hosting(subject, t)
    for (const name of ['nobody@example.org', 'jáne@example.org', 'jane@example.net']) {
      const address = addressOf(name)
      await t.rejects(store.appPasswords.create(address, made()), { code: 'not_found' }, name)
      await t.rejects(store.appPasswords.list(address), { code: 'not_found' }, name)
      await t.rejects(store.appPasswords.revoke(address, 1), { code: 'not_found' }, name)
    }
    t.same(await place.sql('select id from app_passwd'), [])
    t.same(await place.sql('select id from mailpassd_app_password'), [])
  })

  t.test('an unbound mailbox makes unbound ones', async (t) => {
    const { store, create } = await hosting(subject, t)
    await store.mailboxes.rebind(JANE, undefined)
    t.equal((await create()).own?.directoryId, undefined)
    await store.mailboxes.rebind(JANE, 'id-2')
    t.equal((await create()).own?.directoryId, 'id-2')
  })

  t.test('the list has all, ours first, with their last use', async (t) => {
    const { place, store, create } = await hosting(subject, t)
    await insertPhp(place, 'php on')
    await insertPhp(place, 'php off', 0)
    const { id } = await create()
    const newer = await create({ name: 'tablet' })
    await insertPhp(place, 'php new')
    const use = { id, mailbox: JANE.full, service: 'imap', network: '192.0.2.0/24', atMs: NOW_MS }
    await store.loginLog.writeAppPasswordUses([use, { ...use, id: newer.id, mailbox: 'june@example.org' }])
    const listed = await store.appPasswords.list(JANE)
    t.match(
      listed.map(({ name, active, own, lastUse }) => [name, active, own !== undefined, lastUse]),
      [
        ['tablet', true, true, undefined],
        ['phone', true, true, { atMs: NOW_MS, service: 'imap', network: '192.0.2.0/24' }],
        ['php new', true, false, undefined],
        ['php off', false, false, undefined],
        ['php on', true, false, undefined],
      ],
    )
    const { appPasswords } = await store.accounts.loadAccount(JANE)
    t.same(
      appPasswords.map((row) => [row.id, row.lastUsedMs]),
      [
        [listed[2]?.id, undefined],
        [newer.id, undefined],
        [id, NOW_MS],
        [listed[4]?.id, undefined],
      ],
      'a login needs the active ones',
    )
  })

  t.test('last uses: the latest stays, whoever writes last', async (t) => {
    const { place, store, create } = await hosting(subject, t)
    const { id } = await create()
    const use = { id, mailbox: JANE.full, service: 'imap', network: '192.0.2.0/24', atMs: NOW_MS }
    const later = { ...use, service: 'smtp', network: '2001:db8::/64', atMs: NOW_MS + 1 }
    await store.loginLog.writeAppPasswordUses([use])
    await store.loginLog.writeAppPasswordUses([later])
    await store.loginLog.writeAppPasswordUses([{ ...use, atMs: NOW_MS - 1 }])
    t.same(await place.sql('select * from mailpassd_app_password_use'), [
      { id, mailbox: JANE.full, last_ms: NOW_MS + 1, last_service: 'smtp', last_network: '2001:db8::/64' },
    ])
    const many = Array.from({ length: 250 }, (_, at) => ({ ...use, id: 1000 + at }))
    await store.loginLog.writeAppPasswordUses(many)
    t.equal((await place.sql('select id from mailpassd_app_password_use')).length, 251)
  })

  t.test('revoked: off for everybody, for good, and again is no fault', async (t) => {
    const { place, store, create } = await hosting(subject, t)
    const { id } = await create()
    await insertPhp(place, 'php')
    const last = await store.changes.lastChangeId()
    t.match(await store.appPasswords.revoke(JANE, id), { active: false, own: { revokedMs: NOW_MS } })
    t.match(await store.changes.readChanges(last), [{ address: JANE.full, kind: 'mailbox' }])
    t.match(await place.sql('select active from app_passwd where id = ?', [id]), [{ active: 0 }])
    const changed = await store.changes.lastChangeId()
    t.match(await store.appPasswords.revoke(JANE, id), { active: false, own: { revokedMs: NOW_MS } })
    t.equal(await store.changes.lastChangeId(), changed, 'nothing to do writes nothing')
    await place.sql('update app_passwd set active = 1 where id = ?', [id])
    t.match(await store.appPasswords.revoke(JANE, id), { active: false }, 'somebody had switched it on again')
    const php = (await store.appPasswords.list(JANE)).find(({ name }) => name === 'php')
    t.match(await store.appPasswords.revoke(JANE, php?.id ?? 0), { active: false, own: undefined })
    await t.rejects(store.appPasswords.revoke(JANE, 999_999), { code: 'not_found' })
    t.match((await store.accounts.loadAccount(JANE)).appPasswords, [{ id, active: false }])
  })

  t.test('revoked: the live sessions end, once', async (t) => {
    const place = await subject.place(t)
    const store = await openStore(place.options, {
      clock: stoppedClock,
      logger: silentLogger,
      ending: { dovecots: ['a'], againAfterMs: 5000 },
    })
    t.teardown(() => store.close())
    if (subject.schema === 'mailcow')
      await place.sql(`insert into domain (domain, mailboxes) values ('example.org', 10)`)
    await store.domains.add('example.org', { template: 'Default' })
    await store.mailboxes.apply(JANE, makePlan)
    const created = await store.appPasswords.create(JANE, made())
    const id = created === 'tag_taken' ? 0 : created.id
    await store.appPasswords.revoke(JANE, id)
    await store.appPasswords.revoke(JANE, id)
    t.match(await store.outbox.claim('dovecot:a', 10, 1000), [
      { action: 'end_sessions', address: JANE.full, body: { cause: 'app_password_revoked' } },
    ])
    t.match(await store.outbox.pending(), [{ consumer: 'dovecot:a', count: 2 }], 'now, and once more later')
  })

  t.test("another mailbox's is none of this one's", async (t) => {
    const { store, create } = await hosting(subject, t)
    const { id } = await create()
    const john = addressOf('john@example.org')
    await store.mailboxes.apply(john, makePlan)
    await t.rejects(store.appPasswords.revoke(john, id), { code: 'not_found' })
    t.same(await store.appPasswords.list(john), [])
    t.match(await store.appPasswords.list(JANE), [{ id, active: true }])
  })

  t.test('a row whose password mailcow replaced is not ours any more', async (t) => {
    const { place, store, create } = await hosting(subject, t)
    const { id } = await create({ expiresMs: NOW_MS + 1 })
    await place.sql(`update app_passwd set password = '{BLF-CRYPT}new' where id = ?`, [id])
    t.match(await store.appPasswords.list(JANE), [{ id, own: undefined, active: true }])
    t.same(await store.appPasswords.sweep(0, 10, hasEnded), { lastId: undefined, ended: 0 })
    t.same(await place.sql('select id from mailpassd_app_password'), [], 'and forgotten')
    t.match(await place.sql('select active from app_passwd'), [{ active: 1 }])
  })

  t.test(
    'renamed with its mailbox, it keeps its bounds and its last use, and the sweep goes on with it',
    async (t) => {
      const { place, store, create } = await hosting(subject, t)
      const bounds = { networks: ['192.0.2.0/24'], expiresMs: NOW_MS + 1, unusedDays: 3 }
      const { id } = await create(bounds)
      const revoked = await create()
      await store.appPasswords.revoke(JANE, revoked.id)
      const use = { id, mailbox: JANE.full, service: 'imap', network: '192.0.2.0/24', atMs: NOW_MS }
      await store.loginLog.writeAppPasswordUses([use])
      const anne = addressOf('anne@example.org')
      await store.mailboxes.apply(anne, makePlan)
      await place.sql('update app_passwd set mailbox = ?, active = 1', [anne.full])
      const expected = [
        { id: revoked.id, own: { revokedMs: NOW_MS } },
        { id, own: { ...bounds, directoryId: 'id-1' } },
      ]
      t.match(await store.appPasswords.list(anne), expected)
      const before = await store.changes.lastChangeId()
      t.same(await store.appPasswords.sweep(0, 10, hasEnded), { lastId: undefined, ended: 1 })
      t.match(await store.changes.readChanges(before), [{ address: anne.full, kind: 'mailbox' }])
      const { appPasswords } = await store.accounts.loadAccount(anne)
      t.match(appPasswords, [
        { ...expected[0], active: false },
        { ...expected[1], active: true, lastUsedMs: NOW_MS },
      ])
      t.match(await store.appPasswords.list(anne), [{}, { lastUse: { atMs: NOW_MS } }])
    },
  )

  t.test(
    'one of an unbound mailbox belongs to whom the mailbox belonged to, once another gets it',
    async (t) => {
      const { store, create } = await hosting(subject, t)
      await store.mailboxes.rebind(JANE, undefined)
      await create()
      await store.mailboxes.rebind(JANE, 'id-1')
      t.match(await store.appPasswords.list(JANE), [{ own: { directoryId: undefined } }])
      await store.mailboxes.rebind(JANE, 'id-2')
      t.match(await store.appPasswords.list(JANE), [{ own: { directoryId: 'id-1' } }])
      await store.mailboxes.rebind(JANE, 'id-3')
      t.match(await store.appPasswords.list(JANE), [{ own: { directoryId: 'id-1' } }])
    },
  )

  t.test('so many active ones; ended ones make room', async (t) => {
    const { store, create } = await hosting(subject, t)
    const ids: number[] = []
    for (let count = 0; count < MAX_ENDED + 5; count += 1) {
      const { id } = await create()
      ids.push(id)
      await store.appPasswords.revoke(JANE, id)
    }
    const kept = (await store.appPasswords.list(JANE)).map(({ id }) => id)
    t.ok(kept.length <= MAX_ENDED + 1)
    t.notOk(kept.includes(ids[0] ?? 0), 'the oldest is gone')
    t.ok(kept.includes(ids.at(-1) ?? 0))
    for (let count = 0; count < MAX_ACTIVE; count += 1) await create()
    await t.rejects(store.appPasswords.create(JANE, made()), { code: 'limit_reached', message: /revoke/ })
    t.equal(
      (await store.accounts.loadAccount(JANE)).appPasswords.filter(({ active }) => active).length,
      MAX_ACTIVE,
    )
  })

  t.test('two nodes that make one at once do not pass the limit, nor share a tag', async (t) => {
    const { place, store } = await hosting(subject, t)
    const other = await place.open()
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        (at % 2 === 0 ? store : other).appPasswords.create(JANE, made({ tag: 'same22' })),
      ),
    )
    t.equal(results.filter((result) => result !== 'tag_taken').length, 1)
  })

  t.test('the sweep switches off what has ended, by two nodes at once, once', async (t) => {
    const { place, store, create } = await hosting(subject, t)
    const other = await place.open()
    const expired = await create({ expiresMs: NOW_MS })
    const unused = await create({ unusedDays: 3 })
    const used = await create({ unusedDays: 3 })
    const open = await create({ expiresMs: NOW_MS + 1 })
    await place.sql('update mailpassd_app_password set created_ms = ?', [NOW_MS - 4 * DAY_MS])
    const use = { mailbox: JANE.full, service: 'imap', network: 'unknown' }
    await store.loginLog.writeAppPasswordUses([
      { ...use, id: used.id, atMs: NOW_MS - 1 },
      { ...use, id: unused.id, atMs: NOW_MS - 3 * DAY_MS },
      { ...use, id: 999_999, atMs: NOW_MS },
    ])
    const last = await store.changes.lastChangeId()
    const [one, two] = await Promise.all([
      store.appPasswords.sweep(0, 10, hasEnded),
      other.appPasswords.sweep(0, 10, hasEnded),
    ])
    t.equal(one.ended + two.ended, 2)
    t.match(await place.sql('select id, active from app_passwd order by id'), [
      { id: expired.id, active: 0 },
      { id: unused.id, active: 0 },
      { id: used.id, active: 1 },
      { id: open.id, active: 1 },
    ])
    t.match(await store.changes.readChanges(last), [{ address: JANE.full, kind: 'mailbox' }])
    t.same(await store.appPasswords.sweep(0, 10, hasEnded), { lastId: undefined, ended: 0 })

    await place.sql('delete from app_passwd where id = ?', [open.id])
    const steps: number[] = []
    for (let afterId: number | undefined = 0; afterId !== undefined;) {
      steps.push(afterId)
      const step: { lastId: number | undefined } = await store.appPasswords.sweep(afterId, 2, hasEnded)
      afterId = step.lastId
    }
    t.same(steps, [0, unused.id, open.id], 'in steps, by id')
    t.equal((await place.sql('select id from mailpassd_app_password')).length, 3)
    t.equal(await store.appPasswords.sweepUses(0, 10), undefined)
    t.same(
      (await place.sql('select id from mailpassd_app_password_use order by id')).map(({ id }) => id),
      [unused.id, used.id],
    )
  })

  t.test('mailboxes with more than 20 of others are named', async (t) => {
    const { place, store, create } = await hosting(subject, t)
    for (let at = 0; at < 3; at += 1) await insertPhp(place, `php ${at}`)
    await insertPhp(place, 'off', 0)
    await create()
    t.same(await store.probe.crowded(3), [])
    t.same(await store.probe.crowded(2), [{ mailbox: JANE.full, count: 3 }])
  })

  t.test('of 1,000 made elsewhere a login gets 20, those used last first; all of ours', async (t) => {
    const { place, store, create } = await hosting(subject, t)
    const { id } = await create()
    const values = Array.from(
      { length: 1000 },
      (_, at) => `('p${at}', '${JANE.full}', 'example.org', 'x${at}')`,
    )
    await place.sql(`insert into app_passwd (name, mailbox, domain, password) values ${values.join(', ')}`)
    // Another's, which mailcow's collation takes for hers.
    if (subject.folds) {
      await place.sql(
        `insert into app_passwd (name, mailbox, domain, password) values ('a', 'jäne@example.org', 'example.org', 'a')`,
      )
    }
    const idOf = async (name: string) =>
      Number((await place.sql('select id from app_passwd where name = ?', [name]))[0]?.['id'])
    const used = { mailbox: JANE.full, service: 'imap', network: 'unknown' }
    const [third, seventh] = [await idOf('p3'), await idOf('p7')]
    await store.loginLog.writeAppPasswordUses([
      { ...used, id: third, atMs: NOW_MS },
      { ...used, id: seventh, atMs: NOW_MS - 1 },
    ])
    const { appPasswords, othersLeftOut } = await store.accounts.loadAccount(JANE)
    t.equal(othersLeftOut, 980)
    t.equal(appPasswords.length, 21)
    const ids = appPasswords.map((row) => row.id)
    t.ok([id, third, seventh, await idOf('p999'), await idOf('p982')].every((each) => ids.includes(each)))
    t.notOk(ids.includes(await idOf('p981')))
    await place.sql(`update app_passwd set active = 0 where name > 'p1' and name not in ('p3', 'p7')`)
    const fewer = await store.accounts.loadAccount(JANE)
    t.match(fewer, { othersLeftOut: 0 })
    t.same(
      fewer.appPasswords.map((row) => row.id),
      [
        seventh,
        third,
        ...(await place.sql(`select id from app_passwd where name in ('p0', 'p1')`))
          .map((row) => Number(row['id']))
          .toReversed(),
        id,
      ],
    )
  })
}

for (const subject of SUBJECTS) suite(subject.name, [subject.missing], async (t) => contract(subject, t))
