/**
 * What mailcow's own PHP does and mailpassd must not: each row of the table "How it differs from mailcow's PHP" in
 * docs/mailcow.md, on a real Keycloak and MariaDB with mailcow's schema.
 */
import { createHash } from 'node:crypto'
import { DEFAULT_TEMPLATE } from '../servers/mailcow-schema.ts'
import { HTTP_FAULTS } from '../servers/fault-proxy.ts'
import type { TestUser } from '../servers/keycloak-realm.ts'
import { suite } from '../servers/suite.ts'
import { mailUser } from './backend.ts'
import { startDaemon } from './daemon.ts'
import {
  at,
  DOMAIN,
  loginAt,
  loginBody,
  post,
  startWorld,
  until,
  whyAt,
  WORLD_NEEDS,
} from './mailcow-world.ts'

const user = (local: string, more: Partial<TestUser> = {}) => mailUser(at(local), `of ${local}`, more)
const hashed = (local: string, hash: string) => user(local, { attributes: { mailcow_password: [hash] } })
const mapped = (local: string, ...templates: string[]) => {
  const { attributes, ...rest } = user(local)
  return { ...rest, attributes: { ...attributes, mailcow_template: templates } }
}
const md5 = (text: string) => createHash('md5').update(text).digest('hex')

/** Texts whose MD5 in hex is 0e and digits: zero, all of them, to who takes them for numbers. */
const MAGIC = ['240610708', 'QNKCDZO'] as const
const LATIN1 = Buffer.from('pässwörd', 'latin1')

/** Users whom a daemon has never seen when Keycloak gets this fault. */
const hangingIn = (fault: string) => Array.from({ length: 20 }, (_, index) => `${fault}-${index}`)

const USERS: readonly TestUser[] = [
  ...[
    'joe',
    'bjoe',
    'xsam',
    'jane',
    'wa_b',
    'wa0b',
    'kept',
    'quiet',
    'guessed',
    'hurt',
    'ldap',
    'logged',
  ].map((local) => user(local)),
  ...['warm', 'sogo1', 'sogo2', 'later'].map((local) => user(local)),
  ...HTTP_FAULTS.flatMap((fault) => hangingIn(fault).map((local) => user(local))),
  user('off', { enabled: false }),
  user('pending', { requiredActions: ['UPDATE_PASSWORD'] }),
  mapped('dormant', 'dormant'),
  mapped('pop', 'pop'),
  mapped('lost', 'nobody maps this'),
  mailUser('off@inactive.example', 'of off'),
  hashed('plain', '{PLAIN}1000'),
  hashed('clear', '{CLEARTEXT}1000'),
  hashed('digest', `{PLAIN-MD5}${md5(MAGIC[0])}`),
  hashed('brace', '{PLAIN}a}b{c}d'),
  hashed('line', '{PLAIN}first\nsecond'),
  hashed('dash', '{PLAIN-TRUNC}x-secret of dash'),
  hashed('pbkdf2', '{PBKDF2}$1$secret-of-pbkdf2'),
  hashed('latin1', `{SHA256}${createHash('sha256').update(LATIN1).digest('base64')}`),
]

const MAPPINGS = ['dormant', 'pop'].map(
  (name) => `[[directory.mappings]]\nattribute = "${name}"\ntemplate = "${name}"\n`,
)

const REFUSED = { status: 401, body: { verdict: 'password_mismatch' } }
const LATER = { status: 503, body: { verdict: 'temp_fail' } }
const MADE = { status: 200, body: { verdict: 'ok', provisioned: true } }
const IN = { status: 200, body: { verdict: 'ok' } }

