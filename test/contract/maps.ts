/** What the maps answer over every database: one set of rows, a table of questions for each map. */
import type { Test } from 'tap'
import { createMailMaps } from '../../src/account/maps/mail-maps.ts'
import type { MapAnswer } from '../../src/account/maps/lookup.ts'
import type { Account } from '../../src/account/account.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { settings } from '../fakes/accounts.ts'
import { NOW_MS, stoppedClock, type Place, type Subject } from './store-subjects.ts'

const NOW_S = Math.floor(NOW_MS / 1000)

const DOMAINS: readonly (readonly [name: string, active: number, backupMx: number])[] = [
  ['example.org', 1, 0],
  ['off.example', 0, 0],
  ['backup.example', 1, 1],
  ['xn--bcher-kva.example', 1, 0],
]

const ALIAS_DOMAINS: readonly (readonly [name: string, target: string, active: number])[] = [
  ['alias.example', 'example.org', 1],
  ['alias-off.example', 'example.org', 0],
  ['alias-of-off.example', 'off.example', 1],
  ['alias-of-none.example', 'none.example', 1],
  ['alias-of-backup.example', 'backup.example', 1],
]

const MAILBOXES: readonly (readonly [name: string, active: number, kind: string])[] = [
  ['alice@example.org', 1, ''],
  ['bob@example.org', 1, ''],
  ['no-alias@example.org', 1, ''],
  ['alice+no-alias@example.org', 1, ''],
  ['no-alias@xn--bcher-kva.example', 1, ''],
  ['x,alice@example.org', 1, ''],
  ['receives@example.org', 2, ''],
  ['gone@example.org', 0, ''],
  ['locked@example.org', 1, ''],
  ['was-locked@example.org', 1, ''],
  ["o'hara@example.org", 1, ''],
  ['with+plus@example.org', 1, ''],
  ['room@example.org', 1, 'location'],
  ['carol@off.example', 1, ''],
  ['böse@example.org', 1, ''],
  ['dave@xn--bcher-kva.example', 1, ''],
]

const ALIASES: readonly (readonly [address: string, goto: string, active: number, senderAllowed: number])[] =
  [
    ...MAILBOXES.filter(([name]) => !/no-alias|,/.test(name)).map(([name]) => [name, name, 1, 1] as const),
    ['info@example.org', 'alice@example.org', 1, 1],
    ['team@example.org', 'alice@example.org, bob@example.org,gone@example.org', 1, 1],
    ['closed@example.org', 'alice@example.org', 1, 0],
    ['receiving@example.org', 'alice@example.org', 2, 1],
    ['inactive@example.org', 'alice@example.org', 0, 1],
    ['outside@example.org', 'somebody@elsewhere.example', 1, 1],
    ['empty@example.org', ' , ', 1, 1],
    ['itself@example.org', 'itself@example.org', 1, 1],
    ['locks@example.org', 'locked@example.org,was-locked@example.org,receives@example.org', 1, 1],
    ['only@alias.example', 'bob@example.org', 1, 1],
    ['relayed@backup.example', 'alice@example.org', 1, 1],
    ['@xn--bcher-kva.example', 'bob@example.org', 1, 1],
    ['@alias.example', 'bob@example.org', 1, 1],
    ['sales@xn--bcher-kva.example', 'alice@example.org', 1, 1],
  ]

const SPAM_ALIASES: readonly (readonly [address: string, validity: number | null, permanent: number])[] = [
  ['valid@example.org', NOW_S + 60, 0],
  ['expired@example.org', NOW_S - 1, 0],
  ['permanent@example.org', null, 1],
  ['without-time@example.org', null, 0],
]

const SENDER_ACL: readonly (readonly [login: string, sendAs: string])[] = [
  ['bob@example.org', 'acl@elsewhere.example'],
  ['bob@example.org', '@whole.example'],
  ['bob@example.org', 'no-alias@example.org'],
  ['gone@example.org', 'acl@elsewhere.example'],
  ['Alice@Example.org', 'upper@elsewhere.example'],
]

