/** mailpassd as it is shipped, on a realm file and SQLite, with these users. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { writeRealmFile } from '../../src/directory/realm-file/write.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { startDaemon, type DaemonWish, type RunningDaemon } from '../../test/e2e/daemon.ts'
import { runLoad } from '../load.ts'
import { DOMAIN } from '../people.ts'
import { cpuUsOf } from '../process-cpu.ts'
import { TeardownStack, type Teardown } from '../teardown.ts'
import type { Subject } from './subject.ts'

export interface MailpassdSubject extends Subject {
  readonly daemon: RunningDaemon
}

/** Where realm file and database are; a second daemon may be started on the same. */
export interface Place {
  readonly dir: string
  /** Sections directory and store. */
  readonly config: string
}

const SQLITE = {
  kind: 'sqlite',
  schema: 'standalone',
  host: '',
  port: 1,
  database: '',
  user: '',
  connections: 1,
  timeout_ms: 3000,
  fresh_seconds: 2,
} as const

/** A directory with a realm file of these users, who all have this hash, and a database with their domain. */
export async function makePlace(teardown: Teardown, users: readonly string[], hash: string): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-bench-'))
  teardown.teardown(() => rm(dir, { recursive: true, force: true }))
  const [realm, database] = [join(dir, 'realm.json'), join(dir, 'mailpassd.sqlite')]
  await writeRealmFile(
    realm,
    users.map((email) => ({ username: email, email, hash })),
  )
  const store = await openStore(
    { ...SQLITE, path: database, dataDir: dir },
    { clock: systemClock, logger: silentLogger },
  )
  await store.domains.add(DOMAIN, { autojoin: true, maxMailboxes: 10_000_000 })
  await store.close()
  return {
    dir,
    config: `
[directory]
kind = "realm-file"
file = "${realm}"
default_template = "Default"
[store]
kind = "sqlite"
schema = "standalone"
path = "${database}"
`,
  }
}

/** Starts a daemon; `wish.config` is added to what the place has. */
export async function startMailpassd(
  teardown: Teardown,
  place: Place,
  wish: Omit<DaemonWish, 'saslSockets'>,
): Promise<MailpassdSubject> {
  const socket = join(place.dir, 'sasl.sock')
  const daemon = await startDaemon({
    ...wish,
    config: `${place.config}${wish.config}`,
    saslSockets: [socket],
  })
  teardown.teardown(() => daemon.stop())
  return {
    name: 'mailpassd',
    unix: `unix:${socket}`,
    tcp: `127.0.0.1:${daemon.ports.sasl}`,
    cpuUs: () => cpuUsOf(daemon.pid),
    daemon,
  }
}

/**
 * This configuration for first logins of many made-up users within seconds: names that nobody is known to have are looked up
 * faster than a daemon as shipped would. No figure is taken of it.
 */
export function forFirstLogins(config: string): string {
  return config.replace('[directory]\n', '[directory]\nunknown_per_second = 1000\n')
}

/** Makes the mailbox of everybody in the file, by a daemon of its own that ends then. Throws where somebody is not let in. */
export async function makeMailboxes(
  client: string,
  place: Place,
  credentials: string,
  count: number,
): Promise<void> {
  const teardown = new TeardownStack()
  try {
    const filling = { ...place, config: forFirstLogins(place.config) }
    const { unix } = await startMailpassd(teardown, filling, { config: '' })
    const { ok } = await runLoad(client, unix, credentials, { connections: 4, logins: count })
    if (ok !== count) throw new Error(`${ok} of ${count} users were let in for the first time`)
  } finally {
    await teardown.end()
  }
}
