/**
 * The configuration file, section by section. One schema gives the types, the defaults, the checks,
 * conf/mailpassd.example.toml and docs/configuration.md. Descriptions are the reference's text.
 */
import { Type, type Static, type TSchema } from 'typebox'

function section<P extends Record<string, TSchema>>(properties: P, description: string) {
  return Type.Object(properties, { additionalProperties: false, default: {}, description })
}

const listen = (example: string) => Type.String({ minLength: 1, maxLength: 1024, examples: [example] })

const Tls = section(
  {
    ca_file: Type.Optional(
      Type.String({ description: 'PEM file of the authorities to trust instead of the system ones.' }),
    ),
    insecure: Type.Boolean({
      default: false,
      description:
        'Ignore SSL errors, everywhere this connection is used. Said loudly in log and check: whoever is on the path reads the client secret and every hash.',
    }),
  },
  'Certificate checks.',
)

export const Directory = section(
  {
    kind: Type.Union([Type.Literal('realm-file'), Type.Literal('keycloak')], {
      default: 'realm-file',
      description: 'Where users come from: a Keycloak server, or a realm export file (the embedded default).',
    }),
    file: Type.String({
      default: 'realm.json',
      description:
        'Realm export file, relative to the data directory; re-read when it changes. Only for realm-file.',
    }),
    server_url: Type.Optional(
      Type.String({
        description:
          'Base URL of Keycloak (with /auth for old versions). Only for keycloak, as are the keys below down to tls.',
      }),
    ),
    realm: Type.Optional(Type.String({ description: 'Realm, as it is named in Keycloak.' })),
    client_id: Type.Optional(
      Type.String({ description: 'Client with a service account that has view-users and nothing more.' }),
    ),
    client_secret: Type.Optional(
      Type.String({
        description:
          'The client secret. Better: client_secret_file, client_secret_env or a systemd credential named client_secret.',
      }),
    ),
    client_secret_file: Type.Optional(
      Type.String({ description: 'File that holds the client secret; refused when others may read it.' }),
    ),
    client_secret_env: Type.Optional(
      Type.String({ description: 'Environment variable that holds the client secret.' }),
    ),
    redirect_url: Type.Optional(
      Type.String({ description: "Accepted for mailcow's settings; a mail login does not use it." }),
    ),
    version: Type.Optional(Type.String({ description: "Accepted for mailcow's settings; unused." })),
    tls: Tls,
    mailpassword_flow: Type.Boolean({
      default: true,
      description:
        'Verify passwords against the hash in the directory. Off: only app passwords and SQL hashes open mailboxes.',
    }),
    login_provisioning: Type.Boolean({
      default: true,
      description:
        'Make mailboxes on the first good login, where a domain has no setting of its own (mailcow schema).',
    }),
    default_template: Type.Optional(
      Type.String({
        description:
          'Template for users whom neither a mapping nor their domain gives one. Used for making a mailbox only.',
      }),
    ),
    mappings: Type.Array(
      Type.Object(
        {
          attribute: Type.String({ description: 'Value of the template attribute.' }),
          template: Type.String({ description: 'Name of the mailbox template it stands for.' }),
        },
        { additionalProperties: false },
      ),
      {
        default: [],
        maxItems: 1000,
        description: 'Attribute mapping: value of the template attribute -> mailbox template.',
      },
    ),
    password_attribute: Type.String({
      default: 'mailcow_password',
      minLength: 1,
      description: 'User attribute with the password hash (up to 5 values, all tried).',
    }),
    template_attribute: Type.String({
      default: 'mailcow_template',
      minLength: 1,
      description: 'User attribute whose first value the mappings look at.',
    }),
    require_email_verified: Type.Union([Type.Literal('auto'), Type.Literal('yes'), Type.Literal('no')], {
      default: 'auto',
      description:
        'Refuse users whose e-mail is not verified. auto: where the realm lets users choose their e-mail or register themselves.',
    }),
    refuse_required_actions: Type.Boolean({
      default: false,
      description: 'Refuse users for whom required actions are pending.',
    }),
    lockout: Type.Union([Type.Literal('block'), Type.Literal('ignore')], {
      default: 'block',
      description: 'What a permanent lockout in Keycloak means here. A stranger can cause it.',
    }),
    trust_user_attributes: Type.Boolean({
      default: false,
      description: 'Use the template attribute even where users may edit it themselves.',
    }),
    fresh_seconds: Type.Integer({
      default: 60,
      minimum: 1,
      maximum: 3600,
      description: 'A directory record younger than this is used without asking again.',
    }),
    unknown_seconds: Type.Integer({
      default: 30,
      minimum: 1,
      maximum: 3600,
      description: 'How long an unknown user is remembered as such.',
    }),
    connections: Type.Integer({
      default: 16,
      minimum: 1,
      maximum: 256,
      description: 'Most connections to Keycloak at a time.',
    }),
  },
  'Where users and their password hashes are.',
)

