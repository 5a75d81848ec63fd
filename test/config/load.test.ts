/** The way from a file to the frozen configuration: what is refused, in which words, and what is filled in. */
import t from 'tap'
import { mkdtemp, mkdir, rm, stat, writeFile, chmod } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { examineConfig, loadConfig, type LoadOptions } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problem.ts'
import { MailpassdError } from '../../src/errors.ts'

const base = await mkdtemp(join(tmpdir(), 'mailpassd-config-'))
t.teardown(() => rm(base, { recursive: true, force: true }))
let files = 0

async function write(text: string | Buffer, mode = 0o600): Promise<string> {
  const path = join(base, `c${files++}.toml`)
  await writeFile(path, text)
  await chmod(path, mode)
  return path
}

interface Seen {
  readonly problems: string[]
  readonly warnings: string[]
}

async function examine(text: string, options: Partial<LoadOptions> = {}): Promise<Seen> {
  const path = await write(text)
  const seen = await examineConfig({ path, dataDir: base, env: {}, makeDataDir: false, ...options })
  t.equal(seen.config === undefined, seen.problems.length > 0, 'a configuration exactly where no problem is')
  return { problems: seen.problems.map(formatProblem), warnings: seen.warnings.map(formatProblem) }
}

const KEYCLOAK = `[directory]
kind = "keycloak"
server_url = "https://id.example.org"
realm = "mail"
client_id = "mailpassd"
client_secret = "a client secret"
`

