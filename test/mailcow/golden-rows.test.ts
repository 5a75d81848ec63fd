/**
 * The golden rows: what mailcow's PHP writes for a first login, table by table, on MariaDB with mailcow's schema, and the
 * same on SQLite. The values of the first are from a run of that PHP with the Default template; docs/mailcow.md.
 */
import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { addressOf } from '../contract/store-plans.ts'
import { NOW_MS, SUBJECTS, type Subject } from '../contract/store-subjects.ts'
import { DEFAULT_TEMPLATE } from '../servers/mailcow-schema.ts'
import { suite } from '../servers/suite.ts'
import { attributesOf, hosting, rowsOf } from './golden.ts'

const JANE = addressOf('jane@example.org')

const GOLDEN_ATTRIBUTES = {
  force_pw_update: '0',
  force_tfa: '0',
  tls_enforce_in: '0',
  tls_enforce_out: '0',
  sogo_access: '1',
  imap_access: '1',
  pop3_access: '1',
  smtp_access: '1',
  sieve_access: '1',
  eas_access: '1',
  dav_access: '1',
  relayhost: '0',
  passwd_update: '2026-01-02 03:04:05',
  mailbox_format: 'maildir:',
  quarantine_notification: 'hourly',
  quarantine_category: 'reject',
  attribute_hash: 'c63d56c97072ca649e4bb8af48835600ac8808e3',
}

const GOLDEN = {
  mailbox: {
    username: 'jane@example.org',
    password: '',
    name: '',
    description: null,
    mailbox_path_prefix: '/var/vmail/',
    quota: 0,
    local_part: 'jane',
    domain: 'example.org',
    custom_attributes: '{}',
    kind: '',
    multiple_bookings: -1,
    authsource: 'keycloak',
    active: 1,
  },
  alias: {
    address: 'jane@example.org',
    goto: 'jane@example.org',
    domain: 'example.org',
    private_comment: null,
    public_comment: null,
    sogo_visible: 1,
    internal: 0,
    sender_allowed: 1,
    active: 1,
  },
  user_acl: {
    username: 'jane@example.org',
    spam_alias: 1,
    tls_policy: 1,
    spam_score: 1,
    spam_policy: 1,
    delimiter_action: 1,
    syncjobs: 0,
    eas_reset: 1,
    sogo_profile_reset: 0,
    pushover: 1,
    quarantine: 1,
    quarantine_attachments: 1,
    quarantine_notification: 1,
    quarantine_category: 1,
    app_passwds: 1,
    // The Default template does not name it.
    pw_reset: 0,
  },
}

/** Every field of a template with another value than the Default one has. */
const FULL_TEMPLATE = JSON.stringify({
  tags: ['Süd/West', 'süd/west', 'blue', 'blue', '', 7],
  // 1.5 GiB and half a MiB: mailcow counts in whole MiB.
  quota: '1611137024',
  tagged_mail_handler: 'subject',
  quarantine_notification: 'daily',
  quarantine_category: 'add_header',
  rl_frame: 'h',
  rl_value: '10',
  force_pw_update: '1',
  force_tfa: '1',
  sogo_access: '0',
  active: '1',
  tls_enforce_in: '1',
  tls_enforce_out: '1',
  relayhost: '12',
  imap_access: '1',
  pop3_access: '0',
  smtp_access: '1',
  sieve_access: '0',
  eas_access: '0',
  dav_access: '0',
  acl_spam_alias: '0',
  acl_syncjobs: '1',
  acl_pw_reset: '1',
})

