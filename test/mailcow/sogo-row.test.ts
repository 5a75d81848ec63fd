/** The row of a new mailbox in `_sogo_static_view`, on MariaDB with mailcow's schema. */
import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { randomViewPassword } from '../../src/mailcow/sogo-view-password.ts'
import { addressOf } from '../contract/store-plans.ts'
import { SUBJECTS } from '../contract/store-subjects.ts'
import { suite } from '../servers/suite.ts'
import { hosting } from './golden.ts'

const JANE = addressOf('jane@example.org')
/** Of the empty password without salt: what mailcow's own code writes for everybody. */
const CONSTANT = `{SSHA256}${createHash('sha256').digest('base64')}`

t.test('c_password is a salted hash of what nobody knows', async (t) => {
  const made = Array.from({ length: 100 }, randomViewPassword)
  t.equal(new Set(made).size, made.length)
  for (const text of made) {
    t.match(text, /^\{SSHA256\}[A-Za-z0-9+/]{54}==$/)
    t.not(text, CONSTANT)
  }
})

const mailcow = SUBJECTS.find(({ schema }) => schema === 'mailcow')
if (mailcow === undefined) throw new Error('no subject with mailcow’s schema')

async function tests(t: Test, subject: (typeof SUBJECTS)[number]): Promise<void> {
  await t.test('a new mailbox', async (t) => {
    const { place, firstLogin } = await hosting(subject, t)
    await place.sql(
      "insert into _sogo_static_view (c_uid, domain, c_name, mail, aliases) values ('other@example.net', 'example.net', '', '', '')",
    )
    await firstLogin(JANE)
    await firstLogin(addressOf('joe@example.org'))
    const [joe, own, other] = await place
      .sql('select * from _sogo_static_view order by c_uid desc')
      .then((rows) => [
        rows.find((row) => row['c_uid'] === 'joe@example.org'),
        rows.find((row) => row['c_uid'] === JANE.full),
        rows.find((row) => row['c_uid'] === 'other@example.net'),
      ])
    const { c_password: password, ...rest } = own ?? {}
    t.same(rest, {
      c_uid: JANE.full,
      domain: 'example.org',
      c_name: JANE.full,
      c_cn: '',
      c_l: null,
      c_o: null,
      c_ou: null,
      c_telephonenumber: null,
      mail: JANE.full,
      aliases: '',
      ad_aliases: '',
      ext_acl: '',
      kind: '',
      multiple_bookings: -1,
    })
    t.match(password, /^\{SSHA256\}[A-Za-z0-9+/]{54}==$/)
    t.not(password, CONSTANT, "mailcow's constant")
    t.not(password, joe?.['c_password'], 'another one for each')
    t.ok(other, "others' rows are left alone")
  })

  await t.test('aliases that wait for the mailbox, and alias domains, are its identities', async (t) => {
    const { place, firstLogin } = await hosting(subject, t)
    await place.sql(
      `insert into alias (address, goto, domain, active, sogo_visible) values
        ('sales@example.org', 'jane@example.org', 'example.org', 1, 1),
        ('all@example.net', 'joe@example.org,jane@example.org', 'example.net', 1, 1),
        ('off@example.org', 'jane@example.org', 'example.org', 0, 1),
        ('hidden@example.org', 'jane@example.org', 'example.org', 1, 0),
        ('@example.org', 'jane@example.org', 'example.org', 1, 1),
        ('mary@example.org', 'maryjane@example.org', 'example.org', 1, 1)`,
    )
    await place.sql(
      `insert into alias_domain (alias_domain, target_domain, active) values
        ('a.example', 'example.org', 1), ('b.example', 'example.org', 0), ('c.example', 'example.net', 1)`,
    )
    t.same(await firstLogin(JANE), { kind: 'done', made: true })
    t.match(await place.sql('select * from _sogo_static_view'), [
      { aliases: 'all@example.net sales@example.org', ad_aliases: 'jane@a.example' },
    ])
  })

  await t.test('10,000 aliases to one mailbox: as many as fit, in whole', async (t) => {
    const { place, firstLogin } = await hosting(subject, t)
    await place.sql(
      `insert into alias (address, goto, domain)
       select concat('alias-', seq, '@example.org'), 'jane@example.org', 'example.org' from seq_1_to_10000`,
    )
    t.same(await firstLogin(JANE), { kind: 'done', made: true })
    const [row] = await place.sql('select aliases from _sogo_static_view')
    const aliases = String(row?.['aliases'])
    t.ok(aliases.length <= 6144 && aliases.length > 6000, `${aliases.length} characters`)
    t.ok(aliases.split(' ').every((address) => /^alias-\d+@example\.org$/.test(address)))
  })

  await t.test('what an earlier mailbox of the name left is replaced', async (t) => {
    const { place, firstLogin } = await hosting(subject, t)
    await place.sql(
      `insert into _sogo_static_view (c_uid, domain, c_name, c_password, mail, aliases)
       values ('jane@example.org', 'example.org', 'x', ?, 'x', 'x')`,
      [CONSTANT],
    )
    await firstLogin(JANE)
    const rows = await place.sql('select * from _sogo_static_view')
    t.equal(rows.length, 1)
    t.match(rows, [{ c_name: JANE.full, aliases: '' }])
    t.not(rows[0]?.['c_password'], CONSTANT)
  })

  await t.test(
    'no such table, one that lacks a column, switched off: the mailbox is made all the same',
    async (t) => {
      for (const [what, before, missing] of [
        ['no table', 'drop table _sogo_static_view', 'table _sogo_static_view'],
        ['no column', 'alter table _sogo_static_view drop column mail', 'column _sogo_static_view.mail'],
        ['an older alias table', 'alter table alias drop column sogo_visible', 'column alias.sogo_visible'],
      ] as const) {
        const { place, warned, firstLogin } = await hosting(subject, t, { before })
        t.same(await firstLogin(JANE), { kind: 'done', made: true }, what)
        t.match(
          await place.sql('select * from mailpassd_outbox'),
          [{ consumer: 'redis' }],
          `${what}: no flush`,
        )
        t.equal(warned.length, 1, what)
        t.match(warned[0], missing, what)
      }
      const { place, warned, firstLogin } = await hosting(subject, t, { sogo: false })
      t.same(await firstLogin(JANE), { kind: 'done', made: true }, 'switched off')
      t.same(await place.sql('select * from _sogo_static_view'), [])
      t.same(warned, [])
    },
  )
}

suite(mailcow.name, [mailcow.missing], (t) => tests(t, mailcow))
