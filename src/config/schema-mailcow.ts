/** Sections `mailcow` and `redis`: what of a mailcow beside its database is told of new mailboxes. */
import { Type } from 'typebox'
import { section } from './section.ts'

export const Mailcow = section(
  {
    sogo: Type.Boolean({
      default: true,
      description:
        "Put new mailboxes into SOGo's user view, where mailcow's database has it. Off for SKIP_SOGO=y.",
    }),
    f2b: Type.Union([Type.Literal('throttled'), Type.Literal('all'), Type.Literal('off')], {
      default: 'throttled',
      description:
        "With [redis]: which failed logins mailcow's netfilter is told of, so that it bans their addresses. throttled: those that mailcow's Dovecot and Postfix do not log as wrong passwords. all: wrong passwords and unknown users too, for mail servers whose log mailcow does not read; others would count twice. Never from policy.shared_sources, never temp_fail.",
    }),
    memcached: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        examples: ['memcached:11211'],
        expected: 'host:port or [v6 address]:port',
        description:
          "SOGo's memcached: host:port. Flushed after a new mailbox, so that SOGo knows it at once; never waited for by a login. Default: not flushed.",
      }),
    ),
  },
  'A mailcow beside its database; only with the mailcow schema.',
)

export const Redis = section(
  {
    host: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        examples: ['redis'],
        description:
          'Redis host. With neither host nor socket there is no Redis, and no rate limit is written.',
      }),
    ),
    port: Type.Integer({ default: 6379, minimum: 1, maximum: 65535, description: 'Redis port.' }),
    socket: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 107,
        examples: ['/run/redis/redis.sock'],
        description: 'Redis UNIX socket, instead of host and port.',
      }),
    ),
    user: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        examples: ['mailpassd'],
        description: "User of Redis' access control lists. Default: its user `default`.",
      }),
    ),
    password: Type.Optional(
      Type.String({
        examples: ['the password'],
        description:
          'Its password. Better: password_file, password_env or a systemd credential named redis_password.',
      }),
    ),
    password_file: Type.Optional(
      Type.String({
        examples: ['redis_password'],
        description: 'File that holds the password, relative to this file; refused when others may read it.',
      }),
    ),
    password_env: Type.Optional(
      Type.String({
        examples: ['MAILPASSD_REDIS_PASSWORD'],
        description: 'Environment variable that holds the password.',
      }),
    ),
    database: Type.Integer({ default: 0, minimum: 0, maximum: 1023, description: 'Redis database.' }),
    timeout_ms: Type.Integer({
      default: 2000,
      minimum: 100,
      maximum: 30000,
      description: 'A connect or a command that takes longer has failed, and is tried again later.',
    }),
  },
  "The Redis in which Rspamd looks for rate limits (mailcow's RL_VALUE). Never needed for a login: it is written afterwards, and tried again while it does not answer.",
)