t.test('each kind of mistake has its text', async (t) => {
  const cases: [file: string, ...problems: string[]][] = [
    ['direct = 3', 'direct: unknown key (did you mean directory?)'],
    ['zebra = 3', 'zebra: unknown key'],
    ['"a.b" = 3', '"a.b": unknown key'],
    ['directory = 3', 'directory: expected a table, got 3'],
    ['[directory]\nserver_ulr = "x"', 'directory.server_ulr: unknown key (did you mean server_url?)'],
    ['[directory]\nserver-url = "x"', 'directory.server-url: unknown key (did you mean server_url?)'],
    ['server_url = "x"', 'server_url: unknown key (did you mean directory.server_url?)'],
    [
      '[directory]\nkind = "keycloack"',
      'directory.kind: expected "realm-file" or "keycloak", got "keycloack" (did you mean keycloak?)',
    ],
    [
      '[log]\nlevel = "loud"',
      'log.level: expected one of "trace", "debug", "info", "warn", "error", got "loud"',
    ],
    [
      '[directory]\nfresh_seconds = "60"',
      'directory.fresh_seconds: expected a whole number from 1 to 3600, got "60"',
    ],
    [
      '[directory]\nfresh_seconds = 1.5',
      'directory.fresh_seconds: expected a whole number from 1 to 3600, got 1.5',
    ],
    [
      '[directory]\nfresh_seconds = 0',
      'directory.fresh_seconds: expected a whole number from 1 to 3600, got 0',
    ],
    [
      '[directory]\nfresh_seconds = nan',
      'directory.fresh_seconds: expected a whole number from 1 to 3600, got NaN',
    ],
    [
      '[directory]\nfresh_seconds = 2026-11-22',
      'directory.fresh_seconds: expected a whole number from 1 to 3600, got a date',
    ],
    ['[directory]\nmailpassword_flow = 1', 'directory.mailpassword_flow: expected true or false, got 1'],
    ['[directory]\nrealm = ["x"]', 'directory.realm: expected text, got a list of 1'],
    ['[directory]\nclient_secret = 12345', 'directory.client_secret: expected text, got a number'],
    ['[directory]\ntls = true', 'directory.tls: expected a table, got true'],
    [
      '[http]\nlisten = "127.0.0.1:1"',
      'http.listen: expected a list of at most 16 entries, got "127.0.0.1:1"',
    ],
    ['[http]\nsocket_mode = "rw"', 'http.socket_mode: expected an octal mode such as "0660", got "rw"'],
    [
      '[[tokens]]\nname = "a"\nscopes = ["log in"]\nsecret = "12345678901234567890"',
      'tokens[0].scopes[0]: expected one of "login", "read", "admin", got "log in" (did you mean login?)',
    ],
    [
      '[[tokens]]\nscopes = ["login"]\nsecret = "12345678901234567890"',
      'tokens[0].name: expected text of 1 to 64 characters, got nothing',
    ],
    [
      '[[tokens]]\nname = "a"\nscopes = ["login"]\nsecret = "hunter2"',
      'tokens[0].secret: expected text of at least 20 characters, got text of 7 characters',
    ],
    [
      '[sasl]\nlisteners = [{ listen = "" }]',
      'sasl.listeners[0].listen: expected host:port, [v6 address]:port or unix:path, got ""',
    ],
    // TOML itself
    ['a = ', 'line 1, column 5: invalid value'],
    ['a = 1\na = 2', 'line 2, column 1: trying to redefine an already defined table or value'],
    ['[directory\nkind = 1', 'line 1, column 11: '],
    ['__proto__ = 1', 'line 1, column 1: document contains an unsafe property'],
    // over several keys
    [
      '[directory]\nkind = "keycloak"',
      'directory.server_url: expected the base URL of Keycloak, got nothing',
      'directory.realm: expected the name of the realm, got nothing',
      'directory.client_id: expected the client with a service account, got nothing',
      'directory.client_secret: expected the client secret, by client_secret_file, client_secret_env or the systemd credential client_secret; got nothing',
    ],
    [
      KEYCLOAK.replace('https:', 'htps:'),
      'directory.server_url: expected a URL such as https://id.example.org, got "htps://id.example.org"',
    ],
    [
      KEYCLOAK.replace('https://', 'htps://u:hunter2@'),
      'directory.server_url: expected a URL such as https://id.example.org, got "htps://…@id.example.org"',
    ],
    [
      KEYCLOAK.replace('https://', 'https://u:hunter2@'),
      'directory.server_url: expected a URL without user name and password; the client secret has a key of its own',
    ],
    [KEYCLOAK.replace('.org', '.org/?a=b'), 'directory.server_url: expected a URL without ? and #'],
    [
      `${KEYCLOAK}client_secret_env = "X"`,
      'directory.client_secret: give one of client_secret, client_secret_file and client_secret_env, not 2',
    ],
    [KEYCLOAK.replace('a client secret', ''), 'directory.client_secret: is empty'],
    [
      `${KEYCLOAK}mappings = [{attribute = "a", template = "b"}, {attribute = "a", template = ""}]`,
      'directory.mappings[1].template: expected the name of a template, got ""',
      'directory.mappings[1].attribute: "a" is mapped by directory.mappings[0] already',
    ],
    [
      '[directory]\ndefault_template = ""',
      'directory.default_template: expected the name of a template, got ""',
    ],
    [
      '[directory]\ntemplate_attribute = "mailcow_password"',
      'directory.template_attribute: is the password attribute too',
    ],
    [
      '[store]\npassword = "a"\npassword_file = "b"',
      'store.password: give one of password, password_file and password_env, not 2',
    ],
    [
      '[redis]\nhost = "redis"\npassword = "a"\npassword_env = "b"',
      'redis.password: give one of password, password_file and password_env, not 2',
    ],
    ['[redis]\nsocket = "redis.sock"', 'redis.socket: expected an absolute path, got "redis.sock"'],
    [
      '[mailcow]\nmemcached = "unix:/run/memcached"',
      'mailcow.memcached: expected host:port or [v6 address]:port, got "unix:/run/memcached"',
    ],
    [
      '[mailcow]\nmemcached = "memcached:0"',
      'mailcow.memcached: expected host:port or [v6 address]:port, got "memcached:0"',
    ],
    [
      '[http]\nlisten = ["8143"]',
      'http.listen[0]: expected host:port, [v6 address]:port or unix:path, got "8143"',
    ],
    [
      '[http]\nlisten = ["127.0.0.1:99999", "::1:80", "256.1.1.1:1", "unix:"]',
      'http.listen[0]: expected host:port, [v6 address]:port or unix:path, got "127.0.0.1:99999"',
      'http.listen[1]: expected host:port, [v6 address]:port or unix:path, got "::1:80"',
      'http.listen[2]: expected host:port, [v6 address]:port or unix:path, got "256.1.1.1:1"',
      'http.listen[3]: expected host:port, [v6 address]:port or unix:path, got "unix:"',
    ],
    [
      '[http]\nlisten = ["127.0.0.1:8144"]',
      'sasl.listeners[0].listen: 127.0.0.1:8144 is taken by http.listen[0]',
    ],
    ['[admin]\nlisten = ["0.0.0.0:8143"]', 'admin.listen[0]: 0.0.0.0:8143 is taken by http.listen[0]'],
    [
      `[admin]\nlisten = ["unix:auth.sock", "unix:${base}/auth.sock"]`,
      'admin.listen[0]: unix:auth.sock is taken by sasl.listeners[1].listen',
      `admin.listen[1]: unix:${base}/auth.sock is taken by sasl.listeners[1].listen`,
    ],
    [
      '[[sasl.listeners]]\nlisten = "[::]:8144"',
      'sasl.listeners[0].networks: expected the networks that may connect, since [::]:8144 is not loopback and the protocol has no client authentication; got an empty list',
    ],
    [
      '[[sasl.listeners]]\nlisten = "10.0.0.1:8144"\nnetworks = ["10.0.0.1", "10.0.0.0/33"]',
      'sasl.listeners[0].networks[0]: expected a network such as 192.0.2.0/24 or 2001:db8::/64, got "10.0.0.1"',
      'sasl.listeners[0].networks[1]: expected a network such as 192.0.2.0/24 or 2001:db8::/64, got "10.0.0.0/33"',
    ],
    [
      '[socketmap]\nrecipient_delimiter = "+@"',
      'socketmap.recipient_delimiter: expected none or some of + = # ~ . _ -, got "+@"',
    ],
    [
      '[[socketmap.listeners]]\nlisten = "10.0.0.1:8147"\n[[socketmap.listeners]]\nlisten = "unix:auth.sock"',
      'socketmap.listeners[0].listen: expected a UNIX socket or loopback, since the protocol has no client authentication, got "10.0.0.1:8147"',
      'socketmap.listeners[1].listen: unix:auth.sock is taken by sasl.listeners[1].listen',
    ],
    [
      '[compat]\nnetworks = ["mailcow"]\nsogo_networks = ["172.22.1.248"]',
      'compat.networks[0]: expected a network such as 192.0.2.0/24 or 2001:db8::/64, got "mailcow"',
      'compat.sogo_networks[0]: expected a network such as 192.0.2.0/24 or 2001:db8::/64, got "172.22.1.248"',
    ],
    [
      '[[tokens]]\nname = "a"\nscopes = ["login"]\nsecret = "12345678901234567890"\n[[tokens]]\nname = "a"\nscopes = ["read"]\nsecret = "12345678901234567890"',
      'tokens[1].name: "a" is the name of tokens[0] too',
      'tokens[1].secret: is the secret of tokens[0] too',
    ],
    [
      '[[tokens]]\nname = "a"\nscopes = ["login"]',
      'tokens[0].secret: expected a token, by secret_file, secret_env or the systemd credential token_a; got nothing',
    ],
    [
      '[[tokens]]\nname = "a"\nscopes = ["login", "login"]\nsecret = "12345678901234567890"',
      'tokens[0].scopes: expected a list of "login", "read" and "admin", each at most once, got a list of 2',
    ],
    [
      '[userdb]\nmail = "/var/vmail/%d/%n"',
      'userdb.mail: expected a mail location such as maildir:/var/vmail/%d/%n/Maildir, got "/var/vmail/%d/%n"',
    ],
    [
      '[userdb]\nhome = "/var/vmail"',
      'userdb.home: expected an absolute path with %d and %n, got "/var/vmail"',
    ],
  ]
  for (const [file, ...expected] of cases) {
    const { problems } = await examine(file)
    if (expected[0]?.endsWith(': ') === true) t.match(problems[0] ?? '', expected[0] ?? '')
    else t.same(problems, expected, file)
  }
})

