/** The real parts of the soak: Keycloak behind a proxy that spoils answers, MariaDB in mailcow's schema, one daemon. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createConnection } from 'mysql2/promise'
import { MAILPASSD, startDaemon, type RunningDaemon } from '../../test/e2e/daemon.ts'
import { startFaultProxy, type FaultProxy } from '../../test/servers/fault-proxy.ts'
import { openKeycloak, type TestUser } from '../../test/servers/keycloak-realm.ts'
import { defaultServersDir, startKeycloak } from '../../test/servers/keycloak.ts'
import { MAILCOW_SCHEMA } from '../../test/servers/mailcow-schema.ts'
import { startMariadb } from '../../test/servers/mariadb.ts'
import { DOMAIN } from './people.ts'

const DATABASE = 'soak'

export interface World {
  readonly daemon: RunningDaemon
  readonly proxy: FaultProxy
  readonly keycloak: { pause(): void; resume(): void; restart(): Promise<void> }
  readonly mariadb: {
    pause(): void
    resume(): void
    stop(): Promise<void>
    kill(): Promise<void>
    start(): Promise<void>
  }
  appPassword(address: string): Promise<string>
  stop(): Promise<void>
}

/** It keeps nothing on disk: a restarted one gets the same realm, with the same ids and secret, as a real one has. */
async function startDirectory(workDir: string, users: readonly TestUser[]) {
  const places = { serversDir: defaultServersDir(), workDir }
  let server = await startKeycloak(places)
  const port = Number(new URL(server.url).port)
  const first = await openKeycloak(server.url).makeRealm({ realm: 'soak', users })
  const withIds: TestUser[] = []
  for (const user of users) withIds.push({ ...user, id: await first.userId(user.username) })
  const signal = (name: NodeJS.Signals) => process.kill(server.pid, name)
  return {
    url: server.url,
    realm: first,
    pause: () => void signal('SIGSTOP'),
    resume: () => void signal('SIGCONT'),
    async restart() {
      await server.stop()
      server = await startKeycloak({ ...places, port })
      const again = await openKeycloak(server.url).makeRealm({ realm: 'soak', users: withIds })
      await again.setClientSecret(first.clientSecret)
    },
    async stop() {
      signal('SIGCONT')
      await server.stop()
    },
  }
}

async function startDatabase(workDir: string) {
  let server = await startMariadb(workDir)
  const sql = await createConnection({ socketPath: server.socket, user: 'root', multipleStatements: true })
  await sql.query(
    `create database ${DATABASE} character set utf8mb4 collate utf8mb4_general_ci; use ${DATABASE}`,
  )
  for (const statement of MAILCOW_SCHEMA) await sql.query(statement)
  await sql.query('insert into domain set domain = ?, mailboxes = 10000, maxquota = 10240, quota = 0', [
    DOMAIN,
  ])
  await sql.end()
  const { socket, port } = server
  return {
    socket,
    pause: () => server.pause(),
    resume: () => server.resume(),
    stop: () => server.stop(),
    kill: () => server.kill(),
    async start() {
      server = await startMariadb(workDir, port)
    },
    async end() {
      server.resume()
      await server.stop()
    },
  }
}

/** Starts everything; what was started is stopped again where something does not start. */
export async function startWorld(users: readonly TestUser[]): Promise<World> {
  const ends: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const end of ends.toReversed()) await end().catch((error: unknown) => console.error(error))
  }
  try {
    const workDir = await mkdtemp(join(tmpdir(), 'mailpassd-soak-'))
    ends.push(() => rm(workDir, { recursive: true, force: true }))
    const mariadb = await startDatabase(join(workDir, 'mariadb'))
    ends.push(() => mariadb.end())
    const keycloak = await startDirectory(join(workDir, 'keycloak'), users)
    ends.push(() => keycloak.stop())
    const proxy = await startFaultProxy(keycloak.url)
    ends.push(() => proxy.stop())
    const daemon = await startDaemon({
      config: `
[directory]
kind = "keycloak"
server_url = "${proxy.url}"
realm = "${keycloak.realm.realm}"
client_id = "${keycloak.realm.clientId}"
client_secret = "${keycloak.realm.clientSecret}"
default_template = "Default"
fresh_seconds = 10
[store]
kind = "mysql"
schema = "mailcow"
socket = "${mariadb.socket}"
database = "${DATABASE}"
user = "root"
`,
    })
    ends.push(() => daemon.stop())
    return {
      daemon,
      proxy,
      keycloak,
      mariadb,
      async appPassword(address) {
        const args = `app-password create ${address} --name soak --config ${daemon.configFile} --data-dir ${daemon.dataDir}`
        const { stdout } = await promisify(execFile)(MAILPASSD, args.split(' '))
        return stdout.trim()
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