export const Store = section(
  {
    kind: Type.Union([Type.Literal('sqlite'), Type.Literal('mysql')], {
      default: 'sqlite',
      description: 'sqlite (embedded) or mysql (MariaDB).',
    }),
    schema: Type.Union([Type.Literal('standalone'), Type.Literal('mailcow')], {
      default: 'standalone',
      description:
        "standalone: mailpassd makes the mail tables. mailcow: they are mailcow's and stay untouched; only mailpassd_* tables are added.",
    }),
    path: Type.String({
      default: 'mailpassd.sqlite',
      description: 'SQLite file, relative to the data directory.',
    }),
    host: Type.String({ default: '127.0.0.1', description: 'MariaDB host.' }),
    port: Type.Integer({ default: 3306, minimum: 1, maximum: 65535, description: 'MariaDB port.' }),
    socket: Type.Optional(Type.String({ description: 'MariaDB UNIX socket, instead of host and port.' })),
    database: Type.String({ default: 'mailcow', description: 'MariaDB database.' }),
    user: Type.String({ default: 'mailcow', description: 'MariaDB user.' }),
    password: Type.Optional(
      Type.String({
        description:
          'Its password. Better: password_file, password_env or a systemd credential named store_password.',
      }),
    ),
    password_file: Type.Optional(
      Type.String({ description: 'File that holds the password; refused when others may read it.' }),
    ),
    password_env: Type.Optional(
      Type.String({ description: 'Environment variable that holds the password.' }),
    ),
    connections: Type.Integer({
      default: 10,
      minimum: 1,
      maximum: 200,
      description: 'Most connections at a time.',
    }),
    timeout_ms: Type.Integer({
      default: 3000,
      minimum: 100,
      maximum: 7000,
      description: 'A connect or a statement that takes longer has failed.',
    }),
    fresh_seconds: Type.Integer({
      default: 2,
      minimum: 1,
      maximum: 60,
      description: 'Rows older than this are read again before answering.',
    }),
  },
  'The database with domains and mailboxes.',
)

const Token = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 64, description: 'Shown in the log.' }),
    scopes: Type.Array(Type.Union([Type.Literal('login'), Type.Literal('read'), Type.Literal('admin')]), {
      minItems: 1,
      description: 'login: verify passwords, userdb. read: look at things. admin: everything.',
    }),
    secret: Type.Optional(
      Type.String({ minLength: 20, description: 'The token. Better: secret_file or secret_env.' }),
    ),
    secret_file: Type.Optional(Type.String()),
    secret_env: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
)

export const Http = section(
  {
    listen: Type.Array(listen('127.0.0.1:8143'), {
      default: ['127.0.0.1:8143'],
      maxItems: 16,
      description: 'Auth door: host:port or unix:/path. Needs a token except on a UNIX socket.',
    }),
    socket_mode: Type.String({
      default: '0660',
      pattern: '^0?[0-7]{3}$',
      description: 'Mode of UNIX sockets.',
    }),
  },
  'HTTP auth door: /v1/login, /v1/userdb, the mailcow-compatible route.',
)

const SaslListener = Type.Object(
  {
    listen: listen('unix:auth.sock'),
    temp_fail: Type.Union([Type.Literal('close'), Type.Literal('reply')], {
      default: 'close',
      description:
        'How "don\'t know" is told. close: Postfix and Exim, for whom every FAIL is permanent. reply: Dovecot and others that know code=temp_fail.',
    }),
    mode: Type.String({ default: '0660', pattern: '^0?[0-7]{3}$', description: 'Mode of a UNIX socket.' }),
    networks: Type.Array(Type.String(), {
      default: [],
      description:
        'Networks that may connect to a TCP listener that is not on loopback. The protocol has no client authentication.',
    }),
  },
  { additionalProperties: false },
)

