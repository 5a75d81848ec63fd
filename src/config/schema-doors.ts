/** Sections `http`, `sasl`, `socketmap`, `admin`, `compat` and the tokens: where requests come in, and whose. */
import { Type } from 'typebox'
import { section } from './section.ts'

const listen = (example: string) =>
  Type.String({
    minLength: 1,
    maxLength: 1024,
    examples: [example],
    expected: 'host:port, [v6 address]:port or unix:path',
    description: 'Address: host:port, [v6 address]:port or unix:path.',
  })

const mode = (description: string) =>
  Type.String({
    default: '0660',
    pattern: '^0?[0-7]{3}$',
    expected: 'an octal mode such as "0660"',
    description,
  })

export const Token = Type.Object(
  {
    name: Type.String({
      examples: ['dovecot'],
      minLength: 1,
      maxLength: 64,
      description:
        'Shown in the log. The systemd credential token_<name> holds the secret where none is given here.',
    }),
    scopes: Type.Array(Type.Union([Type.Literal('login'), Type.Literal('read'), Type.Literal('admin')]), {
      examples: [['login']],
      minItems: 1,
      maxItems: 3,
      uniqueItems: true,
      expected: 'a list of "login", "read" and "admin", each at most once',
      description: 'login: verify passwords, userdb. read: look at things. admin: everything.',
    }),
    secret: Type.Optional(
      Type.String({
        examples: ['at least 20 characters'],
        minLength: 20,
        description: 'The token. Better: secret_file or secret_env.',
      }),
    ),
    secret_file: Type.Optional(
      Type.String({
        examples: ['token_dovecot'],
        description: 'File that holds the token, relative to this file; refused when others may read it.',
      }),
    ),
    secret_env: Type.Optional(
      Type.String({
        examples: ['MAILPASSD_TOKEN_DOVECOT'],
        description: 'Environment variable that holds the token.',
      }),
    ),
  },
  { additionalProperties: false },
)

export const Http = section(
  {
    listen: Type.Array(listen('127.0.0.1:8143'), {
      default: ['127.0.0.1:8143'],
      maxItems: 16,
      description:
        'Listeners. A token is needed except on a UNIX socket. UNIX paths are relative to the data directory.',
    }),
    socket_mode: mode('Mode of UNIX sockets.'),
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
    mode: mode('Mode of a UNIX socket.'),
    networks: Type.Array(Type.String(), {
      default: [],
      maxItems: 64,
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
        'Listeners, for smtpd_sasl_type=dovecot and alike. UNIX paths are relative to the data directory.',
    }),
    failure_delay_ms: Type.Integer({
      default: 2000,
      minimum: 0,
      maximum: 7000,
      description:
        'A refusal leaves this long after its request came; twice as long for the second different wrong password within an hour, 3.5 times for further ones (2, 4, 7 s), 7.8 s at most.',
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
  'SASL door: the Dovecot auth protocol, for Postfix and Exim.',
)

const SocketmapListener = Type.Object(
  {
    listen: listen('unix:/var/spool/postfix/mailpassd/maps'),
    mode: mode('Mode of a UNIX socket.'),
  },
  { additionalProperties: false },
)

export const Socketmap = section(
  {
    listeners: Type.Array(SocketmapListener, {
      default: [],
      maxItems: 16,
      description:
        'Listeners: UNIX sockets or loopback, since the protocol has no client authentication. UNIX paths are relative to the data directory.',
    }),
    recipient_delimiter: Type.String({
      default: '+',
      pattern: '^[+=#~._-]{0,4}$',
      expected: 'none or some of + = # ~ . _ -',
      description:
        "Characters that begin an address extension, as Postfix's recipient_delimiter; empty for none. Postfix leaves extensions to a socketmap.",
    }),
    max_connections: Type.Integer({
      default: 10000,
      minimum: 1,
      maximum: 100000,
      description: 'Connections per listener.',
    }),
    max_pending: Type.Integer({
      default: 16,
      minimum: 1,
      maximum: 1000,
      description:
        'Look-ups in flight per connection; further ones are read when one is answered. Postfix has one at a time; with SQLite each takes about 0.1 ms in which nothing else happens.',
    }),
  },
  'Socketmap door: domains, mailboxes, aliases and sender logins for a Postfix without database access.',
)

export const Admin = section(
  {
    listen: Type.Array(listen('127.0.0.1:8145'), {
      default: ['127.0.0.1:8145', 'unix:admin.sock'],
      maxItems: 16,
      description:
        'Listeners. A token is needed except on a UNIX socket and for /healthz. UNIX paths are relative to the data directory.',
    }),
  },
  'Admin door: health, metrics, API description.',
)

export const Compat = section(
  {
    networks: Type.Array(Type.String(), {
      default: [],
      maxItems: 64,
      description: "Networks from which mailcow's own Lua may POST / without a token.",
    }),
    sogo_networks: Type.Array(Type.String(), {
      default: [],
      maxItems: 64,
      description:
        'Where SOGo is on a mailcow (IPV4_NETWORK.248/32). A login by POST / whose real_rip is there skips all protocol checks, as in mailcow; whoever may POST / may claim it.',
    }),
    sogo_password_file: Type.Optional(
      Type.String({
        examples: ['sogo-sso.pass'],
        description:
          "mailcow's sogo-sso.pass, relative to this file; read again when it changes, refused when others may read it. What it holds opens every mailbox from sogo_networks by POST /.",
      }),
    ),
  },
  'The mailcow-compatible route POST / on the auth door.',
)
