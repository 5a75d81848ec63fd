/** What every store must do, whatever database is below: the contract of account/stored.ts and mailbox/change.ts. */
import type { Test } from 'tap'
import type { StoredAccount } from '../../src/account/stored.ts'
import { MailpassdError } from '../../src/errors.ts'
import type { Plan } from '../../src/mailbox/change.ts'
import { startChild } from '../servers/child.ts'
import { DEFAULT_TEMPLATE } from '../servers/mailcow-schema.ts'
import { addressOf, makePlan, makingChanges, repairPlan } from './store-plans.ts'
import { NOW_MS, type Place, type Row, type Subject } from './store-subjects.ts'

const JANE = addressOf('jane@example.org')
const MIB = 1024 * 1024

/** A database with example.org in it, and a store on it. */
async function hosting(subject: Subject, t: Test, limits: { readonly maxMailboxes?: number } = {}) {
  const place = await subject.place(t)
  const store = await place.open()
  if (subject.schema === 'mailcow') {
    await place.sql('insert into domain (domain, mailboxes, maxquota, quota) values (?, ?, 10240, 102400)', [
      'example.org',
      limits.maxMailboxes ?? 10,
    ])
    await store.domains.add('example.org', { template: 'Default' })
  } else {
    await store.domains.add('example.org', {
      template: 'Default',
      maxMailboxes: limits.maxMailboxes ?? 10,
      maxMailboxQuotaMib: 10240,
      quotaMib: 102400,
    })
  }
  return { place, store }
}

async function insertMailbox(
  place: Place,
  username: string,
  attributes = '{"imap_access":"1"}',
): Promise<void> {
  const [local = '', domain = ''] = username.split('@')
  await place.sql(
    `insert into mailbox (username, password, name, quota, local_part, domain, attributes, authsource)
     values (?, '{BLF-CRYPT}x', '', 5, ?, ?, ?, 'mailcow')`,
    [username, local, domain.trim(), attributes],
  )
}

const GOLDEN_TABLES = [
  'mailbox',
  'alias',
  'quota2',
  'quota2replica',
  'user_acl',
  'tags_mailbox',
  'mailpassd_mailbox',
  'mailpassd_change',
]

/** All rows of what a first login writes, without counters and the database's own times. */
async function goldenRows(place: Place): Promise<Readonly<Record<string, readonly Row[]>>> {
  const tables: Record<string, readonly Row[]> = {}
  for (const table of GOLDEN_TABLES) {
    const rows = await place.sql(`select * from ${table}`)
    tables[table] = rows.map(({ id: _id, created: _created, modified: _modified, ...rest }) => rest)
  }
  return tables
}