export const Sasl = section(
  {
    listeners: Type.Array(SaslListener, {
      default: [{ listen: '127.0.0.1:8144' }, { listen: 'unix:auth.sock' }],
      maxItems: 16,
      description:
        'Dovecot auth protocol, for smtpd_sasl_type=dovecot and alike. UNIX paths are relative to the data directory.',
    }),
    failure_delay_ms: Type.Integer({
      default: 2000,
      minimum: 0,
      maximum: 7000,
      description: 'A refusal leaves this long after its request came.',
    }),
    max_connections: Type.Integer({
      default: 10000,
      minimum: 1,
      maximum: 100000,
      description: 'Connections per listener.',
    }),
    max_pending: Type.Integer({
      default: 1000,
      minimum: 1,
      maximum: 10000,
      description: 'Requests in flight per connection.',
    }),
  },
  'SASL door.',
)

export const Admin = section(
  {
    listen: Type.Array(listen('127.0.0.1:8145'), {
      default: ['127.0.0.1:8145', 'unix:admin.sock'],
      maxItems: 16,
      description:
        'Admin door: health, metrics, API. Needs a token except on a UNIX socket and for /healthz.',
    }),
  },
  'Admin door.',
)

export const Compat = section(
  {
    networks: Type.Array(Type.String(), {
      default: [],
      maxItems: 64,
      description: "Networks from which mailcow's own Lua may POST / without a token.",
    }),
  },
  'The mailcow-compatible route POST / on the auth door.',
)

export const Password = section(
  {
    allow_weak: Type.Optional(
      Type.Boolean({
        description:
          'Accept weak schemes (unsalted, DES, MD5, plain text). Default: on with the mailcow schema, off standalone.',
      }),
    ),
    argon2_memory_mib: Type.Integer({
      default: 512,
      minimum: 64,
      maximum: 65536,
      description: 'Memory that argon2 comparisons may use together.',
    }),
    workers: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 256,
      description: 'Comparisons at a time; 0: one for each core.',
    }),
  },
  'Password comparison.',
)

export const Memory = section(
  {
    accounts: Type.Integer({
      default: 100000,
      minimum: 100,
      maximum: 5000000,
      description: 'Accounts remembered at most.',
    }),
    memo_entries: Type.Integer({
      default: 200000,
      minimum: 100,
      maximum: 10000000,
      description: 'Right and wrong passwords remembered at most (as keyed MACs, in memory only).',
    }),
  },
  'What is kept in memory.',
)

export const Log = section(
  {
    level: Type.Union(
      [
        Type.Literal('trace'),
        Type.Literal('debug'),
        Type.Literal('info'),
        Type.Literal('warn'),
        Type.Literal('error'),
      ],
      { default: 'info', description: 'Least level that is written.' },
    ),
    logins: Type.Union([Type.Literal('new'), Type.Literal('failures'), Type.Literal('all')], {
      default: 'new',
      description:
        'new: first success per mailbox, service, network and credential in 5 minutes, and failures up to 20 lines per address in 10 minutes. failures: those only. all: every login.',
    }),
    retention_days: Type.Integer({
      default: 31,
      minimum: 1,
      maximum: 3650,
      description: 'How long our own login log is kept.',
    }),
  },
  'Log and login log.',
)

export const UserDb = section(
  {
    uid: Type.String({ default: '5000', description: 'User that owns mail.' }),
    gid: Type.String({ default: '5000', description: 'Group that owns mail.' }),
    home: Type.Optional(
      Type.String({
        description: 'Home template: %d domain, %n local part. Default: mailbox_path_prefix + %d/%n.',
      }),
    ),
  },
  'What GET /v1/userdb answers.',
)

export const Config = Type.Object(
  {
    directory: Directory,
    store: Store,
    http: Http,
    sasl: Sasl,
    admin: Admin,
    compat: Compat,
    tokens: Type.Array(Token, {
      default: [],
      maxItems: 100,
      description: 'Bearer tokens of the HTTP doors.',
    }),
    password: Password,
    memory: Memory,
    log: Log,
    userdb: UserDb,
  },
  { additionalProperties: false },
)

export type Config = Static<typeof Config>
export type DirectoryConfig = Config['directory']
export type StoreConfig = Config['store']
export type HttpConfig = Config['http']
export type SaslConfig = Config['sasl']
export type SaslListenerConfig = SaslConfig['listeners'][number]
export type TokenConfig = Config['tokens'][number]
export type PasswordConfig = Config['password']
export type LogConfig = Config['log']
