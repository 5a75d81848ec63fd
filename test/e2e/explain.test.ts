/**
 * `mailpassd explain` on a real Keycloak and MariaDB in mailcow's schema: each of the things that keep a user out is
 * named, as a login names it, with what to do; and nothing is written by asking.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { explain } from '../../src/cli/explain.ts'
import { login } from '../../src/cli/login.ts'
import { runCli } from '../../src/cli/run.ts'
import { recordedIo } from '../cli/recorded-io.ts'
import { userProfile } from '../servers/keycloak-realm.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'
import { DOMAIN_LIMITS, keycloakAndMariadb, mailUser } from './backend.ts'
import { isRecord } from './json.ts'

const DOMAIN = 'explained.example'
const FULL = 'full.example'
const COMMANDS = new Map([explain, login].map((command) => [command.name, async () => command]))

const at = (local: string, domain = DOMAIN) => `${local}@${domain}`
const of = (local: string) => `password of ${local}`
const user = (local: string, more: Parameters<typeof mailUser>[2] = {}) =>
  mailUser(at(local), of(local), more)

async function place(t: Test, config: string) {
  const dataDir = await mkdtemp(join(tmpdir(), 'mailpassd-explain-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const file = join(dataDir, 'mailpassd.toml')
  await writeFile(file, config, { mode: 0o600 })
  async function run(words: readonly string[], stdin = '') {
    const io = recordedIo(stdin)
    const code = await runCli(COMMANDS, [...words, '--config', file, '--data-dir', dataDir], io)
    return { code, ...io.seen }
  }
  return {
    text: (address: string) => run(['explain', address]),
    json: async (address: string) => {
      const { code, out } = await run(['explain', address, '--json'])
      const told: unknown = JSON.parse(out)
      return { code, told: isRecord(told) ? told : {} }
    },
    login: async (address: string, password: string) => {
      const { code, out } = await run(['login', address, '--json'], `${password}\n`)
      const told: unknown = JSON.parse(out)
      return { code, told: isRecord(told) ? told : {} }
    },
  }
}

suite('what keeps a user out', [keycloakMissing(), mariadbMissing()], async (t) => {
  const backend = await keycloakAndMariadb(t, DOMAIN, [
    user('good'),
    user('bare', { attributes: {} }),
    user('off', { enabled: false }),
    user('mapped', {
      attributes: {
        mailcow_template: ['gone'],
        mailcow_password: user('mapped').attributes?.['mailcow_password'] ?? [],
      },
    }),
    user('locked'),
    mailUser(at('late', FULL), of('late')),
  ])
  const mappings = '[[directory.mappings]]\nattribute = "gone"\ntemplate = "Gone"\n'
  const { text, json, login } = await place(t, `${backend.config()}${mappings}`)
  const { sql } = backend.database
  await sql.query(`insert into domain set domain = ?, ${DOMAIN_LIMITS}`, [FULL])
  await sql.query('update domain set mailboxes = 0 where domain = ?', [FULL])
  // The first look makes our own tables.
  t.equal((await json(at('good'))).code, 0)
  await sql.query("insert into mailpassd_lock set username = ?, since_ms = 1, reason = ''", [at('locked')])

  const refused: [
    address: string,
    password: string,
    why: string,
    room: string,
    command: RegExp | undefined,
  ][] = [
    [at('bare'), 'any', 'no_hash', 'hash', /^mailpassd hash make$/],
    [at('off'), of('off'), 'directory_disabled', 'user', undefined],
    [at('mapped'), of('mapped'), 'template_missing', 'template', /^mailpassd check/],
    [at('locked'), of('locked'), 'locked', 'lock', /^mailpassd mailbox unlock locked@explained\.example$/],
    [at('late', FULL), of('late'), 'max_mailboxes', 'domain', /^mailpassd domain set full\.example --max-m/],
    [at('nobody'), 'any', 'no_such_user', 'user', undefined],
    [
      at('a', 'elsewhere.example'),
      'any',
      'domain_not_hosted',
      'domain',
      /^mailpassd domain add elsewhere\.e/,
    ],
  ]
  for (const [address, password, why, room, command] of refused)
    await t.test(`${address}: ${why}`, async (t) => {
      const before = await backend.rowsOf(address)
      const { code, told } = await json(address)
      t.equal(code, 1)
      t.match(told, { answer: 'no', credentials: [{ id: 'main', answer: 'no', why }] })
      const checks = Array.isArray(told['checks']) ? told['checks'].filter(isRecord) : []
      t.match(
        checks.filter((check) => check['state'] === 'no'),
        [{ room, why }],
        'one thing is wrong, and no other is said to be',
      )
      const todo = Array.isArray(told['todo']) ? told['todo'].filter(isRecord) : []
      t.match(todo, [{ why, ...(command === undefined ? {} : { command }) }])
      t.strictSame(await backend.rowsOf(address), before, 'nothing is written')

      const tried = await login(address, password)
      t.equal(tried.told['why'], why, 'a login says the same')
      t.equal(tried.code, 1)
    })

  await t.test('the template exists by then, and the mailbox is made by the login alone', async (t) => {
    t.match(await text(at('good')), { code: 0, out: /none yet: the first good login makes it/ })
    t.equal(await backend.mailboxes(), 0)
    t.equal((await login(at('good'), of('good'))).told['provisioned'], true)
    const { code, out } = await text(at('good'))
    t.equal(code, 0)
    t.match(out, /ok {2}mailbox +active, password from keycloak/)
    t.match(out, /Last logins \(UTC\)\n.* ok +verified +imap +unknown +main/)
  })

  await t.test('the profile hides the attribute: whether the user has a hash is not known', async (t) => {
    await backend.realm.admin(
      'PUT',
      '/users/profile',
      userProfile({ attributes: { mailcow_template: 'admin' } }),
    )
    const { code, out } = await text(at('good'))
    t.equal(code, 75, 'nobody is refused for it')
    t.match(out, /hash +none: the realm's user profile hides the attribute from us/)
    t.match(await login(at('good'), of('good')), { code: 75, told: { why: 'hash_hidden' } })
  })

  await t.test('Keycloak is not reachable, or refuses us: not known', async (t) => {
    const down = await place(t, backend.config({ serverUrl: 'http://127.0.0.1:1' }))
    t.match(await down.json(at('good')), {
      code: 75,
      told: { answer: 'unknown', todo: [{ step: 1, why: 'directory_down', command: /^mailpassd check/ }] },
    })
    const { clientSecret } = backend.realm
    const refused = await place(
      t,
      backend.config().replace(clientSecret, 'another-secret-than-the-right-one'),
    )
    t.match(await refused.json(at('good')), { code: 75, told: { todo: [{ why: 'directory_refuses_us' }] } })
    t.match(await down.json(at('a', 'elsewhere.example')), { code: 1 }, 'what needs no directory is known')
  })
})