const GOLDEN = {
  mailbox: [
    {
      username: 'jane@example.org',
      password: '',
      name: 'Jane Doe',
      description: null,
      mailbox_path_prefix: '/var/vmail/',
      quota: 0,
      local_part: 'jane',
      domain: 'example.org',
      attributes:
        '{"force_pw_update":"0","force_tfa":"0","tls_enforce_in":"0","tls_enforce_out":"0","sogo_access":"1",' +
        '"relayhost":"0","quarantine_notification":"hourly","quarantine_category":"reject",' +
        '"mailbox_format":"maildir:","imap_access":"1","pop3_access":"0","passwd_update":"2026-01-02 03:04:05"}',
      custom_attributes: '{}',
      kind: '',
      multiple_bookings: -1,
      authsource: 'keycloak',
      active: 1,
    },
  ],
  alias: [
    {
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
  ],
  quota2: [{ username: 'jane@example.org', bytes: 0, messages: 0 }],
  quota2replica: [{ username: 'jane@example.org', bytes: 0, messages: 0 }],
  user_acl: [
    {
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
  ],
  tags_mailbox: [{ tag_name: 'blue', username: 'jane@example.org' }],
  mailpassd_mailbox: [
    {
      username: 'jane@example.org',
      directory_id: 'id-1',
      template: 'Default',
      applied: '{"quota":"0"}',
      created_ms: NOW_MS,
    },
  ],
  mailpassd_change: [
    { address: 'example.org', kind: 'domain', at_ms: NOW_MS },
    { address: 'jane@example.org', kind: 'mailbox', at_ms: NOW_MS },
  ],
}

export function storeContract(subject: Subject, t: Test): void {
  t.test('an unhosted domain, an absent mailbox, an alias domain', async (t) => {
    const { place, store } = await hosting(subject, t)
    const unhosted = await store.accounts.loadAccount(addressOf('jane@example.net'))
    t.equal(unhosted.domain, undefined)
    t.equal(unhosted.mailbox, undefined)
    t.equal(unhosted.aliasDomainOf, undefined)

    const absent = await store.accounts.loadAccount(JANE)
    t.same(absent.domain, {
      name: 'example.org',
      active: true,
      maxMailboxes: 10,
      maxMailboxQuotaBytes: 10240 * MIB,
      quotaBytes: 102400 * MIB,
      autojoin: true,
      template: 'Default',
    })
    t.equal(absent.mailbox, undefined)
    t.match(absent.making, {
      mailboxCount: 0,
      quotaSumBytes: 0,
      isAlias: false,
      isSpamAlias: false,
      collides: false,
    })
    t.same(
      absent.making?.templates.map(({ name }) => name),
      ['Default'],
      'templates of mailboxes, not of domains',
    )
    t.equal(absent.making?.templates[0]?.raw, DEFAULT_TEMPLATE, 'byte for byte: attribute_hash is made of it')

    await place.sql(
      `insert into alias_domain (alias_domain, target_domain) values ('a.example', 'example.org')`,
    )
    t.equal((await store.accounts.loadAccount(addressOf('jane@a.example'))).aliasDomainOf, 'example.org')
    await place.sql(`update alias_domain set active = 0`)
    t.equal((await store.accounts.loadAccount(addressOf('jane@a.example'))).aliasDomainOf, undefined)
  })

  t.test('a mailbox with what belongs to it', async (t) => {
    const { place, store } = await hosting(subject, t)
    await insertMailbox(place, 'jane@example.org', '{"imap_access":"1","pop3_access":"0","smtp_access":1}')
    const stored = await store.accounts.loadAccount(JANE)
    t.same(stored.mailbox, {
      username: 'jane@example.org',
      hash: '{BLF-CRYPT}x',
      authsource: 'mailcow',
      active: 1,
      kind: '',
      services: { imap: true, pop3: false, smtp: true },
      tfaActive: false,
      directoryId: undefined,
      missing: { alias: true, quota2: true, quota2replica: true, userAcl: true },
      name: '',
      quotaBytes: 5,
      mailboxFormat: 'maildir:',
      pathPrefix: '/var/vmail/',
    })
    t.equal(stored.making, undefined)
    t.same(stored.appPasswords, [])

    for (const active of [1, 0, 1]) {
      await place.sql(
        `insert into app_passwd (name, mailbox, domain, password, active, smtp_access)
         values ('phone', 'jane@example.org', 'example.org', ?, ?, 0)`,
        [`{SHA}${active}`, active],
      )
    }
    const { appPasswords } = await store.accounts.loadAccount(JANE)
    t.equal(appPasswords.length, 2, 'active ones only')
    t.ok((appPasswords[0]?.id ?? 0) > (appPasswords[1]?.id ?? 0), 'newest first')
    t.equal(appPasswords[0]?.hash, '{SHA}1')
    t.same([...(appPasswords[0]?.services ?? [])].sort(), ['dav', 'eas', 'imap', 'pop3', 'sieve'])
    t.match(appPasswords[0], { active: true, own: undefined, lastUsedMs: undefined })
  })

  t.test('app passwords of ours, with their use', async (t) => {
    const { place, store } = await hosting(subject, t)
    await insertMailbox(place, 'jane@example.org')
    const add = async (id: number, active: number, ownHash: string): Promise<void> => {
      await place.sql(
        `insert into app_passwd (id, name, mailbox, domain, password, active)
         values (?, 'phone', 'jane@example.org', 'example.org', ?, ?)`,
        [id, `{SSHA512}${id}`, active],
      )
      await place.sql(
        `insert into mailpassd_app_password (id, mailbox, hash, tag, directory_id, networks, expires_ms, unused_days,
           created_ms, revoked_ms)
         values (?, 'jane@example.org', ?, 'abcd', 'id-1', '["192.0.2.0/24"]', ?, 90, ?, null)`,
        [id, ownHash, NOW_MS + 1, NOW_MS],
      )
    }
    await add(11, 1, '{SSHA512}11')
    await add(12, 0, '{SSHA512}12')
    await add(13, 1, 'replaced by somebody else')
    await add(14, 0, 'replaced by somebody else')
    await place.sql(
      `insert into mailpassd_app_password_use (id, mailbox, last_ms, last_service, last_network)
       values (13, 'jane@example.org', ?, 'imap', '192.0.2.0/24'),
       (11, 'bob@example.org', ?, 'imap', '192.0.2.0/24')`,
      [NOW_MS, NOW_MS],
    )
    const { appPasswords } = await store.accounts.loadAccount(JANE)
    t.same(
      appPasswords.map(({ id, active, lastUsedMs }) => ({ id, active, lastUsedMs })),
      [
        { id: 13, active: true, lastUsedMs: NOW_MS },
        { id: 12, active: false, lastUsedMs: undefined },
        { id: 11, active: true, lastUsedMs: undefined },
      ],
      'inactive ones of ours too; what another wrote is not ours',
    )
    t.equal(appPasswords[0]?.own, undefined)
    t.same(appPasswords[1]?.own, {
      tag: 'abcd',
      directoryId: 'id-1',
      networks: ['192.0.2.0/24'],
      createdMs: NOW_MS,
      expiresMs: NOW_MS + 1,
      unusedDays: 90,
      revokedMs: undefined,
    })
    await place.sql(`update mailpassd_app_password set networks = 'x' where id = 11`)
    await t.rejects(store.accounts.loadAccount(JANE), { code: 'store_failed', message: /app password 11/ })
  })

  t.test('locks, with and without a mailbox', async (t) => {
    const { place, store } = await hosting(subject, t)
    t.equal((await store.accounts.loadAccount(JANE)).lock, undefined)
    await place.sql(
      `insert into mailpassd_lock (username, since_ms, until_ms, reason)
       values ('jane@example.org', ?, null, ''), ('bob@example.org', ?, ?, 'stolen phone')`,
      [NOW_MS, NOW_MS, NOW_MS + 1],
    )
    t.same((await store.accounts.loadAccount(JANE)).lock, { untilMs: undefined })
    await insertMailbox(place, 'bob@example.org')
    t.same((await store.accounts.loadAccount(addressOf('bob@example.org'))).lock, { untilMs: NOW_MS + 1 })
  })

  t.test('attributes that nobody can read refuse rather than open every protocol', async (t) => {
    const { place, store } = await hosting(subject, t)
    await insertMailbox(place, 'jane@example.org', '["imap_access"]')
    await t.rejects(store.accounts.loadAccount(JANE), {
      code: 'store_failed',
      message: /mailbox jane@example.org/,
    })
  })

  t.test('a quota too big for a number is a big quota, not a fault', async (t) => {
    const { place, store } = await hosting(subject, t)
    const huge = `${2n ** 63n - 1n}`
    await place.sql(`update domain set quota = ${huge}, maxquota = ${huge}`)
    await insertMailbox(place, 'big@example.org')
    await place.sql(`update mailbox set quota = ${huge}`)
    const { domain, mailbox } = await store.accounts.loadAccount(addressOf('big@example.org'))
    t.equal(mailbox?.quotaBytes, Number(huge))
    t.equal(domain?.quotaBytes, Number(huge) * MIB)
    const { making } = await store.accounts.loadAccount(JANE)
    t.equal(making?.quotaSumBytes, Number(huge))
    t.equal((await store.domains.lookup('example.org'))?.quotaMib, Number(huge))
  })

  t.test('names are compared by bytes, whatever the collation finds', async (t) => {
    const { place, store } = await hosting(subject, t)
    await insertMailbox(place, 'bób@example.org')
    await insertMailbox(place, 'EVE@example.org')
    await insertMailbox(place, 'dan@example.org  ')
    for (const name of ['bob', 'eve', 'dan']) {
      const stored = await store.accounts.loadAccount(addressOf(`${name}@example.org`))
      t.equal(stored.mailbox, undefined, `${name} is not the other one`)
      t.equal(stored.making?.collides, subject.folds, name)
      t.equal(stored.making?.mailboxCount, 3, 'they count')
    }
    const found = await store.accounts.loadAccount(addressOf('bób@example.org'))
    t.equal(found.mailbox?.username, 'bób@example.org')

    await place.sql(
      `insert into alias (address, goto, domain) values ('infó@example.org', 'x@example.org', 'example.org'),
       ('sales@example.org', 'x@example.org', 'example.org')`,
    )
    await place.sql(
      `insert into spamalias (address, goto, description) values ('spám@example.org', 'x', ''),
       ('temp@example.org', 'x', '')`,
    )
    const making = async (name: string) =>
      (await store.accounts.loadAccount(addressOf(`${name}@example.org`))).making
    t.match(await making('info'), { isAlias: false, collides: subject.folds })
    t.match(await making('sales'), { isAlias: true, collides: false })
    t.match(await making('spam'), { isSpamAlias: false, collides: subject.folds })
    t.match(await making('temp'), { isSpamAlias: true, collides: false })
  })

  t.test("a first login writes mailcow's rows, the binding and a change, once", async (t) => {
    const { place, store } = await hosting(subject, t)
    t.same(await store.mailboxes.apply(JANE, makePlan), { kind: 'done', made: true })
    t.same(await goldenRows(place), GOLDEN)
    const { mailbox } = await store.accounts.loadAccount(JANE)
    t.match(mailbox, {
      authsource: 'keycloak',
      directoryId: 'id-1',
      missing: { alias: false, quota2: false, quota2replica: false, userAcl: false },
      services: { imap: true, pop3: false },
    })
    t.same(await store.mailboxes.apply(JANE, makePlan), { kind: 'done', made: false })
    t.same(await goldenRows(place), GOLDEN, 'nothing to do writes nothing')
  })

  t.test('a refusal and a thrown error write nothing', async (t) => {
    const { place, store } = await hosting(subject, t)
    const before = await goldenRows(place)
    t.same(await store.mailboxes.apply(JANE, () => ({ kind: 'refused', why: 'no_template' })), {
      kind: 'refused',
      why: 'no_template',
    })
    await t.rejects(
      store.mailboxes.apply(JANE, () => {
        throw new TypeError('a fault of the plan')
      }),
      { code: 'internal' },
    )
    t.same(await goldenRows(place), before)
    t.same(await store.mailboxes.apply(JANE, makePlan), { kind: 'done', made: true }, 'and the store goes on')
  })

  t.test('50 logins of one user at once make one mailbox', async (t) => {
    const { place, store } = await hosting(subject, t)
    const other = await place.open()
    const applied = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        (index % 2 === 0 ? store : other).mailboxes.apply(JANE, makePlan),
      ),
    )
    t.ok(applied.every(({ kind }) => kind === 'done'))
    t.equal(applied.filter((one) => one.kind === 'done' && one.made).length, 1)
    t.same(await goldenRows(place), GOLDEN)
  })

  t.test('20 users at once do not pass the limit of 5', async (t) => {
    const { place, store } = await hosting(subject, t, { maxMailboxes: 5 })
    const other = await place.open()
    const applied = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? store : other).mailboxes.apply(addressOf(`user${index}@example.org`), makePlan),
      ),
    )
    t.equal(applied.filter((one) => one.kind === 'done' && one.made).length, 5)
    t.equal(applied.filter((one) => one.kind === 'refused' && one.why === 'max_mailboxes').length, 15)
    t.equal((await place.sql('select username from mailbox')).length, 5)
  })

  t.test('a duplicate makes it look again; one that stays is a conflict', async (t) => {
    const { place, store } = await hosting(subject, t)
    await store.mailboxes.apply(JANE, makePlan)
    const making = makingChanges(await store.accounts.loadAccount(addressOf('new@example.org')))
    const looks: StoredAccount[] = []
    const plan = (stored: StoredAccount): Plan => {
      looks.push(stored)
      return { kind: 'changes', changes: looks.length === 1 ? making : [] }
    }
    t.same(await store.mailboxes.apply(JANE, plan), { kind: 'done', made: false })
    t.equal(looks.length, 2)
    t.equal(looks[1]?.mailbox?.username, 'jane@example.org')

    const stubborn = store.mailboxes.apply(JANE, () => ({ kind: 'changes', changes: making }))
    const error: unknown = await stubborn.catch((error: unknown) => error)
    t.ok(error instanceof MailpassdError)
    t.match(error, { code: 'store_conflict' })
    t.notMatch(error instanceof Error ? error.message : '', /jane@/, 'no values in messages')
    t.same(await goldenRows(place), GOLDEN)
  })

  t.test('killed in the middle: nothing was written, and the next login makes it', async (t) => {
    const { place, store } = await hosting(subject, t)
    const { options } = place
    const before = await goldenRows(place)
    const child = startChild(process.execPath, [
      `${import.meta.dirname}/store-blocked-writer.ts`,
      ...(options.kind === 'sqlite'
        ? ['sqlite', options.dataDir]
        : ['mysql', options.socket ?? '', options.database, options.schema]),
    ])
    await child.until(() => child.output().includes('half written'))
    child.signal('SIGKILL')
    await child.ended
    t.same(await goldenRows(place), before)
    t.same(await store.mailboxes.apply(JANE, makePlan), { kind: 'done', made: true })
    t.same(await goldenRows(place), GOLDEN)
  })

  t.test('rows that a crash of somebody else left out are made', async (t) => {
    const { place, store } = await hosting(subject, t)
    await store.mailboxes.apply(JANE, makePlan)
    for (const [table, column] of [
      ['alias', 'address'],
      ['quota2', 'username'],
      ['quota2replica', 'username'],
      ['user_acl', 'username'],
    ] as const) {
      await place.sql(`delete from ${table} where ${column} = 'jane@example.org'`)
    }
    t.same(await store.mailboxes.apply(JANE, repairPlan), { kind: 'done', made: false })
    const rows = await goldenRows(place)
    t.same(rows['alias'], GOLDEN.alias)
    t.same(rows['quota2'], GOLDEN.quota2)
    t.same(rows['quota2replica'], GOLDEN.quota2replica)
    t.match(rows['user_acl'], [{ username: 'jane@example.org', pw_reset: 1, syncjobs: 0 }])
    t.equal(rows['mailpassd_change']?.length, 3)
  })

  t.test('binding: kept, cleared, set', async (t) => {
    const { place, store } = await hosting(subject, t)
    await t.rejects(store.mailboxes.rebind(JANE, undefined), { code: 'not_found' })
    await store.mailboxes.apply(JANE, makePlan)
    t.equal(await store.mailboxes.rebind(JANE, undefined), 'id-1')
    t.equal((await store.accounts.loadAccount(JANE)).mailbox?.directoryId, undefined)
    await store.mailboxes.apply(JANE, () => ({
      kind: 'changes',
      changes: [{ kind: 'bind_identity', directoryId: 'id-2', template: '', applied: {} }],
    }))
    t.match(await store.mailboxes.lookupBinding(JANE), {
      directoryId: 'id-2',
      template: 'Default',
      applied: { quota: '0' },
    })
    t.equal(await store.mailboxes.rebind(JANE, 'id-3'), 'id-2')
    t.equal((await store.accounts.loadAccount(JANE)).mailbox?.directoryId, 'id-3')

    await insertMailbox(place, 'old@example.org')
    const old = addressOf('old@example.org')
    t.equal(await store.mailboxes.rebind(old, 'id-4'), undefined)
    t.match(await store.mailboxes.lookupBinding(old), { directoryId: 'id-4', template: '' })
  })

  t.test('changes: read after an id, late ones too, pruned after an hour', async (t) => {
    const { place, store } = await hosting(subject, t)
    const last = await store.changes.lastChangeId()
    await store.mailboxes.apply(JANE, makePlan)
    const [change, ...more] = await store.changes.readChanges(last)
    t.match(change, { address: 'jane@example.org', kind: 'mailbox' })
    t.same(more, [])
    const id = change?.id ?? 0
    t.same(await store.changes.readChanges(id), [])

    const write = (id: number, atMs: number) =>
      place.sql(`insert into mailpassd_change (id, address, kind, at_ms) values (?, ?, 'domain', ?)`, [
        id,
        `d${id}`,
        atMs,
      ])
    await write(id + 3, NOW_MS - 1)
    t.same(await store.changes.readChanges(id), [{ id: id + 3, address: `d${id + 3}`, kind: 'domain' }])
    await write(id + 1, NOW_MS - 1)
    t.same(
      (await store.changes.readChanges(id + 3)).map(({ id }) => id),
      [id + 1],
      'committed after a greater id was read',
    )
    t.same(await store.changes.readChanges(id + 3), [])

    await write(id + 9, NOW_MS - 3_600_001)
    t.equal(await store.changes.pruneChanges(), 1)
    t.equal(await store.changes.lastChangeId(), id + 3)
  })

  t.test('login log: the last good login by key, and merged lines', async (t) => {
    const { place, store } = await hosting(subject, t)
    const sasl = {
      service: 'imap',
      appPasswordId: 0,
      mailbox: 'jane@example.org',
      remoteIp: '192.0.2.1',
      atMs: NOW_MS,
    }
    await store.loginLog.writeSaslLog([sasl, { ...sasl, service: 's'.repeat(40), remoteIp: '2001:db8::1' }])
    await store.loginLog.writeSaslLog([{ ...sasl, appPasswordId: 7, atMs: NOW_MS + 60_000 }])
    t.same(await place.sql('select * from sasl_log order by service'), [
      {
        service: 'imap',
        app_password: 7,
        username: 'jane@example.org',
        real_rip: '192.0.2.1',
        datetime: '2026-01-02 03:05:05',
      },
      {
        service: 's'.repeat(32),
        app_password: 0,
        username: 'jane@example.org',
        real_rip: '2001:db8::1',
        datetime: '2026-01-02 03:04:05',
      },
    ])

    const hourMs = NOW_MS - (NOW_MS % 3_600_000)
    const login = {
      mailbox: 'jane@example.org',
      network: '192.0.2.0/24',
      service: 'imap',
      credential: 'main',
      verdict: 'ok',
      why: 'verified',
      hourMs,
      firstMs: NOW_MS,
      lastMs: NOW_MS,
      count: 1,
    }
    const many = Array.from({ length: 250 }, (_, index) => ({ ...login, network: `net${index}` }))
    await store.loginLog.writeLogins([login, ...many])
    await store.loginLog.writeLogins([
      { ...login, firstMs: NOW_MS - 5, lastMs: NOW_MS + 5, count: 3 },
      { ...login, mailbox: 'JANE@example.org', hourMs: hourMs + 3_600_000 },
    ])
    t.same(
      await place.sql(
        `select mailbox, first_ms, last_ms, count from mailpassd_login where network = '192.0.2.0/24'
         order by hour_ms`,
      ),
      [
        { mailbox: 'jane@example.org', first_ms: NOW_MS - 5, last_ms: NOW_MS + 5, count: 4 },
        { mailbox: 'JANE@example.org', first_ms: NOW_MS, last_ms: NOW_MS, count: 1 },
      ],
    )
    t.equal(await store.loginLog.deleteLoginsBefore(NOW_MS + 1), 250)
    t.equal(await store.loginLog.deleteLoginsBefore(NOW_MS + 3_600_000), 2)
  })

  t.test('domains: settings, limits, templates', async (t) => {
    const { place, store } = await hosting(subject, t)
    await t.rejects(store.domains.add('example.org', {}), { code: 'already_exists' })
    await t.rejects(store.domains.set('example.net', { autojoin: false }), { code: 'not_found' })
    await t.rejects(store.domains.set('example.org', { template: 'Nope' }), {
      code: 'not_found',
      message: /"Default"/,
    })
    t.match(await store.domains.set('example.org', { autojoin: false }), {
      autojoin: false,
      template: 'Default',
    })
    t.match(await store.domains.set('example.org', { template: '' }), {
      autojoin: false,
      template: undefined,
    })
    if (subject.schema === 'mailcow') {
      await t.rejects(store.domains.add('example.net', {}), { code: 'not_found', message: /mailcow/ })
      await t.rejects(store.domains.set('example.org', { quotaMib: 1 }), { code: 'usage' })
      await place.sql(`insert into domain (domain) values ('plain.example')`)
      t.equal((await store.domains.lookup('plain.example'))?.autojoin, undefined)
      t.match(await store.domains.set('plain.example', { template: 'Default' }), {
        autojoin: undefined,
        template: 'Default',
      })
      t.equal((await store.accounts.loadAccount(addressOf('x@plain.example'))).domain?.autojoin, undefined)
    } else {
      t.match(await store.domains.set('example.org', { maxMailboxes: 3, quotaMib: 7 }), {
        maxMailboxes: 3,
        maxMailboxQuotaMib: 10240,
        quotaMib: 7,
      })
      await store.domains.add('example.net', { autojoin: false })
      t.same(
        (await store.domains.list()).map(({ name }) => name),
        ['example.net', 'example.org'],
      )
    }
  })

  t.test('tables are made once, and the dry run says how', async (t) => {
    const place = await subject.place(t)
    const [one, two] = [await place.open(), await place.open()]
    const statements = await one.migrate({ dryRun: true })
    t.ok(statements.some((text) => text.includes('mailpassd_login')))
    t.equal(
      statements.some((text) => /create table[^(]*`mailbox`/.test(text)),
      subject.schema === 'standalone',
    )
    t.ok((await one.check()).includes('table mailpassd_domain'), 'nothing ran')
    await Promise.all([one.ready(), two.ready()])
    t.same(await one.check(), [])
    t.same(await one.migrate(), [])
    const done = (await place.sql('select name from mailpassd_migration')).map(({ name }) => name)
    t.equal(new Set(done).size, done.length, 'each once')
    t.ok(done.includes('002-own-tables'))
    t.equal(done.includes('001-mail-tables'), subject.schema === 'standalone')
  })

  t.test('what the dry run prints makes the tables when run by hand', async (t) => {
    const place = await subject.place(t)
    const store = await place.open()
    for (const statement of await store.migrate({ dryRun: true })) await place.sql(statement)
    t.same(await store.check(), [])
    t.same(await store.migrate({ dryRun: true }), [])
    await store.ready()
  })
}
