/** The first minutes of an operator: the embedded default with its printed line, and each file of conf/. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { startChild, type Child } from '../servers/child.ts'
import { keycloakForTests } from '../servers/keycloak-realm.ts'
import { mariadbForTests, type TestDatabase } from '../servers/mariadb.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'
import { DOMAIN_LIMITS, mailUser } from './backend.ts'
import { MAILPASSD, parseLines } from './daemon.ts'

const run = promisify(execFile)
const CONF = join(import.meta.dirname, '../../conf')
const ANY_PORTS = ['--http', '127.0.0.1:0', '--sasl', '127.0.0.1:0', '--admin', '127.0.0.1:0']

async function temporary(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-start-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function serve(t: Test, args: readonly string[]): Promise<Child> {
  const child = startChild(MAILPASSD, ['serve', ...args, ...ANY_PORTS])
  t.teardown(() => child.stop())
  await child.until(() => parseLines(child.output()).some((line) => line['msg'] === 'ready'))
  return child
}

/** Runs `mailpassd login` with this password on stdin; gives what it printed and its exit code. */
async function login(args: readonly string[], password: string): Promise<{ text: string; code: number }> {
  const child = run(MAILPASSD, ['login', '--json', ...args])
  child.child.stdin?.end(`${password}\n`)
  return child.then(
    ({ stdout }) => ({ text: stdout, code: 0 }),
    (error: { stdout: string; code: number }) => ({ text: error.stdout, code: error.code }),
  )
}

t.test('the embedded default prints a curl line that logs in, twice and after a restart', async (t) => {
  const dataDir = await temporary(t)
  const first = await serve(t, ['--data-dir', dataDir])
  await first.until(() => first.output().includes('/v1/login'))
  const line = first.output().match(/^ {2}(curl .*)$/m)?.[1]
  if (line === undefined) throw new Error('no curl line was printed')
  const answers = [await run('sh', ['-c', line]), await run('sh', ['-c', line])].map(({ stdout }): unknown =>
    JSON.parse(stdout),
  )
  t.match(answers[0], { verdict: 'ok', mailbox: 'demo@example.org', provisioned: true })
  t.match(answers[1], { verdict: 'ok', provisioned: false })
  await first.stop()

  const second = await serve(t, ['--data-dir', dataDir])
  await second.until(() => second.output().includes('/v1/login'))
  const password = (await readFile(join(dataDir, 'demo-password'), 'utf8')).trim()
  t.ok(line.includes(password) && second.output().includes(password), 'the same password')
  const byDaemon = await login(['demo@example.org', '--data-dir', dataDir], password)
  t.match({ ...byDaemon, text: undefined }, { code: 0 })
  t.match(JSON.parse(byDaemon.text), { verdict: 'ok', provisioned: false, why: 'verified' })
  const wrong = await login(['demo@example.org', '--data-dir', dataDir], 'wrong')
  t.equal(wrong.code, 1)
  t.match(JSON.parse(wrong.text), { verdict: 'password_mismatch', why: 'hash_differs' })
})

t.test('a lock that waits for a running daemon to end sessions tells what came of it', async (t) => {
  const dataDir = await temporary(t)
  const config = join(dataDir, 'mailpassd.toml')
  await writeFile(
    config,
    '[directory]\nkind = "realm-file"\n[[dovecot.endpoints]]\nname = "here"\ncommand = ["false"]\n',
  )
  await writeFile(join(dataDir, 'realm.json'), JSON.stringify({ realm: 'mail', users: [] }))
  const options = ['--config', config, '--data-dir', dataDir]
  await serve(t, options)
  // Nothing but a timer keeps the command going: SQLite has no socket.
  const { stdout, stderr } = await run(MAILPASSD, ['mailbox', 'lock', 'jane@example.org', ...options])
  t.equal(stderr, '')
  t.match(stdout, /^jane@example\.org: locked since /)
  t.match(stdout, /^sessions at Dovecot here: .*exit code 1; tried again for an hour$/m)
})

t.test('passwords of two data directories differ', async (t) => {
  const [one, two] = [await temporary(t), await temporary(t)]
  const children = [await serve(t, ['--data-dir', one]), await serve(t, ['--data-dir', two])]
  await Promise.all(children.map((child) => child.stop()))
  t.not(
    await readFile(join(one, 'demo-password'), 'utf8'),
    await readFile(join(two, 'demo-password'), 'utf8'),
  )
  t.not(await readFile(join(one, 'token'), 'utf8'), await readFile(join(two, 'token'), 'utf8'))
})

t.test('a port that is taken is told, with exit code 73 and nothing left behind', async (t) => {
  const dataDir = await temporary(t)
  const first = await serve(t, ['--data-dir', dataDir])
  const address = String(parseLines(first.output()).find((line) => line['msg'] === 'ready')?.['http'])
  const second = startChild(MAILPASSD, [
    'serve',
    '--data-dir',
    await temporary(t),
    ...ANY_PORTS.slice(2),
    '--http',
    address,
  ])
  t.equal(await second.ended, 73)
  t.match(second.output(), /cannot listen on .*: another process listens there/)
})

