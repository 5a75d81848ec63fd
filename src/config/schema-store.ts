/** Section `store`: the database. */
import { Type } from 'typebox'
import { section } from './section.ts'

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
    socket: Type.Optional(
      Type.String({
        examples: ['/run/mysqld/mysqld.sock'],
        description: 'MariaDB UNIX socket, instead of host and port.',
      }),
    ),
    database: Type.String({ default: 'mailcow', description: 'MariaDB database.' }),
    user: Type.String({ default: 'mailcow', description: 'MariaDB user.' }),
    password: Type.Optional(
      Type.String({
        examples: ['the password'],
        description:
          'Its password. Better: password_file, password_env or a systemd credential named store_password.',
      }),
    ),
    password_file: Type.Optional(
      Type.String({
        examples: ['store_password'],
        description: 'File that holds the password, relative to this file; refused when others may read it.',
      }),
    ),
    password_env: Type.Optional(
      Type.String({
        examples: ['MAILPASSD_STORE_PASSWORD'],
        description: 'Environment variable that holds the password.',
      }),
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
    outage_minutes: Type.Integer({
      default: 15,
      minimum: 0,
      maximum: 1440,
      description: 'While the database is down, rows at most so old serve whom they know. 0: none.',
    }),
  },
  'The database with domains and mailboxes.',
)