async function goldenRows(subject: Subject, t: Test): Promise<void> {
  await t.test('the Default template: every table', async (t) => {
    const { place, firstLogin } = await hosting(subject, t)
    t.same(await firstLogin(JANE), { kind: 'done', made: true })
    const rows = await rowsOf(place, JANE)
    t.same(attributesOf(rows), GOLDEN_ATTRIBUTES, 'mailbox.attributes: all values strings')
    const { attributes: _text, ...mailbox } = rows['mailbox']?.[0] ?? {}
    t.same([mailbox], [GOLDEN.mailbox], 'mailbox')
    t.same(rows['alias'], [GOLDEN.alias], 'alias')
    t.same(rows['quota2'], [{ username: JANE.full, bytes: 0, messages: 0 }], 'quota2')
    t.same(rows['quota2replica'], [{ username: JANE.full, bytes: 0, messages: 0 }], 'quota2replica')
    t.same(rows['user_acl'], [GOLDEN.user_acl], 'user_acl')
    t.same(rows['tags_mailbox'], [], 'tags_mailbox')
    t.same(rows['mailpassd_change'], [{ address: JANE.full, kind: 'mailbox', at_ms: NOW_MS }])
    const work = {
      address: JANE.full,
      created_ms: NOW_MS,
      due_ms: NOW_MS,
      lease_until_ms: 0,
      tries: 0,
      last_error: '',
    }
    const redis = { consumer: 'redis', action: 'rate_limit', body: '{}', ...work }
    const memcached = { consumer: 'memcached', action: 'flush', body: '{}', ...work }
    t.same(
      rows['mailpassd_outbox'],
      subject.schema === 'mailcow' ? [memcached, redis] : [redis],
      'Redis forgets an earlier limit; SOGo is flushed where it is',
    )
  })

  await t.test('a template with every field: every table', async (t) => {
    const { place, firstLogin, addTemplate } = await hosting(subject, t)
    await addTemplate('Full', FULL_TEMPLATE)
    const mappings = new Map([['sales', 'Full']])
    t.same(await firstLogin(JANE, { user: { template: 'sales' }, settings: { mappings } }), {
      kind: 'done',
      made: true,
    })
    const rows = await rowsOf(place, JANE)
    t.same(attributesOf(rows), {
      // The password is the directory's.
      force_pw_update: '0',
      force_tfa: '1',
      tls_enforce_in: '1',
      tls_enforce_out: '1',
      sogo_access: '0',
      imap_access: '1',
      pop3_access: '0',
      smtp_access: '1',
      sieve_access: '0',
      eas_access: '0',
      dav_access: '0',
      relayhost: '12',
      passwd_update: '2026-01-02 03:04:05',
      mailbox_format: 'maildir:',
      quarantine_notification: 'daily',
      quarantine_category: 'add_header',
      attribute_hash: createHash('sha1')
        // By hand what PHP's json_encode makes of this text.
        .update(`"${FULL_TEMPLATE.replaceAll('"', '\\"').replaceAll('/', '\\/').replaceAll('ü', '\\u00fc')}"`)
        .digest('hex'),
    })
    t.match(rows['mailbox'], [{ quota: 1536 * 1024 * 1024, active: 1, name: '' }])
    const acl = Object.entries(rows['user_acl']?.[0] ?? {}).filter(([, value]) => value === 1)
    t.same(
      acl.map(([column]) => column),
      ['syncjobs', 'pw_reset'],
      'a right that the template does not name is off',
    )
    t.same(
      rows['tags_mailbox']?.map((row) => row['tag_name']),
      ['7', 'Süd/West', 'blue'],
    )
    t.match(
      rows['mailpassd_outbox']?.find((row) => row['consumer'] === 'redis'),
      { action: 'rate_limit', body: '{"value":"10 / 1h"}' },
    )
    const applied: unknown = JSON.parse(String(rows['mailpassd_mailbox']?.[0]?.['applied']))
    t.match(applied, {
      quota: '1610612736',
      active: '1',
      rate_limit: '10 / 1h',
      acl_syncjobs: '1',
      force_tfa: '1',
    })
  })

  await t.test('30 tags: the first 26 of the list', async (t) => {
    const { place, firstLogin, addTemplate } = await hosting(subject, t)
    const tags = Array.from({ length: 30 }, (_, index) => `t${String(index).padStart(2, '0')}`)
    await addTemplate('Tags', JSON.stringify({ tags }))
    await firstLogin(JANE, { settings: { defaultTemplate: 'Tags' } })
    const { tags_mailbox: made } = await rowsOf(place, JANE)
    t.same(
      made?.map((row) => row['tag_name']),
      tags.slice(0, 26),
    )
  })

  await t.test("the domain's template before the default one, a mapping before both", async (t) => {
    const { place, store, firstLogin, addTemplate } = await hosting(subject, t)
    for (const [name, mib] of [
      ['Domain', 2],
      ['Mapped', 3],
    ] as const)
      await addTemplate(name, JSON.stringify({ quota: mib * 1024 * 1024 }))
    const mappings = new Map([['sales', 'Mapped']])
    const quotaOf = async (name: string, template?: string) => {
      await firstLogin(addressOf(name), { user: { template }, settings: { mappings } })
      return Number((await rowsOf(place, addressOf(name)))['mailbox']?.[0]?.['quota']) / 1024 / 1024
    }
    t.equal(await quotaOf('a@example.org'), 0, 'the default template')
    t.equal(await quotaOf('b@example.org', 'unmapped'), 0)
    await store.domains.set('example.org', { template: 'Domain' })
    t.equal(await quotaOf('c@example.org'), 2)
    t.equal(await quotaOf('d@example.org', 'sales'), 3)
  })

  await t.test("refusals in mailcow's order, and nothing written", async (t) => {
    const { place, firstLogin, addTemplate } = await hosting(subject, t)
    await addTemplate('Big', JSON.stringify({ quota: 6 * 1024 * 1024 }))
    const refusal = async (name: string) => {
      const applied = await firstLogin(addressOf(name), { settings: { defaultTemplate: 'Big' } })
      return applied.kind === 'refused' ? applied.why : 'made'
    }
    const expect = async (name: string, why: string) => t.equal(await refusal(name), why, `${name}: ${why}`)
    const domain = (set: string) => place.sql(`update domain set ${set} where domain = 'example.org'`)

    // Everything is wrong at first; each step takes away what was told last.
    await place.sql(
      "insert into alias (address, goto, domain) values ('x@example.org', 'y@example.org', 'example.org')",
    )
    await place.sql("insert into spamalias (address, goto, description) values ('x@example.org', 'y', '')")
    await domain('mailboxes = 0, maxquota = 5, quota = 5')
    await expect('x@example.org', 'is_alias')
    await place.sql("delete from alias where address = 'x@example.org'")
    await expect('x@example.org', 'is_spam_alias')
    await place.sql('delete from spamalias')
    await expect('x@example.org', 'max_mailboxes')
    await domain('mailboxes = 10')
    await expect('x@example.org', 'mailbox_quota_exceeded')
    await domain('maxquota = 6')
    await expect('x@example.org', 'domain_quota_exceeded')
    t.equal((await place.sql('select * from mailbox')).length, 0)
    t.equal((await place.sql('select * from mailpassd_outbox')).length, 0, 'nor is anybody told')
    await domain('quota = 12')
    await expect('x@example.org', 'made')
    await expect('y@example.org', 'made')
    await expect('z@example.org', 'domain_quota_exceeded')

    // Unlimited passes every quota check, and resources are not counted.
    await domain('maxquota = 0, quota = 0, mailboxes = 3')
    await place.sql("update mailbox set kind = 'location' where username = 'y@example.org'")
    t.same(await firstLogin(addressOf('free@example.org')), { kind: 'done', made: true })
    await expect('z@example.org', 'mailbox_quota_exceeded')
  })

  await t.test('an alias domain never gets mailboxes', async (t) => {
    const { place, firstLogin } = await hosting(subject, t)
    await place.sql(
      "insert into alias_domain (alias_domain, target_domain) values ('a.example', 'example.org')",
    )
    t.same(await firstLogin(addressOf('jane@a.example')), { kind: 'refused', why: 'domain_is_alias' })
    t.equal((await place.sql('select * from mailbox')).length, 0)
  })

  await t.test('rows that an earlier mailbox of the name left: counters start at 0', async (t) => {
    const { place, firstLogin } = await hosting(subject, t)
    for (const table of ['quota2', 'quota2replica'])
      await place.sql(`insert into ${table} (username, bytes, messages) values ('jane@example.org', 9, 9)`)
    t.same(await firstLogin(JANE), { kind: 'done', made: true })
    const rows = await rowsOf(place, JANE)
    t.match(rows['quota2'], [{ bytes: 0, messages: 0 }])
    t.match(rows['quota2replica'], [{ bytes: 0, messages: 0 }])
  })
}

for (const subject of SUBJECTS) suite(subject.name, [subject.missing], (t) => goldenRows(subject, t))

t.test('the template that migrations make standalone is that of a new mailcow', async (t) => {
  const [sqlite] = SUBJECTS
  if (sqlite === undefined) throw new Error('no SQLite')
  const { place } = await hosting(sqlite, t)
  const rows = await place.sql("select attributes from templates where template = 'Default'")
  t.same(rows, [{ attributes: DEFAULT_TEMPLATE }])
})
