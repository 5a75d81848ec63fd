/**
 * What users of a mailcow rely on and mailpassd does too, on a real Keycloak and MariaDB with mailcow's schema. Services
 * and app passwords' protocols have suites of their own (test/login).
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { DEFAULT_TEMPLATE } from '../servers/mailcow-schema.ts'
import type { TestUser } from '../servers/keycloak-realm.ts'
import { missing } from '../servers/roots.ts'
import { suite } from '../servers/suite.ts'
import { hash, mailUser } from './backend.ts'
import { at, DOMAIN, startWorld, until, WORLD_NEEDS } from './mailcow-world.ts'

const user = (local: string, attributes: Record<string, readonly string[]> = {}): TestUser =>
  mailUser(at(local), '', { attributes: { mailcow_password: [hash(`of ${local}`)], ...attributes } })
const hashed = (local: string, ...hashes: readonly string[]) => user(local, { mailcow_password: hashes })
const crypt = (...args: readonly string[]) =>
  execFileSync('openssl', ['passwd', ...args], { encoding: 'utf8' }).trim()

const MADE = { status: 200, body: { verdict: 'ok', provisioned: true } }
const IN = { status: 200, body: { verdict: 'ok', provisioned: false } }
const REFUSED = { status: 401, body: { verdict: 'password_mismatch' } }
const OFF = { status: 403, body: { verdict: 'user_disabled' } }

const needs = [...WORLD_NEEDS, missing('host', '/usr/bin/openssl'), missing('host', '/usr/bin/mkpasswd')]
suite("what users rely on in mailcow's PHP and mailpassd does too", needs, async (t) => {
  const sha = createHash('sha256').update('of sha').digest()
  const users: readonly TestUser[] = [
    ...['apps', 'upper', 'once'].map((local) => user(local)),
    user('first', { mailcow_template: ['sales', 'other'] }),
    user('second', { mailcow_template: ['nobody maps this', 'sales'] }),
    hashed('many', hash('of old'), hash('of new')),
    hashed('tag', `{BLF-CRYPT}${crypt('-6', '-salt', 'abcdefgh', 'of tag')}`),
    hashed('long', hash('x'.repeat(72))),
    hashed('x2', hash('of x2').replace('$2b$', '$2x$')),
    hashed(
      'yescrypt',
      `{CRYPT}${execFileSync('mkpasswd', ['-m', 'yescrypt', 'of yescrypt'], { encoding: 'utf8' }).trim()}`,
    ),
    hashed('apr1', `{CRYPT}${crypt('-apr1', '-salt', 'abcdefgh', 'of apr1')}`),
    hashed('base64', `{SHA256}${sha.toString('base64')}`),
    hashed('hex', `{SHA256}${sha.toString('hex')}`),
    hashed('dothex', `{SHA256.HEX}${sha.toString('hex')}`),
    hashed('dotb64', `{SHA256.B64}${sha.toString('base64')}`),
  ]
  const mappings = ['sales', 'other'].map(
    (name) => `[[directory.mappings]]\nattribute = "${name}"\ntemplate = "${name}"\n`,
  )
  const { login, sql, isWritten } = await startWorld(t, users, mappings.join(''))
  for (const [name, mib] of [
    ['sales', 3],
    ['other', 5],
  ] as const) {
    const attributes = DEFAULT_TEMPLATE.replace('"quota":0', `"quota":${mib * 1024 * 1024}`)
    await sql("insert into templates (template, type, attributes) values (?, 'mailbox', ?)", [
      name,
      attributes,
    ])
  }
  const quotaOf = async (local: string) => {
    const [row] = await sql('select quota from mailbox where username = ?', [at(local)])
    return Number(row?.['quota']) / 1024 / 1024
  }

  await t.test('app passwords fail for a mailbox that is inactive, or receives only', async (t) => {
    t.match(await login('apps', 'of apps'), MADE)
    await sql("insert into app_passwd (name, mailbox, domain, password) values ('phone', ?, ?, ?)", [
      at('apps'),
      DOMAIN,
      hash('of the phone'),
    ])
    await until(async () => (await login('apps', 'of the phone')).status === 200, 'a login by app password')
    for (const active of [0, 2]) {
      await sql('update mailbox set active = ? where username = ?', [active, at('apps')])
      await until(
        async () => (await login('apps', 'of the phone')).status === 403,
        `a refusal with active ${active}`,
      )
      t.match(await login('apps', 'of the phone'), OFF)
      t.match(await login('apps', 'of apps'), OFF)
    }
  })

  await t.test('the first value of the template attribute counts; of passwords, each', async (t) => {
    t.match(await login('first', 'of first'), MADE)
    t.equal(await quotaOf('first'), 3)
    t.match(await login('second', 'of second'), MADE)
    t.equal(await quotaOf('second'), 0, 'what no mapping names is as none: the default template')
    t.match(await login('many', 'of neither'), REFUSED)
    t.match(await login('many', 'of new'), MADE)
    t.match(await login('many', 'of old'), IN)
  })

  await t.test('tags of crypt schemes are interchangeable', async (t) => {
    t.match(await login('tag', 'of others'), REFUSED)
    t.match(await login('tag', 'of tag'), MADE)
  })

  await t.test('bcrypt ignores what is past 72 bytes', async (t) => {
    t.match(await login('long', 'x'.repeat(71)), REFUSED)
    t.match(await login('long', `${'x'.repeat(72)}and more`), MADE)
  })

  await t.test('$2x$ verifies, yescrypt and apr1 do not', async (t) => {
    t.match(await login('x2', 'of x2'), MADE)
    for (const local of ['yescrypt', 'apr1']) {
      t.match(await login(local, `of ${local}`), OFF)
      t.notOk(await isWritten(local))
    }
  })

  await t.test("{SHA256} is base64; Dovecot's .HEX and .B64 are ours on top", async (t) => {
    for (const local of ['base64', 'dothex', 'dotb64']) {
      t.match(await login(local, 'of others'), REFUSED)
      t.match(await login(local, 'of sha'), MADE, local)
    }
    t.match(await login('hex', 'of sha'), MADE, 'and hex by its length, as Dovecot reads it')
  })

  await t.test('upper case logs in, to the same mailbox', async (t) => {
    t.match(await login('upper', 'of upper'), MADE)
    t.match(await login('UPPER', 'of upper'), {
      status: 200,
      body: { mailbox: at('upper'), provisioned: false },
    })
    t.match(await login('Upper', 'of upper'), IN)
  })

  await t.test('default_template provisions and never syncs', async (t) => {
    t.match(await login('once', 'of once'), MADE)
    const before = await sql('select * from mailbox where username = ?', [at('once')])
    const changed = DEFAULT_TEMPLATE.replace('"quota":0', '"quota":1048576').replace(
      '"imap_access":1',
      '"imap_access":0',
    )
    await sql("update templates set attributes = ? where template = 'Default' and type = 'mailbox'", [
      changed,
    ])
    for (const _ of [1, 2]) t.match(await login('once', 'of once'), IN)
    t.same(await sql('select * from mailbox where username = ?', [at('once')]), before)
  })
})
