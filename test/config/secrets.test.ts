/** Secrets: where they may come from, and which files are refused. */
import t from 'tap'
import { execFileSync } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { examineConfig, loadConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problem.ts'

const base = await mkdtemp(join(tmpdir(), 'mailpassd-secrets-'))
t.teardown(() => rm(base, { recursive: true, force: true }))

const SECRET = 'swordfish-swordfish-swordfish'

async function write(name: string, text: string | Buffer, mode = 0o600): Promise<string> {
  const path = join(base, name)
  await writeFile(path, text)
  await chmod(path, mode)
  return path
}

const keycloak = (more: string) =>
  `[directory]\nkind = "keycloak"\nserver_url = "https://id.example.org"\nrealm = "m"\nclient_id = "c"\n${more}`

async function problemsOf(text: string, mode = 0o600, env: Record<string, string> = {}): Promise<string[]> {
  const path = await write('config.toml', text, mode)
  const { problems } = await examineConfig({ path, dataDir: base, env, makeDataDir: false })
  return problems.map(formatProblem)
}

async function load(text: string, env: Record<string, string> = {}) {
  const path = await write('config.toml', text)
  return (await loadConfig({ path, dataDir: base, env })).config
}

t.test('a secret file is relative to the configuration, and its last newline is no part of it', async (t) => {
  for (const text of [SECRET, `${SECRET}\n`, `${SECRET}\r\n`]) {
    await write('secret', text)
    const config = await load(
      keycloak(
        'client_secret_file = "secret"\n[store]\npassword_file = "secret"\n[[tokens]]\nname = "a"\nscopes = ["login"]\nsecret_file = "secret"\n',
      ),
    )
    t.equal(config.directory.client_secret, SECRET)
    t.equal(config.store.password, SECRET)
    t.equal(config.tokens[0]?.secret, SECRET)
  }
})

t.test('a secret file that others may read is refused with the command that mends it', async (t) => {
  const text = keycloak('client_secret_file = "secret"')
  for (const mode of [0o644, 0o604, 0o664]) {
    const path = await write('secret', SECRET, mode)
    t.same(await problemsOf(text), [
      `directory.client_secret_file: ${path} may be read by everybody (mode 0${mode.toString(8)}); run: chmod 600 ${path}`,
    ])
  }
  for (const mode of [0o600, 0o400, 0o640]) {
    await write('secret', SECRET, mode)
    t.same(await problemsOf(text), [], `mode ${mode.toString(8)} with our own group`)
  }
})

t.test(
  'a group other than our own may not read a secret file',
  process.getuid?.() === 0 ? {} : { skip: 'only root can give a file to another group' },
  async (t) => {
    const path = await write('secret', SECRET, 0o640)
    await chown(path, 0, 12345)
    t.same(await problemsOf(keycloak('client_secret_file = "secret"')), [
      `directory.client_secret_file: ${path} may be read by group 12345 (mode 0640); run: chmod 600 ${path}`,
    ])
  },
)

t.test(
  'root reads what is for the group of its directory, as the daemon does',
  process.getuid?.() === 0 ? {} : { skip: 'only root can give a file to another group' },
  async (t) => {
    const dir = join(base, 'etc')
    await mkdir(dir)
    await chown(dir, 0, 12345)
    const path = await write('etc/secret', SECRET, 0o640)
    await chown(path, 0, 12345)
    const text = keycloak('client_secret_file = "etc/secret"')
    t.same(await problemsOf(text), [])
    await chown(path, 0, 12346)
    t.match(await problemsOf(text), [/may be read by group 12346/])
    await chown(path, 0, 12345)
    await chown(dir, 12345, 12345)
    t.match(await problemsOf(text), [/may be read by group 12345/], 'a directory that another owns')
  },
)

t.test('a secret file that holds no secret says why', async (t) => {
  const text = keycloak('client_secret_file = "secret"')
  const cases: [content: string | Buffer, fault: string][] = [
    ['', 'is empty'],
    ['\n', 'is empty'],
    ['a\nb\n', 'holds more than one line of text'],
    [Buffer.from('a\0b'), 'holds more than one line of text'],
    ['x'.repeat(4097), 'is longer than 4096 bytes'],
  ]
  for (const [content, fault] of cases) {
    const path = await write('secret', content)
    t.same(await problemsOf(text), [`directory.client_secret_file: ${path} ${fault}`])
  }
  await mkdir(join(base, 'folder'))
  t.same(await problemsOf(keycloak('client_secret_file = "folder"')), [
    `directory.client_secret_file: ${base}/folder is not a regular file`,
  ])
  t.same(await problemsOf(keycloak('client_secret_file = "absent"')), [
    `directory.client_secret_file: ${base}/absent cannot be read (ENOENT)`,
  ])
})

t.test('a pipe, a directory and what is no text are refused, and nothing waits for a pipe', async (t) => {
  const text = keycloak('client_secret_file = "odd"')
  const path = join(base, 'odd')
  execFileSync('mkfifo', ['-m', '600', path])
  t.same(await problemsOf(text), [`directory.client_secret_file: ${path} is not a regular file`])
  await rm(path)
  await mkdir(path)
  t.same(await problemsOf(text), [`directory.client_secret_file: ${path} is not a regular file`])
  await rm(path, { recursive: true })
  await write('odd', Buffer.from('pa\xdfword', 'latin1'))
  t.same(await problemsOf(text), [`directory.client_secret_file: ${path} is not UTF-8 text`])
  await rm(path)
})

t.test('a secret written into a configuration that others may read is refused', async (t) => {
  const path = join(base, 'config.toml')
  t.same(await problemsOf(keycloak(`client_secret = "${SECRET}"`), 0o644), [
    `directory.client_secret: is written in a file that is open to others: ${path} may be read by everybody (mode 0644); run: chmod 600 ${path}`,
  ])
  t.same(await problemsOf(keycloak(`client_secret = "${SECRET}"`), 0o600), [])
  t.same(await problemsOf('[log]\nlevel = "warn"', 0o644), [])
})

t.test('the environment', async (t) => {
  const text = keycloak('client_secret_env = "KC"\n[store]\npassword_env = "DB"')
  const config = await load(text, { KC: SECRET, DB: 'db' })
  t.equal(config.directory.client_secret, SECRET)
  t.equal(config.store.password, 'db')
  t.same(await problemsOf(text, 0o600, { KC: '' }), [
    'directory.client_secret_env: environment variable KC is not set',
    'store.password_env: environment variable DB is not set',
  ])
})

t.test('systemd credentials count where the file names nothing', async (t) => {
  const credentials = join(base, 'credentials')
  await mkdir(credentials, { recursive: true })
  const env = { CREDENTIALS_DIRECTORY: credentials }
  const text = keycloak('[[tokens]]\nname = "dovecot"\nscopes = ["login"]\n')
  for (const name of ['client_secret', 'store_password', 'redis_password', 'token_dovecot']) {
    await writeFile(join(credentials, name), `${name} ${SECRET}\n`)
    // As systemd shows it where an ACL gives the service's user its right.
    await chmod(join(credentials, name), 0o440)
  }
  const config = await load(text, env)
  t.equal(config.directory.client_secret, `client_secret ${SECRET}`)
  t.equal(config.store.password, `store_password ${SECRET}`)
  t.equal(config.redis.password, `redis_password ${SECRET}`)
  t.equal(config.tokens[0]?.secret, `token_dovecot ${SECRET}`)
  const own = await load(text.replace('client_id', 'client_secret = "mine"\nclient_id'), env)
  t.equal(own.directory.client_secret, 'mine')

  t.match(await problemsOf(text.replace('"dovecot"', '"../../etc"'), 0o600, env), [
    /^tokens\[0\]\.secret: expected a token/,
  ])
  await writeFile(join(credentials, 'client_secret'), '')
  t.same(await problemsOf(text, 0o600, env), [
    `directory.client_secret: ${credentials}/client_secret is empty`,
  ])
})

t.test('a token is long enough wherever it comes from', async (t) => {
  await write('secret', 'hunter2')
  t.same(await problemsOf('[[tokens]]\nname = "a"\nscopes = ["login"]\nsecret_file = "secret"'), [
    'tokens[0].secret: expected text of at least 20 characters, got text of 7 characters',
  ])
})

t.test('files of the configuration are absolute afterwards', async (t) => {
  const config = await load(keycloak(`client_secret = "x"\ntls.ca_file = "ca.pem"`))
  t.equal(config.directory.tls.ca_file, join(base, 'ca.pem'))
})