t.test(
  'all problems come at once, those of the schema, of secrets and of rules, and no secret is shown',
  async (t) => {
    const { problems } = await examine(`
colour = "red"
[directory]
kind = "keycloak"
fresh_seconds = 0
client_secret_file = "absent"
[store]
password = "hunter2-store"
password_env = "UNSET"
[http]
listen = ["nowhere"]
[[tokens]]
scopes = ["login"]
secret = "hunter2"
`)
    t.same(problems, [
      'colour: unknown key',
      'directory.fresh_seconds: expected a whole number from 1 to 3600, got 0',
      'tokens[0].name: expected text of 1 to 64 characters, got nothing',
      'tokens[0].secret: expected text of at least 20 characters, got text of 7 characters',
      `directory.client_secret_file: ${base}/absent cannot be read (ENOENT)`,
      'store.password: give one of password, password_file and password_env, not 2',
      'directory.server_url: expected the base URL of Keycloak, got nothing',
      'directory.realm: expected the name of the realm, got nothing',
      'directory.client_id: expected the client with a service account, got nothing',
      'http.listen[0]: expected host:port, [v6 address]:port or unix:path, got "nowhere"',
    ])
    t.notMatch(problems.join(), /hunter2/)
  },
)

t.test('more problems than typebox reports by default are all told', async (t) => {
  const file = Array.from({ length: 40 }, (_, index) => `[[tokens]]\nname = 1\nscopes = [${index}]\n`).join(
    '',
  )
  const { problems } = await examine(file)
  t.equal(problems.length, 80)
})