/** A file of conf/ with this run's servers in place of its examples. */
async function adapt(
  t: Test,
  file: string,
  replacements: readonly (readonly [RegExp, string])[],
): Promise<string> {
  const dir = await temporary(t)
  let text = await readFile(join(CONF, file), 'utf8')
  for (const [pattern, value] of replacements) {
    if (!pattern.test(text)) throw new Error(`${file} has no ${pattern.source}`)
    text = text.replace(pattern, value)
  }
  const path = join(dir, file)
  await writeFile(path, text)
  return path
}

const USER = 'jane@conf.example'
const PASSWORD = 'of the shipped files'

async function realmFor(t: Test, file: string, more: readonly (readonly [RegExp, string])[] = []) {
  const keycloak = keycloakForTests(t)
  if (keycloak === undefined) throw new Error('no Keycloak')
  const realm = await keycloak.makeRealm({ users: [mailUser(USER, PASSWORD)] })
  t.teardown(() => realm.drop())
  const config = await adapt(t, file, [
    [/server_url = ".*"/, `server_url = "${realm.url}"`],
    [/realm = ".*"/, `realm = "${realm.realm}"`],
    [/client_id = ".*"/, `client_id = "${realm.clientId}"`],
    ...more,
  ])
  const dir = join(config, '..')
  await writeFile(join(dir, 'client_secret'), `${realm.clientSecret}\n`, { mode: 0o600 })
  await writeFile(join(dir, 'token_dovecot'), `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 })
  return { config, dir, dataDir: await temporary(t) }
}

/** A database user with the grants that the file asks for and no more. */
async function grantUser(
  t: Test,
  database: TestDatabase,
  grants: string,
): Promise<{ user: string; password: string }> {
  const user = `u${randomBytes(6).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  await database.sql.query(`create user ${user}@localhost identified by '${password}'`)
  t.teardown(() => database.sql.query(`drop user ${user}@localhost`))
  await database.sql.query(`grant ${grants} on ${database.name}.* to ${user}@localhost`)
  return { user, password }
}

async function firstLogin(t: Test, config: string, dataDir: string): Promise<void> {
  const args = ['--config', config, '--data-dir', dataDir]
  const checked = await run(MAILPASSD, ['check', ...args]).then(
    ({ stdout }) => stdout,
    (error: { stdout: string; stderr: string }) => `${error.stdout}${error.stderr}`,
  )
  t.notMatch(checked, /failed/i, 'mailpassd check finds no fault')
  await serve(t, args)
  const { text } = await login([USER, ...args], PASSWORD)
  t.match(JSON.parse(text), { verdict: 'ok', mailbox: USER, provisioned: true })
}

suite('conf/standalone-sqlite.toml', [keycloakMissing()], async (t) => {
  const { config, dataDir } = await realmFor(t, 'standalone-sqlite.toml')
  await run(MAILPASSD, ['domain', 'add', 'conf.example', '--config', config, '--data-dir', dataDir])
  await firstLogin(t, config, dataDir)
})

suite('conf/standalone-mariadb.toml', [keycloakMissing(), mariadbMissing()], async (t) => {
  const database = await mariadbForTests(t, 'standalone')
  const text = await readFile(join(CONF, 'standalone-mariadb.toml'), 'utf8')
  const grants = text.match(/GRANT (.*) ON mailpassd/)?.[1]
  if (grants === undefined) throw new Error('the file names no grants')
  const { user, password } = await grantUser(t, database, grants)
  const { config, dir, dataDir } = await realmFor(t, 'standalone-mariadb.toml', [
    [/host = ".*"/, `socket = "${database.store.socket}"`],
    [/database = ".*"/, `database = "${database.name}"`],
    [/user = ".*"/, `user = "${user}"`],
  ])
  await writeFile(join(dir, 'store_password'), `${password}\n`, { mode: 0o600 })
  await run(MAILPASSD, ['domain', 'add', 'conf.example', '--config', config, '--data-dir', dataDir])
  await firstLogin(t, config, dataDir)
})

suite('conf/mailcow.toml', [keycloakMissing(), mariadbMissing()], async (t) => {
  const database = await mariadbForTests(t, 'mailcow')
  await database.sql.query(`insert into domain set domain = 'conf.example', ${DOMAIN_LIMITS}`)
  const { user, password } = await grantUser(t, database, 'all')
  const { config, dir, dataDir } = await realmFor(t, 'mailcow.toml', [
    [/host = ".*"/, `socket = "${database.store.socket}"`],
    [/database = ".*"/, `database = "${database.name}"`],
    [/user = ".*"/, `user = "${user}"`],
  ])
  await writeFile(join(dir, 'store_password'), `${password}\n`, { mode: 0o600 })
  // No Redis answers there, and none is needed.
  await writeFile(join(dir, 'redis_password'), 'of no Redis\n', { mode: 0o600 })
  await firstLogin(t, config, dataDir)
})
