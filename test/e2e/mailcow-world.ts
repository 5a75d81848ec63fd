/**
 * A mailcow as the suites over its rules see one: a real Keycloak, a MariaDB of its own with mailcow's schema, a Redis that
 * is configured and away, and a daemon of default freshness before them. What was measured on mailcow's own PHP stands in
 * the tables of docs/mailcow.md.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startFaultProxy, type FaultProxy } from '../servers/fault-proxy.ts'
import type { TestUser } from '../servers/keycloak-realm.ts'
import { mariadbInstalled, startMariadb, type MariadbServer } from '../servers/mariadb.ts'
import { freePort } from '../servers/ports.ts'
import { keycloakMissing } from '../servers/suite.ts'
import { keycloakAndMariadb, type FullBackend, type Row } from './backend.ts'
import { startDaemon, TOKEN, type RunningDaemon } from './daemon.ts'
import { isRecord } from './json.ts'

export const DOMAIN = 'rules.example'
export const at = (local: string) => `${local}@${DOMAIN}`

export const WORLD_NEEDS = [
  keycloakMissing(),
  mariadbInstalled() ? undefined : 'no MariaDB (npm run servers)',
]

export interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

export interface World {
  readonly backend: FullBackend
  /** Kept for the suite that takes it away. */
  readonly mariadb: MariadbServer
  readonly proxy: FaultProxy
  readonly daemon: RunningDaemon
  /** The configuration file's text, for another daemon over the same. */
  readonly config: string
  /** POST /v1/login. */
  readonly login: (local: string, password: string | Buffer, service?: string) => Promise<Answer>
  /** The reason that the daemon logged last for this address. */
  readonly why: (local: string) => unknown
  readonly sql: (text: string, values?: readonly (string | number)[]) => Promise<Row[]>
  /** Rows of every table that a mailbox has rows in, as they stand. */
  readonly rows: (local: string) => Promise<Record<string, Row[]>>
  readonly isWritten: (local: string) => Promise<boolean>
}

/** A login's body with a password of any bytes in it. */
export function loginBody(fields: Readonly<Record<string, string>>, password: string | Buffer): Buffer {
  const head = JSON.stringify(fields).slice(0, -1)
  const text = Buffer.isBuffer(password) ? password : Buffer.from(JSON.stringify(password).slice(1, -1))
  return Buffer.concat([Buffer.from(`${head},"password":"`), text, Buffer.from('"}')])
}

/** One POST to the auth door. Everything that it answers is JSON. */
export async function post(url: string, path: string, body: Buffer): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: new Uint8Array(body),
  })
  const parsed: unknown = await response.json()
  return { status: response.status, body: isRecord(parsed) ? parsed : {} }
}

export function loginAt(url: string): World['login'] {
  return (local, password, service = 'imap') =>
    post(url, '/v1/login', loginBody({ username: at(local), service, remote_ip: '192.0.2.1' }, password))
}

const TABLES = [
  ['mailbox', 'username'],
  ['alias', 'address'],
  ['quota2', 'username'],
  ['quota2replica', 'username'],
  ['user_acl', 'username'],
  ['tags_mailbox', 'username'],
  ['_sogo_static_view', 'c_uid'],
  ['mailpassd_mailbox', 'username'],
  ['mailpassd_outbox', 'address'],
] as const

/** Starts everything for these users; `sections` are more of the configuration. */
export async function startWorld(t: Test, users: readonly TestUser[], sections = ''): Promise<World> {
  const workDir = await mkdtemp(join(tmpdir(), 'mailpassd-rules-'))
  t.teardown(() => rm(workDir, { recursive: true, force: true }))
  const mariadb = await startMariadb(workDir)
  t.teardown(() => mariadb.stop())
  const backend = await keycloakAndMariadb(t, DOMAIN, users, { socket: mariadb.socket })
  // It is lost when the server is killed.
  backend.database.sql.on('error', () => {})
  const proxy = await startFaultProxy(backend.realm.url)
  t.teardown(() => proxy.stop())
  const config = `${backend.config({ serverUrl: proxy.url })}
[compat]
networks = ["127.0.0.0/8"]
[redis]
host = "127.0.0.1"
port = ${await freePort()}
${sections}`
  const daemon = await startDaemon({ config })
  t.teardown(() => daemon.stop())

  const sql: World['sql'] = async (text, values = []) => {
    const [rows] = await backend.database.sql.query(text, [...values])
    const list: unknown = rows
    return Array.isArray(list) ? list.filter(isRecord) : []
  }
  const rows: World['rows'] = async (local) => {
    const all: Record<string, Row[]> = {}
    for (const [table, column] of TABLES)
      all[table] = await sql(`select * from ${table} where ${column} = ?`, [at(local)])
    return all
  }
  return {
    backend,
    mariadb,
    proxy,
    daemon,
    config,
    login: loginAt(daemon.url),
    why: (local) => whyAt(daemon, local),
    sql,
    rows,
    isWritten: async (local) => Object.values(await rows(local)).some((found) => found.length > 0),
  }
}

export function whyAt(daemon: RunningDaemon, local: string): unknown {
  const isAbout = (line: Record<string, unknown>) =>
    line['event'] === 'login' && line['mailbox'] === at(local)
  return daemon.lines().findLast(isAbout)?.['why']
}

/** Asks until it is so; a minute at most, which no healthy run comes near. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const last = Date.now() + 60_000
  while (!(await isSo())) {
    if (Date.now() > last) throw new Error(`not seen: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
