/** `mailpassd check`: each step good and bad, and the exit code that follows. */
import t from 'tap'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { check } from '../../src/cli/check.ts'
import { EXIT } from '../../src/errors.ts'
import { systemClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config/load.ts'
import { writeRealmFile } from '../../src/directory/realm-file/write.ts'
import { withStore, type Store } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { CLIENT_SECRET, FakeKeycloak } from '../directory/fake-keycloak.ts'
import { recordedIo } from './recorded-io.ts'

const base = await mkdtemp(join(tmpdir(), 'mailpassd-check-'))
t.teardown(() => rm(base, { recursive: true, force: true }))
let places = 0

interface Place {
  readonly dir: string
  readonly config: string
  readonly data: string
}

/** A directory with a configuration and a data directory that holds a realm file. */
async function place(toml: string): Promise<Place> {
  const dir = join(base, String(places++))
  const data = join(dir, 'data')
  await mkdir(data, { recursive: true, mode: 0o700 })
  const config = join(dir, 'mailpassd.toml')
  await writeFile(config, toml, { mode: 0o600 })
  await writeRealmFile(join(data, 'realm.json'), [
    { username: 'jane', email: 'jane@example.org', hash: '{PLAIN}x' },
  ])
  return { dir, config, data }
}

/** No PATH: what is installed on this machine is left out. */
async function run({ config, data }: Place, path = '/nonexistent', more: string[] = []) {
  const io = recordedIo('', { PATH: path })
  const code = await check.run(['--config', config, '--data-dir', data, ...more], io)
  const lines = io.seen.out
    .replaceAll(/\n {9}/g, ' | ')
    .trimEnd()
    .split('\n')
  t.equal(io.seen.err, '')
  return { code, lines, out: io.seen.out }
}

async function inStore(at: Place, work: (store: Store) => Promise<unknown>): Promise<void> {
  const { config, dataDir } = await loadConfig({ path: at.config, dataDir: at.data, env: {} })
  await withStore({ ...config.store, dataDir }, { clock: systemClock, logger: silentLogger }, work)
}

t.test('nothing is made by looking', async (t) => {
  const at = await place('')
  await rm(at.data, { recursive: true })
  const { code, lines } = await run(at)
  t.equal(code, EXIT.unavailable, 'with a configuration file the realm file is expected')
  t.match(lines, [
    `ok       configuration: ${at.config}`,
    `ok       data directory: ${at.data} is not there yet; serve makes it`,
    /^failed {3}directory: .*realm\.json/,
    `ok       store: SQLite ${at.data}/mailpassd.sqlite is not there yet; serve makes it`,
  ])
  t.same(await readdir(at.dir), ['mailpassd.toml'])

  const io = recordedIo()
  t.equal(
    await check.run(['--data-dir', join(at.dir, 'none')], io),
    EXIT.ok,
    'the embedded default is made by serve',
  )
})

t.test('an installation in order', async (t) => {
  const at = await place('')
  await inStore(at, (store) => store.domains.add('example.org', { autojoin: true }))
  t.same(await run(at), {
    code: EXIT.ok,
    lines: [
      `ok       configuration: ${at.config}`,
      `ok       data directory: ${at.data}`,
      `ok       directory: realm file ${at.data}/realm.json answers`,
      `ok       store: SQLite ${at.data}/mailpassd.sqlite answers; all tables are there`,
      'ok       domains: 1',
    ],
    out: (await run(at)).out,
  })
  const { out } = await run(at, undefined, ['--json'])
  t.match(JSON.parse(out), {
    ok: true,
    source: at.config,
    data_dir: at.data,
    steps: [{ name: 'configuration', result: 'ok', detail: at.config }],
  })
})

t.test('problems and warnings of the configuration', async (t) => {
  const at = await place('[directory]\nrealm = "x"\n')
  t.match(await run(at), {
    code: EXIT.ok,
    lines: [/^ok/, 'warning  directory.realm: unused, because directory.kind is "realm-file"'],
  })
  await writeFile(at.config, '[directory]\nkind = "keycloak"\nserver_ulr = "x"\nclient_id = ""\n')
  const { code, lines } = await run(at)
  t.equal(code, EXIT.config)
  t.same(lines, [
    'failed   directory.server_ulr: unknown key (did you mean server_url?)',
    'failed   directory.server_url: expected the base URL of Keycloak, got nothing',
    'failed   directory.realm: expected the name of the realm, got nothing',
    'failed   directory.client_id: expected the client with a service account, got ""',
    'failed   directory.client_secret: expected the client secret, by client_secret_file, client_secret_env or the systemd credential client_secret; got nothing',
  ])
  t.match(JSON.parse((await run(at, undefined, ['--json'])).out), { ok: false })
  await t.rejects(run({ ...at, config: join(base, 'none.toml') }), { code: 'config_unreadable' })
})

t.test(
  'SOGo’s password file: good, open to others, not there; a warning, for all others are served',
  async (t) => {
    const at = await place(
      '[compat]\nsogo_networks = ["172.22.1.248/32"]\nsogo_password_file = "sogo-sso.pass"\n',
    )
    const path = join(at.dir, 'sogo-sso.pass')
    const lines = async () => (await run(at)).lines.filter((line) => line.includes('sogo'))
    t.match(await lines(), [
      /^warning {2}compat\.sogo_password_file: .* cannot be read \(ENOENT\); SOGo's own logins fail for now \| /,
    ])
    await writeFile(path, 'q7e8m2x4c6v8b0n1a3s5d7f9g1h3j5k7', { mode: 0o600 })
    t.same(await lines(), [`ok       compat.sogo_password_file: ${path}`])
    await chmod(path, 0o644)
    t.match(await lines(), [/^warning {2}compat\.sogo_password_file: .* may be read by everybody/])
  },
)

t.test('a realm file that does not parse', async (t) => {
  const at = await place('')
  await writeFile(join(at.data, 'realm.json'), '{"realm": ')
  t.match(await run(at), {
    code: EXIT.config,
    lines: [/ok/, /ok/, /^failed {3}directory: .*realm\.json: no JSON/],
  })
})

t.test('the database: no domain, templates that do not exist, tables that somebody changed', async (t) => {
  const at = await place(
    '[directory]\ndefault_template = "Default"\nmappings = [{attribute = "a", template = "Gone"}]\n',
  )
  await inStore(at, (store) => store.ready())
  t.match((await run(at)).lines.at(-1), /^warning {2}domains: there is none, .* \| mailpassd domain add/)
  await inStore(at, (store) => store.domains.add('example.org', { autojoin: true }))
  const { code, lines } = await run(at)
  t.equal(code, EXIT.config)
  t.same(lines.slice(4), [
    'ok       domains: 1',
    'failed   templates: directory.mappings[0] names the mailbox template "Gone", which does not exist | there are: Default',
  ])

  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(join(at.data, 'mailpassd.sqlite'))
  database.exec('drop table sasl_log')
  database.close()
  t.match(await run(at), {
    code: EXIT.config,
    lines: [
      /ok/,
      /ok/,
      /ok/,
      /^failed {3}store: SQLite .* lacks table sasl_log \| somebody changed the tables/,
    ],
  })
})

t.test('a database that does not answer', async (t) => {
  const at = await place('[store]\nkind = "mysql"\nsocket = "/nonexistent/mysqld.sock"\n')
  t.match(await run(at), { code: EXIT.unavailable, lines: [/ok/, /ok/, /ok/, /^failed {3}store: /] })
})

t.test('Keycloak: its answers and what its user profile allows', async (t) => {
  const keycloak = await FakeKeycloak.start()
  t.teardown(() => keycloak.stop())
  keycloak.users = []
  const at = await place('')
  const configure = (more = '') =>
    writeFile(
      at.config,
      `[directory]\nkind = "keycloak"\nserver_url = "${keycloak.url}"\nrealm = "test"\nclient_id = "c"\nclient_secret = "${CLIENT_SECRET}"\n${more}`,
      { mode: 0o600 },
    )
  const directorySteps = async () => {
    const { code, lines, out } = await run(at)
    t.notMatch(out, CLIENT_SECRET)
    return { code, lines: lines.filter((line) => /^\w+ +directory: /.test(line)) }
  }
  const profile = (unmanagedAttributePolicy: string | undefined, emailEdit: string[]) => ({
    attributes: [{ name: 'email', permissions: { view: ['admin'], edit: emailEdit } }],
    unmanagedAttributePolicy,
  })
  const answers = `ok       directory: Keycloak ${keycloak.url}, realm test answers`

  await configure()
  t.same(await directorySteps(), { code: EXIT.ok, lines: [answers] })

  keycloak.profile = profile(undefined, ['admin'])
  t.match(await directorySteps(), {
    code: EXIT.config,
    lines: [
      answers,
      /^failed {3}directory: mailcow_password: the realm hides this attribute .* \| declare mailcow_password/,
    ],
  })

  keycloak.profile = profile('ENABLED', ['admin'])
  t.match(await directorySteps(), {
    code: EXIT.config,
    lines: [
      answers,
      /^failed {3}directory: mailcow_password: users may read and edit this attribute themselves/,
      /^failed {3}directory: mailcow_template: users may edit this attribute themselves, so that it is ignored/,
    ],
  })
  await configure('trust_user_attributes = true\n')
  t.match((await directorySteps()).lines[2], /^warning {2}directory: mailcow_template: /)

  keycloak.profile = profile('ADMIN_EDIT', ['admin', 'user'])
  await configure('require_email_verified = "no"\n')
  t.match(await directorySteps(), {
    code: EXIT.ok,
    lines: [answers, /^warning {2}directory: e-mail: users may choose/],
  })

  await configure()
  keycloak.misbehave = (_, response) => {
    response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"unauthorized_client"}')
    return true
  }
  t.match(await directorySteps(), {
    code: EXIT.config,
    lines: [/^failed {3}directory: .* \| .*docs\/keycloak\.md/],
  })

  await keycloak.stop()
  t.match(await directorySteps(), { code: EXIT.unavailable, lines: [/^failed {3}directory: /] })
})

