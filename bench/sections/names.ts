/**
 * Whether the time of an answer tells that a name exists: wrong passwords for known and for unknown names in turn, each from
 * a network of its own, while Keycloak answers and the budget for look-ups lasts, while the budget is spent, and while
 * Keycloak is gone. How far the two distributions are apart anywhere, in per cent.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { startFaultProxy } from '../../test/servers/fault-proxy.ts'
import { startDaemon, type RunningDaemon } from '../../test/e2e/daemon.ts'
import { fileIn, type Bench, type Section } from '../bench.ts'
import { distance, quantile } from '../figures.ts'
import { timeText, type Line } from '../line.ts'
import { runLoad, writeCredentials, type LoadWish } from '../load.ts'
import { addresses, addressInNetwork, credentialsOf, hashBy } from '../people.ts'
import { forFirstLogins } from '../subjects/mailpassd.ts'
import { makeRealServers } from '../subjects/real-servers.ts'
import type { Teardown } from '../teardown.ts'

/** Below the 20 look-ups a second that guesses may cause. */
const SLOW = { connections: 40, rate: 15 } as const
/** As many as come at once. */
const FAST = { connections: 250 } as const

interface Answers {
  readonly us: number[]
  readonly kinds: Set<string>
}

/** Even places of the list are known names, odd ones are not. */
async function attempts(bench: Bench, users: readonly string[], salt: string): Promise<string> {
  const all = users.flatMap((username, at) => [
    { username, password: `no ${salt} ${at}`, remoteIp: addressInNetwork(2 * at) },
    {
      username: `nobody-${salt}-${username}`,
      password: `no ${salt} ${at}`,
      remoteIp: addressInNetwork(2 * at + 1),
    },
  ])
  return writeCredentials(fileIn(bench, `names-${salt}`), all)
}

async function collect(
  bench: Bench,
  address: string,
  credentials: string,
  wish: LoadWish,
): Promise<readonly [Answers, Answers]> {
  const samples = fileIn(bench, 'names-samples')
  await runLoad(bench.programs.client, address, credentials, { ...wish, samples })
  const known: Answers = { us: [], kinds: new Set() }
  const unknown: Answers = { us: [], kinds: new Set() }
  for (const line of (await readFile(samples, 'utf8')).trim().split('\n')) {
    const [place = '', kind = '', us = ''] = line.split('\t')
    const answers = Number(place) % 2 === 0 ? known : unknown
    answers.us.push(Number(us))
    answers.kinds.add(kind)
  }
  return [known, unknown]
}

function toLine(state: string, [known, unknown]: readonly [Answers, Answers]): Line {
  const text = ({ us, kinds }: Answers) =>
    `p10 ${timeText(quantile(us, 0.1))}, p50 ${timeText(quantile(us, 0.5))}, p90 ${timeText(quantile(us, 0.9))} (${[...kinds].sort().join(', ')})`
  const { distance: apart, chance } = distance(known.us, unknown.us)
  return {
    section: 'names',
    what: `wrong passwords, ${state}`,
    ours: `known names: ${text(known)}`,
    other: `unknown names: ${text(unknown)}`,
    result: apart * 100,
    unit: '%',
    goal: { atMost: chance * 100 },
  }
}

async function run(bench: Bench, teardown: Teardown): Promise<readonly Line[]> {
  const { keycloak, mariadb } = bench.servers
  if (keycloak === undefined || mariadb === undefined) {
    bench.leftOut('known and unknown names: they need a Keycloak and a MariaDB (npm run servers)')
    return []
  }
  const users = addresses(bench.quick ? 20 : 1000)
  const hash = await hashBy('bcrypt 5')
  const proxy = await startFaultProxy(keycloak)
  teardown.teardown(() => proxy.stop())
  bench.progress('names: making a realm and mailboxes')
  const servers = await makeRealServers(
    teardown,
    { keycloak, mariadb },
    users.map((email) => ({ email, hash })),
  )
  const config = servers.config.replace(keycloak, proxy.url)
  const dataDir = fileIn(bench, 'names-data')
  await mkdir(dataDir)
  const right = await writeCredentials(fileIn(bench, 'names-right'), credentialsOf(users))
  const logInAll = async ({ ports }: RunningDaemon): Promise<string> => {
    const address = `127.0.0.1:${ports.sasl}`
    const logins = { connections: 8, logins: users.length }
    const { ok } = await runLoad(bench.programs.client, address, right, logins)
    if (ok !== users.length) throw new Error(`only ${ok} of ${users.length} users were let in`)
    return address
  }
  const filling = await startDaemon({ config: forFirstLogins(config), dataDir })
  try {
    await logInAll(filling)
  } finally {
    await filling.stop()
  }
  const daemon = await startDaemon({ config, dataDir })
  teardown.teardown(() => daemon.stop())
  const address = await logInAll(daemon)

  const lines: Line[] = []
  bench.progress('names: Keycloak answers')
  const few = users.slice(0, bench.quick ? 10 : 150)
  const slow = { ...SLOW, logins: few.length * 2 }
  lines.push(toLine('directory up', await collect(bench, address, await attempts(bench, few, 'up'), slow)))
  const fast = { ...FAST, logins: users.length * 2 }
  bench.progress('names: more than the budget')
  const spent = await attempts(bench, users, 'spent')
  lines.push(toLine('budget spent', await collect(bench, address, spent, fast)))
  await proxy.set('stopped')
  bench.progress('names: Keycloak is gone')
  const down = await attempts(bench, users, 'down')
  lines.push(toLine('directory down', await collect(bench, address, down, fast)))
  return lines
}

export const names: Section = {
  name: 'names',
  about: 'whether the time of an answer tells that a name exists; by the distance of the two distributions',
  run,
}
