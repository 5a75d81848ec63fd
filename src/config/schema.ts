/**
 * The configuration file, section by section. One schema gives the types, the defaults, the checks,
 * conf/mailpassd.example.toml and docs/configuration.md. Descriptions are the reference's text.
 */
import { Type, type Static } from 'typebox'
import { Alarm } from './schema-alarm.ts'
import { Admin, Compat, Http, Sasl, Socketmap, Token } from './schema-doors.ts'
import { Directory } from './schema-directory.ts'
import { Mailcow, Redis } from './schema-mailcow.ts'
import { Dovecot } from './schema-dovecot.ts'
import { Policy } from './schema-policy.ts'
import { Store } from './schema-store.ts'
import { section } from './section.ts'

const Password = section(
  {
    allow_weak: Type.Optional(
      Type.Boolean({
        examples: [false],
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

const Memory = section(
  {
    accounts: Type.Integer({
      default: 100000,
      minimum: 100,
      maximum: 5000000,
      description: 'Accounts remembered at most.',
    }),
    memo_entries: Type.Integer({
      default: 100000,
      minimum: 100,
      maximum: 10000000,
      description: 'Right and wrong passwords remembered at most (as keyed MACs, in memory only).',
    }),
  },
  'What is kept in memory.',
)

const Log = section(
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

const UserDb = section(
  {
    uid: Type.String({ default: '5000', description: 'User that owns mail.' }),
    gid: Type.String({ default: '5000', description: 'Group that owns mail.' }),
    home: Type.Optional(
      Type.String({
        examples: ['/var/vmail/%d/%n'],
        description: 'Home template: %d domain, %n local part. Default: mailbox_path_prefix + %d/%n.',
      }),
    ),
    mail: Type.Optional(
      Type.String({
        examples: ['maildir:/var/vmail/%d/%n/Maildir'],
        description:
          "Mail location template: %d domain, %n local part. Default: the mailbox's own mailbox_format and mailbox_path_prefix + %d/%n/.",
      }),
    ),
  },
  'What GET /v1/userdb answers.',
)

export const Config = Type.Object(
  {
    directory: Directory,
    store: Store,
    mailcow: Mailcow,
    redis: Redis,
    http: Http,
    sasl: Sasl,
    socketmap: Socketmap,
    admin: Admin,
    compat: Compat,
    tokens: Type.Array(Token, {
      default: [],
      maxItems: 100,
      description: 'Bearer tokens of the HTTP doors.',
    }),
    password: Password,
    policy: Policy,
    memory: Memory,
    log: Log,
    userdb: UserDb,
    dovecot: Dovecot,
    alarm: Alarm,
  },
  { additionalProperties: false },
)

export type Config = Static<typeof Config>
export type DirectoryConfig = Config['directory']
export type StoreConfig = Config['store']
export type MailcowConfig = Config['mailcow']
export type RedisConfig = Config['redis']
export type HttpConfig = Config['http']
export type SaslConfig = Config['sasl']
export type SaslListenerConfig = SaslConfig['listeners'][number]
export type SocketmapConfig = Config['socketmap']
export type SocketmapListenerConfig = SocketmapConfig['listeners'][number]
export type TokenConfig = Config['tokens'][number]
export type PasswordConfig = Config['password']
export type PolicyConfig = Config['policy']
export type LogConfig = Config['log']
export type UserDbConfig = Config['userdb']
export type DovecotEndpointConfig = Config['dovecot']['endpoints'][number]