t.test('loadConfig throws them as one error', async (t) => {
  const path = await write('a = 1\nb = 2\n')
  const failure = await loadConfig({ path, env: {}, dataDir: base }).catch((error: unknown) => error)
  t.ok(failure instanceof MailpassdError)
  t.match(failure, { code: 'config_invalid', exitCode: 78 })
  t.match(failure, {
    message: `configuration ${path} has 2 problems:\n  a: unknown key\n  b: unknown key`,
  })
  await t.rejects(loadConfig({ path: await write('a ='), env: {}, dataDir: base }), {
    message: /has a problem:\n {2}line 1, column 4: /,
  })
})

t.test('a file that cannot be read, or is no text, says so', async (t) => {
  const path = join(base, 'none.toml')
  await t.rejects(loadConfig({ path, env: {}, dataDir: base }), {
    code: 'config_unreadable',
    message: `configuration file ${path} is not there`,
  })
  await t.rejects(loadConfig({ path: base, env: {}, dataDir: base }), {
    code: 'config_unreadable',
    message: `configuration file ${base} cannot be read (EISDIR)`,
  })
  await t.rejects(loadConfig({ path: await write(Buffer.from([0xff, 0xfe])), env: {}, dataDir: base }), {
    message: /not UTF-8 text/,
  })
  await t.rejects(loadConfig({ path: await write('#'.repeat(1024 * 1024 + 1)), env: {}, dataDir: base }), {
    message: /longer than 1048576 bytes/,
  })
})

t.test('without a file the defaults count, and the value is frozen to its leaves', async (t) => {
  const { config, source, warnings } = await loadConfig({ env: {}, dataDir: base })
  t.equal(source, 'embedded default')
  t.same(warnings, [])
  t.match(config, {
    directory: { kind: 'realm-file', file: 'realm.json', fresh_seconds: 60 },
    store: { kind: 'sqlite', schema: 'standalone' },
    password: { allow_weak: false },
  })
  t.same(config.http.listen, ['127.0.0.1:8143'])
  t.same(
    config.sasl.listeners.map(({ listen }) => listen),
    ['127.0.0.1:8144', 'unix:auth.sock'],
  )
  const check = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    t.ok(Object.isFrozen(value))
    Object.values(value).forEach(check)
  }
  check(config)
})

t.test('weak schemes are on with the mailcow schema unless told otherwise', async (t) => {
  const load = async (text: string) =>
    (await loadConfig({ path: await write(text), env: {}, dataDir: base })).config.password.allow_weak
  t.equal(await load('[store]\nschema = "mailcow"'), true)
  t.equal(await load('[store]\nschema = "mailcow"\n[password]\nallow_weak = false'), false)
  t.equal(await load('[password]\nallow_weak = true'), true)
})

