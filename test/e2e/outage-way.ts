/**
 * Every kind of client before one daemon: IMAP through Dovecot 2.3 and 2.4, SMTP through Postfix 3.7, 3.10 and Exim over
 * UNIX sockets, HTTP; behind it a Keycloak and a MariaDB that a test can take away and give back.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import type { Test } from 'tap'
import { keycloakAndMariadb, mailUser, type FullBackend } from './backend.ts'
import { httpLogin, startDaemon, TOKEN, type RunningDaemon } from './daemon.ts'
import { dovecotMissing, startDovecot } from '../servers/dovecot.ts'
import { eximMissing, makeExim } from '../servers/exim.ts'
import { startFaultProxy, type FaultProxy } from '../servers/fault-proxy.ts'
import { imapLogin, smtpLogin } from '../servers/lines.ts'
import { mariadbInstalled, startMariadb, type MariadbServer } from '../servers/mariadb.ts'
import { makePostfix, postfixMissing } from '../servers/postfix.ts'
import { keycloakMissing } from '../servers/suite.ts'

const PASSWORD = 'tr0ub4dor & 3'

export const CLIENTS = ['imap-2.3', 'imap-2.4', 'postfix-3.7', 'postfix-3.10', 'exim', 'http'] as const
export type ClientName = (typeof CLIENTS)[number]

/** The whole answer to a login as this client sees it. */
export type Logins = Readonly<Record<ClientName, (user: string) => Promise<string>>>

/** Answers that a client takes for "try again later"; a wrong password is [AUTHENTICATIONFAILED] or 535. */
export const LATER: Readonly<Record<ClientName, RegExp>> = {
  'imap-2.3': /^a NO \[UNAVAILABLE\]/,
  'imap-2.4': /^a NO \[UNAVAILABLE\]/,
  'postfix-3.7': /^454 /,
  'postfix-3.10': /^454 /,
  exim: /^435 /,
  http: /^503 temp_fail$/,
}

export const GOOD: Readonly<Record<ClientName, RegExp>> = {
  'imap-2.3': /^a OK/,
  'imap-2.4': /^a OK/,
  'postfix-3.7': /^235 /,
  'postfix-3.10': /^235 /,
  exim: /^235 /,
  http: /^200 ok$/,
}

/** Why servers of the way are not there, or undefined. */
export const WAY_NEEDS = [
  dovecotMissing('2.3'),
  dovecotMissing('2.4'),
  postfixMissing('3.7'),
  postfixMissing('3.10'),
  eximMissing(),
  keycloakMissing(),
  mariadbInstalled() ? undefined : 'no MariaDB (npm run servers)',
]

export interface Way {
  readonly backend: FullBackend
  readonly mariadb: RestartableMariadb
  readonly proxy: FaultProxy
  readonly daemon: RunningDaemon
  readonly logins: Logins
}

interface RestartableMariadb {
  /** The one that runs now, or ran last. */
  readonly server: () => MariadbServer
  /** Starts it again after it was killed: same directory, socket and port. */
  readonly restart: () => Promise<void>
}

async function ownMariadb(t: Test): Promise<RestartableMariadb> {
  const workDir = await mkdtemp(join(tmpdir(), 'mailpassd-outage-'))
  t.teardown(() => rm(workDir, { recursive: true, force: true }))
  let server = await startMariadb(workDir)
  t.teardown(async () => {
    // A stopped process gets SIGTERM only when it goes on.
    server.resume()
    await server.stop()
  })
  return {
    server: () => server,
    restart: async () => {
      server = await startMariadb(workDir, server.port)
    },
  }
}

/**
 * Starts everything, the daemon while Keycloak is away; users are in the realm with the suite's password, and none
 * has a mailbox. `freshSeconds` is the directory's fresh_seconds.
 */
export async function startWay(
  t: Test,
  wish: { readonly domain: string; readonly users: readonly string[]; readonly freshSeconds: number },
): Promise<Way> {
  const mailDir = join(tmpdir(), `mailpassd-mail-${randomBytes(4).toString('hex')}`)
  const mariadb = await ownMariadb(t)
  const users = wish.users.map((email) => mailUser(email, PASSWORD))
  const backend = await keycloakAndMariadb(t, wish.domain, users, { socket: mariadb.server().socket })
  // It is lost when the server is killed.
  backend.database.sql.on('error', () => {})
  const proxy = await startFaultProxy(backend.realm.url)
  t.teardown(() => proxy.stop())

  const postfixes = [await makePostfix('3.7'), await makePostfix('3.10')] as const
  const exim = await makeExim()
  t.teardown(() => Promise.all([...postfixes, exim].map((server) => server.stop())))
  // The daemon starts without Keycloak, and makes its tables before anything fails.
  await proxy.set('stopped')
  const daemon = await startDaemon({
    config: backend
      .config({
        serverUrl: proxy.url,
        userdb: `[userdb]\nhome = "${mailDir}/%d/%n"\nmail = "maildir:${mailDir}/%d/%n/Maildir"`,
      })
      .replace('[directory]', `[directory]\nfresh_seconds = ${wish.freshSeconds}`),
    saslSockets: [...postfixes, exim].map(({ saslSocket }) => saslSocket),
  })
  t.teardown(() => daemon.stop())
  await proxy.set(undefined)

  const dovecots = await Promise.all(
    (['2.3', '2.4'] as const).map((version) =>
      startDovecot({ version, url: daemon.url, token: TOKEN, mailDir }),
    ),
  )
  t.teardown(() => Promise.all(dovecots.map((dovecot) => dovecot.stop())))
  const [old, recent] = dovecots
  if (old === undefined || recent === undefined) throw new Error('no Dovecot')
  const start = { saslPort: daemon.ports.sasl, lmtpPort: old.ports.lmtp }
  await Promise.all([
    ...postfixes.map((postfix) => postfix.start(start)),
    exim.start({ ...start, domains: [wish.domain] }),
  ])
  t.teardown(() => {
    if (t.passing()) return
    t.comment(daemon.log())
    for (const server of [...dovecots, ...postfixes, exim]) t.comment(server.log())
  })

  const [postfix37, postfix310] = postfixes
  return {
    backend,
    mariadb,
    proxy,
    daemon,
    logins: {
      'imap-2.3': (user) => imapLogin(old.ports.imap, user, PASSWORD),
      'imap-2.4': (user) => imapLogin(recent.ports.imap, user, PASSWORD),
      'postfix-3.7': (user) => smtpLogin(postfix37.ports.unix, user, PASSWORD),
      'postfix-3.10': (user) => smtpLogin(postfix310.ports.unix, user, PASSWORD),
      exim: (user) => smtpLogin(exim.ports.unix, user, PASSWORD),
      http: async (user) => {
        const { status, body } = await httpLogin(daemon.url, user, PASSWORD)
        return `${status} ${String(body['verdict'])}`
      },
    },
  }
}

/** How many rows every table has that a mailbox has rows in. Over a connection of its own: others may be lost. */
export async function rowCounts({ backend, mariadb }: Way): Promise<string> {
  const { database } = backend
  const sql = await createConnection({
    socketPath: mariadb.server().socket,
    user: 'root',
    database: database.name,
  })
  try {
    const tables = [
      'mailbox',
      'alias',
      'quota2',
      'quota2replica',
      'user_acl',
      'tags_mailbox',
      'mailpassd_mailbox',
    ]
    const counts = tables.map((table) => `(select count(*) from ${table}) as ${table}`)
    const [rows] = await sql.query<RowDataPacket[]>(`select ${counts.join()}`)
    return JSON.stringify(rows[0])
  } finally {
    sql.destroy()
  }
}
