/**
 * A login of which nothing is remembered: its rows, its directory record and its password. Beside it what it cannot do
 * without: comparing that hash, one look-up in Keycloak, one query in MariaDB, each by itself, one after the other.
 */
import { rm, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDaemon, type RunningDaemon } from '../../test/e2e/daemon.ts'
import type { Bench, Section } from '../bench.ts'
import { median } from '../figures.ts'
import { timeText, type Line } from '../line.ts'
import { addresses, hashBy, PASSWORD, type Scheme } from '../people.ts'
import { saslClient, type Client } from '../soak/clients.ts'
import { compareRaw, makeRealServers, type RealServers } from '../subjects/real-servers.ts'
import { forFirstLogins } from '../subjects/mailpassd.ts'
import type { Teardown } from '../teardown.ts'

const SCHEMES: readonly Scheme[] = ['bcrypt 5', 'bcrypt 10', 'SSHA512']
/** Logins of each scheme and round. */
const LOGINS = 30
/** Cold logins before, so that the code is compiled and the connections are open. */
const WARM_UP = 100

interface Sample {
  readonly loginMs: number
  readonly rawMs: number
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now()
  await run()
  return performance.now() - startedAtMs
}

async function logIn(client: Client, username: string): Promise<void> {
  const answer = await client.login({ kind: 'known', username, password: PASSWORD, remoteIp: '192.0.2.1' })
  if (answer !== 'ok') throw new Error(`${username} was not let in: ${answer}`)
}

async function raw(servers: RealServers, username: string, scheme: Scheme, hash: string): Promise<void> {
  // Comparing a salted SHA-512 costs microseconds.
  if (scheme !== 'SSHA512') await compareRaw(PASSWORD, hash)
  await servers.lookUp(username)
  await servers.query(username)
}

/** Makes every mailbox, and stops: the daemon of the measurement has never seen anybody. */
async function makeMailboxes(
  wish: Parameters<typeof startDaemon>[0],
  users: readonly string[],
): Promise<void> {
  const daemon = await startDaemon(wish)
  const clients = Array.from({ length: 4 }, () => saslClient(daemon.ports.sasl))
  try {
    const left = users.values()
    await Promise.all(
      clients.map(async (client) => {
        for (const username of left) await logIn(client, username)
      }),
    )
  } finally {
    await Promise.all(clients.map((client) => client.close()))
    await daemon.stop()
  }
}

async function sample(
  daemon: RunningDaemon,
  servers: RealServers,
  users: readonly string[],
  scheme: Scheme,
  hash: string,
): Promise<readonly Sample[]> {
  const client = saslClient(daemon.ports.sasl)
  const samples: Sample[] = []
  try {
    for (const [at, username] of users.entries()) {
      const login = () => timed(() => logIn(client, username))
      const alone = () => timed(() => raw(servers, username, scheme, hash))
      // In turn, and in either order: whoever comes second finds the other's traces in Keycloak's caches.
      if (at % 2 === 0) {
        const loginMs = await login()
        samples.push({ loginMs, rawMs: await alone() })
      } else {
        const rawMs = await alone()
        samples.push({ rawMs, loginMs: await login() })
      }
    }
  } finally {
    await client.close()
  }
  return samples
}

function toLine(scheme: Scheme, samples: readonly Sample[]): Line {
  return {
    section: 'cold',
    what: `cold login, ${scheme}`,
    ours: timeText(median(samples.map(({ loginMs }) => loginMs)) * 1000),
    other: `hash, look-up and query: ${timeText(median(samples.map(({ rawMs }) => rawMs)) * 1000)}`,
    result: median(samples.map(({ loginMs, rawMs }) => loginMs - rawMs)),
    unit: 'ms',
    goal: { atMost: 2 },
  }
}

async function run(bench: Bench, teardown: Teardown): Promise<readonly Line[]> {
  const { keycloak, mariadb } = bench.servers
  if (keycloak === undefined || mariadb === undefined) {
    bench.leftOut('cold logins: they need a Keycloak and a MariaDB (npm run servers)')
    return []
  }
  const logins = bench.quick ? 6 : LOGINS * bench.rounds
  const sets = await Promise.all(
    SCHEMES.map(async (scheme) => ({
      scheme,
      hash: await hashBy(scheme),
      users: addresses(logins, `cold-${scheme.replace(' ', '-').toLowerCase()}-`),
    })),
  )
  const first = addresses(bench.quick ? 6 : WARM_UP, 'first')
  const [{ hash: cheapHash } = { hash: '' }] = sets
  bench.progress('cold: making a realm and mailboxes')
  const servers = await makeRealServers(teardown, { keycloak, mariadb }, [
    ...first.map((email) => ({ email, hash: cheapHash })),
    ...sets.flatMap(({ users, hash }) => users.map((email) => ({ email, hash }))),
  ])
  const dataDir = await mkdtemp(join(tmpdir(), 'mailpassd-bench-'))
  teardown.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const wish = { config: servers.config, dataDir }
  await makeMailboxes({ ...wish, config: forFirstLogins(wish.config) }, [
    ...first,
    ...sets.flatMap(({ users }) => users),
  ])

  const daemon = await startDaemon(wish)
  teardown.teardown(() => daemon.stop())
  await sample(daemon, servers, first, 'bcrypt 5', cheapHash)
  const lines: Line[] = []
  for (const { scheme, hash, users } of sets) {
    bench.progress(`cold: ${users.length} logins, ${scheme}`)
    lines.push(toLine(scheme, await sample(daemon, servers, users, scheme, hash)))
  }
  return lines
}

export const cold: Section = {
  name: 'cold',
  about:
    'logins of which nothing is remembered, on Keycloak and MariaDB; by what they take beyond hash, look-up and query',
  run,
}