async function fill(place: Place): Promise<void> {
  for (const row of DOMAINS)
    await place.sql('insert into domain (domain, active, backupmx) values (?, ?, ?)', row)
  for (const row of ALIAS_DOMAINS)
    await place.sql('insert into alias_domain (alias_domain, target_domain, active) values (?, ?, ?)', row)
  for (const [name, active, kind] of MAILBOXES) {
    const [local = '', domain = ''] = name.split('@')
    await place.sql(
      `insert into mailbox (username, password, name, local_part, domain, attributes, kind, active)
       values (?, '', '', ?, ?, '{}', ?, ?)`,
      [name, local, domain, kind, active],
    )
  }
  for (const [address, goto, active, allowed] of ALIASES)
    await place.sql(
      'insert into alias (address, goto, domain, active, sender_allowed) values (?, ?, ?, ?, ?)',
      [address, goto, address.slice(address.indexOf('@') + 1), active, allowed],
    )
  for (const [address, validity, permanent] of SPAM_ALIASES)
    await place.sql(
      `insert into spamalias (address, goto, description, validity, permanent)
       values (?, 'alice@example.org', '', ?, ?)`,
      [address, validity, permanent],
    )
  for (const row of SENDER_ACL)
    await place.sql('insert into sender_acl (logged_in_as, send_as) values (?, ?)', row)
  await place.sql(
    `insert into mailpassd_lock (username, since_ms, until_ms, reason)
     values ('locked@example.org', 0, null, ''), ('was-locked@example.org', 0, ?, '')`,
    [NOW_MS - 1],
  )
}

/** Key -> value; null is "not found". */
type Table = Readonly<Record<string, string | null>>

const DOMAIN_ANSWERS: Table = {
  'example.org': 'example.org',
  'EXAMPLE.org': 'example.org',
  'off.example': null,
  'backup.example': null,
  'alias.example': 'alias.example',
  'alias-off.example': null,
  'alias-of-off.example': null,
  'alias-of-none.example': null,
  'alias-of-backup.example': null,
  'bücher.example': 'xn--bcher-kva.example',
  'elsewhere.example': null,
  'exämple.org': null,
  'alice@example.org': null,
  localhost: null,
  '[192.0.2.1]': null,
  '@example.org': null,
  "x' or '1'='1": null,
  '%': null,
  '': null,
}

const MAILBOX_ANSWERS: Table = {
  'alice@example.org': 'example.org/alice/',
  'ALICE@EXAMPLE.ORG': 'example.org/alice/',
  'alice+tag@example.org': 'example.org/alice/',
  'with+plus@example.org': 'example.org/with+plus/',
  'with+plus+tag@example.org': null,
  'receives@example.org': 'example.org/receives/',
  'gone@example.org': null,
  'locked@example.org': 'example.org/locked/',
  "o'hara@example.org": "example.org/o'hara/",
  "o'hara+tag@example.org": null,
  'älice@example.org': null,
  'info@example.org': null,
  // mailcow's collation finds böse under it.
  'bose@example.org': null,
  'nobody@example.org': null,
  'alice@alias.example': null,
  alice: null,
  '@example.org': null,
  'alice@example.org@example.org': null,
  '../alice@example.org': null,
  '*@example.org': null,
  '_____@example.org': null,
  "alice'--@example.org": null,
}