t.test('what is risky or unused is a warning', async (t) => {
  const cases: [file: string, ...warnings: string[]][] = [
    [
      `${KEYCLOAK}tls.insecure = true\ntls.ca_file = "ca.pem"`,
      'directory.tls.insecure: certificates are NOT checked: whoever is on the path reads the client secret and every hash',
      'directory.tls.ca_file: unused, because directory.tls.insecure is on',
    ],
    [
      KEYCLOAK.replace('https', 'http'),
      'directory.server_url: "http://id.example.org" is not encrypted: whoever is on the path reads the client secret and every hash',
    ],
    [KEYCLOAK.replace('https://id.example.org', 'http://[::1]:8080')],
    [
      `${KEYCLOAK}trust_user_attributes = true`,
      'directory.trust_user_attributes: users who may edit their attributes choose their own template',
    ],
    ['[directory]\nrealm = "mail"', 'directory.realm: unused, because directory.kind is "realm-file"'],
    ['[store]\nsocket = "/run/x"', 'store.socket: unused, because store.kind is "sqlite"'],
    [
      '[redis]\nuser = "mailpassd"\npassword = "x"',
      'redis.user: unused, because neither redis.host nor redis.socket is given',
      'redis.password: unused, because neither redis.host nor redis.socket is given',
    ],
    ['[redis]\nhost = "127.0.0.1"\npassword = "x"'],
    ['[redis]\nhost = "redis"'],
    [
      '[redis]\nhost = "redis"\npassword = "x"',
      'redis.host: "redis" is not loopback: the password crosses the network unencrypted',
    ],
    [
      '[redis]\nhost = "redis"\nsocket = "/run/redis.sock"\npassword = "x"',
      'redis.host: unused, because redis.socket is given',
    ],
    [
      '[mailcow]\nmemcached = "memcached:11211"',
      'mailcow.memcached: unused, because store.schema is "standalone"',
    ],
    [
      '[store]\nkind = "mysql"\nschema = "mailcow"\n[mailcow]\nsogo = false\nmemcached = "memcached:11211"',
      'mailcow.memcached: unused, because mailcow.sogo is off',
    ],
    [
      '[http]\nlisten = ["0.0.0.0:8143"]\nsocket_mode = "0666"',
      'http.listen[0]: 0.0.0.0:8143 is not loopback: passwords cross the network unencrypted',
      'http.socket_mode: 0666 lets every user of this machine try passwords',
    ],
    [
      '[[sasl.listeners]]\nlisten = "10.0.0.1:8144"\nnetworks = ["0.0.0.0/0"]\n[[sasl.listeners]]\nlisten = "unix:a"\nmode = "0606"',
      'sasl.listeners[0].networks[0]: 0.0.0.0/0 is the whole Internet',
      'sasl.listeners[0].listen: 10.0.0.1:8144 is not loopback: passwords cross the network unencrypted',
      'sasl.listeners[1].mode: 0606 lets every user of this machine try passwords',
    ],
    [
      '[[socketmap.listeners]]\nlisten = "unix:m"\nmode = "0666"',
      'socketmap.listeners[0].mode: 0666 lets every user of this machine ask which addresses there are',
    ],
    [
      '[admin]\nlisten = ["10.0.0.1:8145"]',
      'admin.listen[0]: 10.0.0.1:8145 is not loopback: tokens cross the network unencrypted',
    ],
    [
      '[compat]\nsogo_password_file = "sogo-sso.pass"',
      'compat.sogo_password_file: unused, because compat.sogo_networks is empty',
    ],
    [
      '[compat]\nnetworks = ["172.22.1.0/24"]\nsogo_networks = ["0.0.0.0/0"]\nsogo_password_file = "x"',
      'compat.sogo_networks[0]: 0.0.0.0/0 is the whole Internet',
      'compat.networks: whoever is in these networks can claim to be SOGo without a token, and skip protocol checks; with compat.sogo_networks leave them empty and give the caller a token',
    ],
    ['[compat]\nsogo_networks = ["172.22.1.248/32"]\nsogo_password_file = "x"'],
  ]
  for (const [file, ...expected] of cases) {
    const { problems, warnings } = await examine(file)
    t.same(problems, [])
    t.same(warnings, expected, file)
  }
})

t.test(
  'the data directory: option, systemd, /var/lib with a file, var beside package.json without',
  async (t) => {
    const path = await write('')
    const where = async (options: Partial<LoadOptions>) =>
      (await examineConfig({ env: {}, makeDataDir: false, ...options })).dataDir
    t.equal(await where({ dataDir: '/d', env: { STATE_DIRECTORY: '/s' } }), '/d')
    t.equal(await where({ path, env: { STATE_DIRECTORY: '/s:/t' } }), '/s')
    t.equal(await where({ path }), '/var/lib/mailpassd')
    t.equal(await where({}), join(import.meta.dirname, '../../var'))
  },
)

t.test('a data directory that cannot be made is a problem', { skip: !existsSync('/proc') }, async (t) => {
  // Node's own recursive mkdir never comes back here.
  const { problems } = await examineConfig({ env: {}, dataDir: '/proc/mailpassd/data' })
  t.match(problems, [{ text: /^data directory \/proc\/mailpassd\/data: cannot be made \(ENOENT\)/ }])
})