t.test('the file of authorities', async (t) => {
  const keycloak = `[directory]\nkind = "keycloak"\nserver_url = "https://127.0.0.1:1"\nrealm = "r"\nclient_id = "c"\nclient_secret = "x"\ntls.ca_file = "ca.pem"\n`
  const at = await place(keycloak)
  const caSteps = async () =>
    (await run(at)).lines.filter((line) => line.includes(' directory.tls.ca_file: '))
  const path = join(at.dir, 'ca.pem')
  t.same(await caSteps(), [`failed   directory.tls.ca_file: ${path} cannot be read (ENOENT)`])
  await writeFile(path, 'no certificate')
  t.same(await caSteps(), [`failed   directory.tls.ca_file: ${path} holds no certificate in PEM`])
  await writeFile(path, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  t.same(await caSteps(), [
    `failed   directory.tls.ca_file: ${path} holds a certificate that cannot be parsed`,
  ])

  const openssl = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-batch']
  try {
    execFileSync('openssl', [...openssl, '-subj', '/CN=test', '-keyout', join(at.dir, 'key'), '-out', path], {
      stdio: 'ignore',
    })
  } catch {
    t.comment('openssl is not installed: a good file of authorities is not tried')
    return
  }
  t.same(await caSteps(), [`ok       directory.tls.ca_file: ${path}: a certificate`])
})

t.test('a Dovecot on this machine', async (t) => {
  const at = await place('')
  const bin = join(at.dir, 'bin')
  await mkdir(bin)
  const dovecot = async (cacheSize: string, settings: string) => {
    const script = `#!/bin/sh\nif [ "$1" = -h ]; then echo '${cacheSize}'; else /bin/cat <<'X'\n${settings}\nX\nfi\n`
    await writeFile(join(bin, 'doveconf'), script)
    await chmod(join(bin, 'doveconf'), 0o755)
    return (await run(at, bin)).lines.filter((line) => line.includes(' Dovecot: '))
  }
  const ours = 'passdb {\n  args = file=/etc/dovecot/mailpassd.lua\n}\n'
  const listener = (service: string, path: string) =>
    `service ${service} {\n  unix_listener ${path} {\n    mode = 0660\n  }\n}`
  t.same(await dovecot('0', ours), ['ok       Dovecot: auth_cache_size is 0'])
  t.same(await dovecot('0 B', ours), ['ok       Dovecot: auth_cache_size is 0'])
  t.match(await dovecot('10 M', ours), [
    /^warning {2}Dovecot: auth_cache_size is 10 M: .* \| set auth_cache_size = 0/,
  ])
  t.match(await dovecot('0', ours + listener('auth', '/var/spool/postfix/private/auth')), [
    /^warning {2}Dovecot: its own auth serves SMTP \(\/var\/spool\/postfix\/private\/auth\)/,
  ])
  const harmless = ['ok       Dovecot: auth_cache_size is 0']
  t.same(await dovecot('0', listener('auth', '/var/spool/postfix/private/auth')), harmless, 'not our passdb')
  t.same(await dovecot('0', ours + listener('lmtp', '/var/spool/postfix/private/lmtp')), harmless)
  t.same(await dovecot('0', ours + listener('auth', 'auth-userdb')), harmless)
})

t.test('what a server answers cannot command a terminal', async (t) => {
  const server = createServer((socket) =>
    socket.end('VERSION 1\u001b[2J\u009b31m\u0007\r\n', 'latin1').on('error', () => {}),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const { config, data } = await place(
    `[store]\nkind = "mysql"\nschema = "mailcow"\nhost = "127.0.0.1"\nport = 1\n[mailcow]\nmemcached = "127.0.0.1:${address.port}"\n`,
  )
  for (const form of [[], ['--json']]) {
    const io = recordedIo('', { PATH: '/nonexistent' })
    await check.run(['--config', config, '--data-dir', data, ...form], io)
    t.match(io.seen.out, /version 1\[2J31m/)
    t.notMatch(io.seen.out, /[\u0007\u001b\u009b]|\\u00/)
  }
})