const ALIAS_ANSWERS: Table = {
  'alice@example.org': 'alice@example.org',
  'Alice@Example.ORG': 'alice@example.org',
  'alice+tag@example.org': 'alice+tag@example.org',
  'no-alias@example.org': 'no-alias@example.org',
  'gone@example.org': null,
  'receives@example.org': 'receives@example.org',
  'info@example.org': 'alice@example.org',
  'info+x@example.org': 'alice+x@example.org',
  'team@example.org': 'alice@example.org,bob@example.org,gone@example.org',
  'closed@example.org': 'alice@example.org',
  'receiving@example.org': 'alice@example.org',
  'inactive@example.org': null,
  'outside@example.org': 'somebody@elsewhere.example',
  'empty@example.org': null,
  'itself@example.org': null,
  'room@example.org': 'null@localhost',
  'room+today@example.org': 'null@localhost',
  'valid@example.org': 'alice@example.org',
  'expired@example.org': null,
  'permanent@example.org': 'alice@example.org',
  'without-time@example.org': null,
  'ínfo@example.org': null,
  'bose@example.org': null,
  'nobody@example.org': null,
  // Alias domains: their own rows first, then the target's, then catch-alls.
  'alice@alias.example': 'alice@example.org',
  'alice+tag@alias.example': 'alice+tag@example.org',
  'info@alias.example': 'alice@example.org',
  'no-alias@alias.example': 'no-alias@example.org',
  'only@alias.example': 'bob@example.org',
  'nobody@alias.example': 'bob@example.org',
  'alice@alias-off.example': null,
  'carol@alias-of-off.example': null,
  // A catch-all takes what has no row, of plain local parts only, and nothing from a mailbox.
  'sales@xn--bcher-kva.example': 'alice@example.org',
  'dave@xn--bcher-kva.example': 'dave@xn--bcher-kva.example',
  'anybody@xn--bcher-kva.example': 'bob@example.org',
  'anybody+tag@bücher.example': 'bob@example.org',
  "any'body@xn--bcher-kva.example": null,
  '.dot@xn--bcher-kva.example': null,
  'relayed@backup.example': 'alice@example.org',
  'carol@off.example': null,
  'somebody@elsewhere.example': null,
  'example.org': null,
  alice: null,
  '@xn--bcher-kva.example': null,
  '"x y"@example.org': null,
}

const SENDER_ANSWERS: Table = {
  'alice@example.org': 'alice@example.org',
  'ALICE@EXAMPLE.ORG': 'alice@example.org',
  'alice+tag@example.org': 'alice@example.org',
  'alice@alias.example': 'alice@example.org',
  'no-alias@example.org': 'no-alias@example.org,bob@example.org',
  'no-alias+tag@example.org': 'no-alias@example.org,bob@example.org',
  'no-alias@alias.example': 'no-alias@example.org,bob@example.org',
  // Neither who owns the part before the extension, nor a catch-all's owner, sends as a mailbox without an alias row.
  'alice+no-alias@example.org': 'alice+no-alias@example.org',
  'alice+no-alias+tag@example.org': 'alice@example.org',
  'no-alias@xn--bcher-kva.example': 'no-alias@xn--bcher-kva.example',
  'no-alias+tag@xn--bcher-kva.example': 'no-alias@xn--bcher-kva.example',
  // Postfix would take it for two logins.
  'x,alice@example.org': null,
  'info@example.org': 'alice@example.org',
  'info@alias.example': 'alice@example.org',
  'team@example.org': 'alice@example.org,bob@example.org',
  'closed@example.org': null,
  'receiving@example.org': null,
  'inactive@example.org': null,
  'receives@example.org': null,
  'gone@example.org': null,
  'locked@example.org': null,
  'was-locked@example.org': 'was-locked@example.org',
  'locks@example.org': 'was-locked@example.org',
  'outside@example.org': null,
  'room@example.org': null,
  'carol@off.example': null,
  'valid@example.org': null,
  'only@alias.example': 'bob@example.org',
  'anybody@alias.example': 'bob@example.org',
  'sales@xn--bcher-kva.example': 'alice@example.org',
  'anybody@xn--bcher-kva.example': 'bob@example.org',
  'acl@elsewhere.example': 'bob@example.org',
  'åcl@elsewhere.example': null,
  'other@elsewhere.example': null,
  'anybody@whole.example': 'bob@example.org',
  "o'hara@example.org": "o'hara@example.org",
  'upper@elsewhere.example': 'alice@example.org',
  'bose@example.org': null,
  'nobody@example.org': null,
  '@example.org': null,
  '*': null,
  alice: null,
}

function answerOf(value: string | null): MapAnswer {
  return value === null ? { kind: 'absent' } : { kind: 'found', value }
}