t.test('the data directory is made for us alone, and one open to others is a warning', async (t) => {
  const dataDir = join(base, 'deep', 'data')
  await loadConfig({ env: {}, dataDir })
  t.equal((await stat(dataDir)).mode & 0o777, 0o700)
  const looked = join(base, 'looked')
  await examineConfig({ env: {}, dataDir: looked, makeDataDir: false })
  await t.rejects(stat(looked), { code: 'ENOENT' })

  const open = join(base, 'open')
  await mkdir(open)
  await chmod(open, 0o755)
  t.same((await loadConfig({ env: {}, dataDir: open })).warnings, [
    `data directory ${open}: open to others (mode 0755), and hashes are in it; run: chmod o= ${open}`,
  ])
  const file = await write('')
  await t.rejects(loadConfig({ env: {}, dataDir: join(file, 'x') }), {
    code: 'config_invalid',
    message: /cannot be made \(ENOTDIR\); name another by --data-dir/,
  })
})

t.test('a UNIX socket whose path is too long for the kernel is refused', async (t) => {
  const { problems } = await examine('', { dataDir: `/${'d'.repeat(110)}` })
  t.match(
    problems[0],
    /^sasl\.listeners\[1\]\.listen: .* is longer than the 107 bytes of a UNIX socket's path$/,
  )
})

t.test('serve options replace the TCP listeners of a door and leave its sockets', async (t) => {
  const path = await write(
    '[[sasl.listeners]]\nlisten = "unix:s"\n[[sasl.listeners]]\nlisten = "127.0.0.1:1"\ntemp_fail = "reply"\n',
  )
  const { config } = await loadConfig({
    path,
    env: {},
    dataDir: base,
    overrides: { http: '127.0.0.1:0', sasl: '127.0.0.1:0', admin: '[::1]:0' },
  })
  t.same(config.http.listen, ['127.0.0.1:0'])
  t.same(config.admin.listen, ['[::1]:0', 'unix:admin.sock'])
  t.match(config.sasl.listeners, [{ listen: '127.0.0.1:0', temp_fail: 'reply' }, { listen: 'unix:s' }])
  await t.rejects(loadConfig({ env: {}, dataDir: base, overrides: { sasl: '0.0.0.0:1' } }), {
    message: /sasl\.listeners\[0\]\.networks: expected the networks/,
  })
})

t.test('a Dovecot is reached in one way, by nothing that takes names for commands', async (t) => {
  const endpoint = (text: string) => `[[dovecot.endpoints]]\nname = "mx1"\n${text}\n`
  for (const [text, problem] of [
    ['url = "http://127.0.0.1:1"', /dovecot\.endpoints\[0\]\.api_key: expected .*doveadm_mx1; got nothing/],
    ['url = "127.0.0.1:1"\napi_key = "k"', /url: expected a URL such as/],
    ['url = "http://u:p@127.0.0.1:1"\napi_key = "k"', /url: expected a URL without user name/],
    ['url = "http://127.0.0.1:1/x"\napi_key = "k"', /url: expected a URL without a path/],
    [
      'url = "http://127.0.0.1:1"\napi_key = "k"\ncommand = ["doveadm"]',
      /command: expected one of url and command/,
    ],
    ['command = []', /command: expected a list of 1 to 32 texts/],
    ['command = ["ssh", "mx1", "doveadm"]', /command: .*ssh gives them to a shell/],
    ['command = ["docker", "exec", "d", "/bin/sh", "-c"]', /command: .*sh gives them to a shell/],
    ['command = ["doveadm"]\ntimeout_ms = 9000', /timeout_ms: expected a whole number from 100 to 8000/],
    [
      'command = ["doveadm"]\n[[dovecot.endpoints]]\nname = "mx1"',
      /name: "mx1" is the name of dovecot\.endpoints\[0\]/,
    ],
  ] as const) {
    const { problems } = await examine(endpoint(text))
    t.match(problems, [problem], text)
  }
  const { problems, warnings } = await examine(endpoint('url = "http://mx1.example.org:8180"\napi_key = "k"'))
  t.same(problems, [])
  t.match(warnings, [/is not encrypted: .*reads the API key/])
})