suite("what mailcow's PHP does and mailpassd must not", WORLD_NEEDS, async (t) => {
  const world = await startWorld(t, USERS, MAPPINGS.join(''))
  const { login, why, isWritten, sql } = world
  const template = (name: string, more: object) => {
    const attributes: object = JSON.parse(DEFAULT_TEMPLATE)
    return sql("insert into templates (template, type, attributes) values (?, 'mailbox', ?)", [
      name,
      JSON.stringify({ ...attributes, ...more }),
    ])
  }
  await template('dormant', { active: 0 })
  await template('pop', { imap_access: 0 })
  await sql(
    "insert into domain (domain, mailboxes, maxquota, quota, active) values ('inactive.example', 9, 9, 9, 0)",
  )
  // Its own tables are there before anything is looked at.
  await login('nobody', 'x')

  await t.test('joe@ and bjoe@ exist: exact, one hit, e-mail compared', async (t) => {
    t.match(await login('joe', 'of bjoe'), REFUSED)
    t.notOk(await isWritten('joe'))
    t.match(await login('joe', 'of joe'), MADE)
    t.match(await login('sam', 'of xsam'), { status: 401 }, 'only xsam@ is there')
    t.notOk(await isWritten('sam'))
  })

  await t.test('_ in the local part is literal', async (t) => {
    t.match(await login('ja_e', 'of jane'), { status: 401 })
    t.notOk(await isWritten('ja_e'))
    t.match(await login('wa_b', 'of wa0b'), REFUSED)
    t.match(await login('wa_b', 'of wa_b'), MADE)
    t.match(await login('wa0b', 'of wa0b'), MADE)
  })

  await t.test('user disabled: refused; required actions pending: as configured', async (t) => {
    t.match(await login('off', 'of off'), { status: 403, body: { verdict: 'user_disabled' } })
    await until(() => why('off') === 'directory_disabled', 'directory_disabled')
    t.notOk(await isWritten('off'))
    const strict = await startDaemon({
      config: world.config.replace('[directory]', '[directory]\nrefuse_required_actions = true'),
    })
    t.teardown(() => strict.stop())
    t.match(await loginAt(strict.url)('pending', 'of pending'), { status: 403 })
    await until(() => whyAt(strict, 'pending') === 'required_actions', 'required_actions')
    t.notOk(await isWritten('pending'))
    t.match(await login('pending', 'of pending'), MADE, 'by default they do not count')
  })

  await t.test('mailbox set inactive by an admin, display name set: it stays so', async (t) => {
    t.match(await login('kept', 'of kept'), MADE)
    // What mailcow's interface does beside it: the hash goes, so that its PHP applies the template again.
    await sql(
      `update mailbox set active = 0, name = 'Kept as it is', quota = 7, attributes = json_set(attributes,
        '$.attribute_hash', '', '$.pop3_access', '0', '$.sogo_access', '0') where username = ?`,
      [at('kept')],
    )
    await sql('update alias set active = 0 where address = ?', [at('kept')])
    const before = await world.rows('kept')
    await until(async () => (await login('kept', 'of kept')).status === 403, 'a refusal')
    await until(() => why('kept') === 'mailbox_inactive', 'mailbox_inactive')
    await login('kept', 'of kept', 'pop3')
    t.same(await world.rows('kept'), before)
    await sql('update mailbox set active = 1 where username = ?', [at('kept')])
    await until(async () => (await login('kept', 'of kept')).status === 200, 'a login')
    t.match(await login('kept', 'of kept', 'pop3'), { status: 403, body: { verdict: 'service_denied' } })
    const after = await world.rows('kept')
    t.match(after['mailbox'], [{ name: 'Kept as it is', quota: 7, attributes: /"pop3_access": ?"0"/ }])
    t.match(after['alias'], [{ active: 0 }])
  })

  await t.test('a refused login writes nothing, or only once allowed', async (t) => {
    const inactive = loginBody({ username: 'off@inactive.example', service: 'imap', remote_ip: '' }, 'of off')
    t.match(await post(world.daemon.url, '/v1/login', inactive), { status: 403 })
    t.same(await sql("select * from mailbox where domain = 'inactive.example'"), [])
    t.match(await login('dormant', 'of dormant'), { status: 403 })
    await until(() => why('dormant') === 'mailbox_inactive', 'mailbox_inactive')
    t.notOk(await isWritten('dormant'), 'its template makes inactive mailboxes')
    t.match(await login('pop', 'of pop'), { status: 403, body: { verdict: 'service_denied' } })
    t.notOk(await isWritten('pop'), 'its template closes IMAP')
    t.match(await login('pop', 'of pop', 'pop3'), MADE)
    t.ok(await isWritten('pop'))
  })

  await t.test('{PLAIN}, {CLEARTEXT}, {PLAIN-MD5}: bytes', async (t) => {
    for (const local of ['plain', 'clear']) {
      for (const number of ['1e3', '1000.0', ' 1000', '01000', '+1000', '0x3e8'])
        t.match(await login(local, number), REFUSED, `${number} is not 1000`)
      t.match(await login(local, '1000'), MADE)
    }
    t.match(await login('digest', MAGIC[1]), REFUSED, 'both digests are 0e…')
    t.match(await login('digest', MAGIC[0]), MADE)
  })

  await t.test('{PLAIN} with } inside: the scheme ends at the first', async (t) => {
    for (const part of ['b{c}d', 'd', 'a']) t.match(await login('brace', part), REFUSED)
    t.match(await login('brace', 'a}b{c}d'), MADE)
    t.match(await login('line', 'first'), REFUSED, 'a newline cuts nothing off')
    t.notOk(await isWritten('line'))
  })

  await t.test(
    '{PLAIN-TRUNC} with a dash, malformed {PBKDF2}, no mapper, ldap rows: a reason, and nothing in a log',
    async (t) => {
      for (const local of ['dash', 'pbkdf2']) {
        t.match(await login(local, 'my own secret'), { status: 403, body: { verdict: 'user_disabled' } })
        await until(() => why(local) === 'hash_unusable', 'hash_unusable')
        t.notOk(await isWritten(local))
      }
      t.match(await login('lost', 'of lost'), MADE, 'the default template')
      await sql(
        `insert into mailbox (username, password, local_part, domain, attributes, authsource)
       values (?, '', 'ldap', ?, '{"imap_access":"1"}', 'ldap')`,
        [at('ldap'), DOMAIN],
      )
      t.match(await login('ldap', 'of ldap'), { status: 403 })
      await until(() => why('ldap') === 'authsource_unsupported', 'authsource_unsupported')
      t.notMatch(
        world.daemon.log(),
        /secret of dash|secret-of-pbkdf2|my own secret|of ldap|\{PBKDF2\}|PLAIN-TRUNC\}/,
      )
    },
  )

  await t.test('password not UTF-8: bytes compared', async (t) => {
    const utf8 = Buffer.from('pässwörd')
    t.match(await login('latin1', utf8), REFUSED)
    t.match(await login('latin1', LATIN1), MADE)
    const asMailcow = loginBody({ username: at('latin1'), service: 'imap', real_rip: '192.0.2.1' }, LATIN1)
    t.match(await post(world.daemon.url, '/', asMailcow), { status: 200, body: { success: true } })
  })

  await t.test('bad real_rip or service: the login is recorded', async (t) => {
    const ask = (real_rip: string, service: string) =>
      post(world.daemon.url, '/', loginBody({ username: at('logged'), real_rip, service }, 'of logged'))
    t.match(await ask('not an address', 'imap'), { status: 200, body: { success: true } })
    t.match(await ask('192.0.2.7', 'a service that has a name far longer than 32'), { status: 200 })
    const seen = () =>
      sql('select service, network, verdict from mailpassd_login where mailbox = ? order by service', [
        at('logged'),
      ])
    await until(async () => (await seen()).length === 2, 'two rows of our own log')
    t.match(await seen(), [
      { service: 'imap', verdict: 'ok' },
      { service: 'other', network: '192.0.2.0/24', verdict: 'ok' },
    ])
    const last = await sql('select service, real_rip from sasl_log where username = ?', [at('logged')])
    t.same(
      last,
      [{ service: 'OTHER', real_rip: '192.0.2.7' }],
      "mailcow's table, where there is an address to show",
    )
  })

  await t.test('no quota2 row: repaired', async (t) => {
    t.match(await login('hurt', 'of hurt'), MADE)
    const whole = await world.rows('hurt')
    for (const [table, column] of [
      ['quota2', 'username'],
      ['quota2replica', 'username'],
      ['alias', 'address'],
    ] as const)
      await sql(`delete from ${table} where ${column} = ?`, [at('hurt')])
    await until(async () => {
      t.match(await login('hurt', 'of hurt'), IN)
      return (await world.rows('hurt'))['quota2']?.length === 1
    }, 'the rows again')
    const again = await world.rows('hurt')
    t.same(again['quota2'], whole['quota2'])
    t.same(again['quota2replica'], whole['quota2replica'])
    t.match(again['alias'], [{ address: at('hurt'), goto: at('hurt'), active: 1 }])
  })

  await t.test('wrong password again: no request to Keycloak after the first', async (t) => {
    const { proxy } = world
    for (const local of ['guessed', 'nobody-at-all']) {
      t.match(await login(local, 'wrong'), { status: 401 })
      await proxy.set(undefined)
      for (const password of ['wrong', 'wrong', 'another'])
        t.match(await login(local, password), { status: 401 })
      t.equal(proxy.requests(), 0, local)
    }
  })

  await t.test('_sogo_static_view.c_password: random', async (t) => {
    for (const local of ['sogo1', 'sogo2']) t.match(await login(local, `of ${local}`), MADE)
    const passwords = (await sql('select c_password from _sogo_static_view')).map((row) =>
      String(row['c_password']),
    )
    t.ok(passwords.length > 2)
    t.equal(new Set(passwords).size, passwords.length, 'no two are the same')
    t.notOk(passwords.includes(`{SSHA256}${createHash('sha256').digest('base64')}`))
  })

  await t.test('any Keycloak fault, a wrong client secret: temp_fail, others unaffected', async (t) => {
    const { proxy } = world
    t.match(await login('warm', 'of warm'), MADE)
    for (const fault of HTTP_FAULTS) {
      await proxy.set(fault)
      const hanging = hangingIn(fault)
      const answers = hanging.map((local) => login(local, `of ${local}`))
      t.match(await login('warm', 'of warm'), IN, `${fault}: a known user beside them`)
      for (const answer of await Promise.all(answers)) t.match(answer, LATER, `${fault}: a user never seen`)
      for (const local of hanging) t.notOk(await isWritten(local))
    }
    await proxy.set(undefined)
    const { clientSecret } = world.backend.realm
    const misled = await startDaemon({ config: world.config.replace(clientSecret, 'wrong') })
    t.teardown(() => misled.stop())
    t.match(await loginAt(misled.url)('later', 'of later'), LATER, 'a wrong client secret')
    const asMailcow = loginBody({ username: at('later'), service: 'imap', real_rip: '192.0.2.1' }, 'of later')
    t.match(await post(misled.url, '/', asMailcow), { status: 503, body: { success: false } })
    t.notMatch(misled.log(), clientSecret)
  })

  await t.test('Redis down: nothing but a row that waits; MariaDB down: temp_fail', async (t) => {
    t.match(
      await sql("select * from mailpassd_outbox where consumer = 'redis' and address = ?", [at('joe')]),
      [{ last_error: /ECONNREFUSED/ }],
    )
    await world.mariadb.kill()
    t.match(await login('later', 'of later'), LATER)
    const asMailcow = loginBody({ username: at('later'), service: 'imap', real_rip: '192.0.2.1' }, 'of later')
    t.match(await post(world.daemon.url, '/', asMailcow), { status: 503, body: { success: false } })
  })
})
