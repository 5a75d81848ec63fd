/**
 * A real MariaDB for tests, on a socket and a free port of 127.0.0.1. One serves a whole test run: suites find it by
 * MAILPASSD_TEST_MARIADB and make a database each.
 *
 *   node test/servers/mariadb.ts     starts one, prints the variable to set, runs until it is interrupted
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createConnection, type Connection } from 'mysql2/promise'
import type { Test } from 'tap'
import type { StoreConfig } from '../../src/config/schema.ts'
import { MAILCOW_SCHEMA } from './mailcow-schema.ts'
import { startChild } from './child.ts'
import { freePort } from './ports.ts'

export interface MariadbServer {
  /** UNIX socket; the user is root without a password. */
  readonly socket: string
  readonly port: number
  readonly pid: number
  /** SIGSTOP and SIGCONT: it keeps its connections and answers nothing. */
  pause(): void
  resume(): void
  stop(): Promise<void>
  /** As a crash: SIGKILL. */
  kill(): Promise<void>
}

const PROGRAM = '/usr/sbin/mariadbd'
const INSTALL = '/usr/bin/mariadb-install-db'

/** Whether startMariadb has something to start. */
export function mariadbInstalled(): boolean {
  return existsSync(PROGRAM) && existsSync(INSTALL)
}

/** Small, and without what only a crash needs: tests run beside each other on two cores. */
function serverOptions(workDir: string, port: number): readonly string[] {
  return [
    '--no-defaults',
    `--user=${userInfo().username}`,
    `--datadir=${join(workDir, 'data')}`,
    `--socket=${join(workDir, 'mariadb.sock')}`,
    `--pid-file=${join(workDir, 'mariadb.pid')}`,
    `--tmpdir=${workDir}`,
    '--bind-address=127.0.0.1',
    `--port=${port}`,
    '--skip-name-resolve',
    // As on a mailcow.
    '--character-set-server=utf8mb4',
    '--collation-server=utf8mb4_general_ci',
    '--default-time-zone=+00:00',
    '--innodb-buffer-pool-size=64M',
    '--innodb-log-file-size=16M',
    '--innodb-flush-log-at-trx-commit=2',
    '--performance-schema=off',
    '--skip-log-bin',
    '--max-connections=400',
  ]
}

/** Makes the system tables in `workDir`, which the caller removes afterwards. A second start finds them there. */
async function install(workDir: string): Promise<void> {
  if (existsSync(join(workDir, 'data', 'mysql'))) return
  await mkdir(join(workDir, 'data'), { recursive: true })
  const child = spawn(
    INSTALL,
    [
      '--no-defaults',
      `--user=${userInfo().username}`,
      `--datadir=${join(workDir, 'data')}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => output.push(text))
  }
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`mariadb-install-db ended with ${String(code)}:\n${output.join('')}`)
}

/** Starts a MariaDB in `workDir` (made and filled where it is empty) and waits until it answers. */
export async function startMariadb(workDir: string, wantedPort?: number): Promise<MariadbServer> {
  await install(workDir)
  const port = wantedPort ?? (await freePort())
  const socket = join(workDir, 'mariadb.sock')
  const child = startChild(PROGRAM, serverOptions(workDir, port))
  try {
    await child.until(async () => {
      const connection = await createConnection({ socketPath: socket, user: 'root' }).catch(() => undefined)
      await connection?.end()
      return connection !== undefined
    })
  } catch (error) {
    await child.stop()
    throw error
  }
  return {
    socket,
    port,
    pid: child.pid,
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
    stop: () => child.stop(),
    kill: async () => {
      child.signal('SIGKILL')
      await child.ended
    },
  }
}

/** The store section of the configuration, for a database of a test. */
export type TestStoreConfig = Omit<StoreConfig, 'outage_minutes'> & { readonly dataDir: string }

export interface TestDatabase {
  readonly name: string
  readonly store: TestStoreConfig
  /** A connection of its own, for looking at rows behind the store's back. */
  readonly sql: Connection
}

/** Drops the database when the test ends. `mailcow` makes mailcow's own tables in it. */
export async function mariadbForTests(t: Test, schema: 'standalone' | 'mailcow'): Promise<TestDatabase> {
  const socket = process.env['MAILPASSD_TEST_MARIADB']
  if (socket === undefined) throw new Error('MAILPASSD_TEST_MARIADB is not set')
  return databaseOn(t, socket, schema)
}

/** The same on a server of one's own. */
export async function databaseOn(
  t: Pick<Test, 'teardown'>,
  socket: string,
  schema: 'standalone' | 'mailcow',
): Promise<TestDatabase> {
  const name = `mailpassd_test_${randomBytes(6).toString('hex')}`
  const sql = await createConnection({
    socketPath: socket,
    user: 'root',
    charset: 'utf8mb4',
    dateStrings: true,
    jsonStrings: true,
    multipleStatements: true,
  })
  await sql.query(
    `create database \`${name}\` character set utf8mb4 collate utf8mb4_general_ci; use \`${name}\``,
  )
  if (schema === 'mailcow') for (const statement of MAILCOW_SCHEMA) await sql.query(statement)
  t.teardown(async () => {
    await sql.query(`drop database if exists \`${name}\``).catch(() => undefined)
    sql.destroy()
  })
  return {
    name,
    sql,
    store: {
      kind: 'mysql',
      schema,
      path: 'unused.sqlite',
      host: '127.0.0.1',
      port: 3306,
      socket,
      database: name,
      user: 'root',
      connections: 10,
      timeout_ms: 3000,
      fresh_seconds: 2,
      dataDir: tmpdir(),
    },
  }
}

async function main(): Promise<void> {
  const workDir = await mkdtemp(join(tmpdir(), 'mailpassd-mariadb-'))
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  try {
    const server = await startMariadb(workDir)
    console.log(`MAILPASSD_TEST_MARIADB=${server.socket}`)
    await interrupted
    await server.stop()
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
