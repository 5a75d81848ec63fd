/** mailpassd as it is shipped, on a realm file and SQLite, with these users. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/clock.ts'
import { writeRealmFile } from '../../src/directory/realm-file/write.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { startDaemon, type DaemonWish, type RunningDaemon } from '../../test/e2e/daemon.ts'
import { DOMAIN } from '../people.ts'
import { cpuUsOf } from '../process-cpu.ts'
import type { Teardown } from '../teardown.ts'
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