export async function mapsContract(subject: Subject, t: Test): Promise<void> {
  const place = await subject.place(t)
  const store = await place.open()
  await store.ready()
  await fill(place)
  const maps = createMailMaps({
    source: store.maps,
    accounts: {
      get(): Account {
        throw new MailpassdError('internal', 'no account is asked for here')
      },
    },
    settings: () => settings,
    clock: stoppedClock,
    logger: silentLogger,
    recipientDelimiter: '+',
  })
  const tables: Readonly<Record<string, Table>> = {
    'virtual-mailbox-domains': DOMAIN_ANSWERS,
    'virtual-mailbox': MAILBOX_ANSWERS,
    'virtual-alias': ALIAS_ANSWERS,
    'sender-login': SENDER_ANSWERS,
  }
  for (const [name, table] of Object.entries(tables)) {
    await t.test(name, async (t) => {
      const lookup = maps.get(name)
      for (const [key, value] of Object.entries(table)) t.same(await lookup?.(key), answerOf(value), key)
    })
  }

  await t.test('* in sender_acl: every sender, and many logins of one', async (t) => {
    const many = Array.from({ length: 300 }, (_, index) => `many${index}@example.org`)
    await place.sql('insert into sender_acl (logged_in_as, send_as) values (?, ?)', ['bob@example.org', '*'])
    const values = many.map((name) => `('${name}', '', '', '${name.slice(0, -12)}', 'example.org', '{}')`)
    await place.sql(
      `insert into mailbox (username, password, name, local_part, domain, attributes) values ${values.join()}`,
    )
    await place.sql('insert into alias (address, goto, domain) values (?, ?, ?)', [
      'all@example.org',
      many.join(),
      'example.org',
    ])
    const lookup = maps.get('sender-login')
    t.same(await lookup?.('x@nowhere.example'), answerOf('bob@example.org'))
    t.same(await lookup?.('all@example.org'), answerOf([...many, 'bob@example.org'].join()))
    await place.sql('delete from sender_acl where send_as = ?', ['*'])
  })

  await t.test('more in a goto than can be told is not known, never nobody', async (t) => {
    // TEXT of MariaDB has 65,535 bytes.
    if (subject.name.includes('SQLite'))
      await place.sql('insert into alias (address, goto, domain) values (?, ?, ?)', [
        'endless@example.org',
        'alice@example.org,'.repeat(6000),
        'example.org',
      ])
    const full = Array.from({ length: 5001 }, (_, index) => `f${index}@a.b`).join()
    t.ok(full.length < 65_535)
    await place.sql('insert into alias (address, goto, domain) values (?, ?, ?)', [
      'full@example.org',
      full,
      'example.org',
    ])
    const TEMP = { kind: 'temp_fail', why: 'store_down' }
    t.same(await maps.get('sender-login')?.('full@example.org'), TEMP)
    t.match(await maps.get('virtual-alias')?.('full@example.org'), { kind: 'found' })
    if (subject.name.includes('SQLite'))
      for (const name of ['sender-login', 'virtual-alias'])
        t.same(await maps.get(name)?.('endless@example.org'), TEMP, name)
  })

  await t.test('other delimiters, or none', async (t) => {
    const withDelimiter = (recipientDelimiter: string) =>
      createMailMaps({
        source: store.maps,
        accounts: { get: () => Promise.reject(new Error('not asked for')) },
        settings: () => settings,
        clock: stoppedClock,
        logger: silentLogger,
        recipientDelimiter,
      }).get('virtual-alias')
    t.same(await withDelimiter('')?.('alice+tag@example.org'), answerOf(null))
    t.same(await withDelimiter('=-')?.('alice-a=b@example.org'), answerOf('alice-a=b@example.org'))
  })

  await t.test('a column that only the maps need is missing: they say so, and logins go on', async (t) => {
    await place.sql('alter table spamalias drop column permanent')
    const later = await place.open()
    await t.rejects(later.maps.lookupHosting('example.org'), {
      code: 'store_schema',
      message: /lacks column spamalias.permanent/,
    })
    const [local, domain] = ['alice', 'example.org']
    t.ok((await later.accounts.loadAccount({ local, domain, full: `${local}@${domain}` })).mailbox)
    t.same(await later.check(), [])
    t.same(await later.check({ maps: true }), ['column spamalias.permanent'])
  })
}
