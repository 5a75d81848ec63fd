/** What happens to Keycloak and MariaDB while people log in: one fault after the other, at random, with rests between. */
import { setTimeout as wait } from 'node:timers/promises'
import { HTTP_FAULTS } from '../../test/servers/fault-proxy.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

const OTHERS = [
  'keycloak hangs',
  'keycloak restarts',
  'mariadb hangs',
  'mariadb restarts',
  'mariadb is killed',
] as const
const FAULTS = [...HTTP_FAULTS, ...OTHERS] as const
export type Fault = (typeof FAULTS)[number]

const SHORTEST_MS = 5000
const LONGEST_MS = 45_000
const REST_MS = 15_000

async function play(fault: Fault, lastsMs: number, world: World, signal: AbortSignal): Promise<void> {
  const last = () => wait(lastsMs, undefined, { signal }).catch(() => {})
  switch (fault) {
    case 'keycloak hangs':
      world.keycloak.pause()
      await last()
      world.keycloak.resume()
      return
    case 'keycloak restarts':
      await world.keycloak.restart()
      return
    case 'mariadb hangs':
      world.mariadb.pause()
      await last()
      world.mariadb.resume()
      return
    case 'mariadb restarts':
    case 'mariadb is killed':
      await (fault === 'mariadb restarts' ? world.mariadb.stop() : world.mariadb.kill())
      await last()
      await world.mariadb.start()
      return
    default:
      await world.proxy.set(fault)
      await last()
      await world.proxy.set(undefined)
  }
}

/** Until `signal` says that it is over; everything runs again when this resolves. Gives how often each fault was. */
export async function startChaos(
  world: World,
  random: Random,
  signal: AbortSignal,
  told: (fault: Fault | undefined) => void,
): Promise<ReadonlyMap<Fault, number>> {
  const counts = new Map<Fault, number>()
  // Every fault once before any comes again: a short run shall not miss one by chance.
  let left: Fault[] = []
  while (!signal.aborted) {
    await wait(random.integer(1000, REST_MS), undefined, { signal }).catch(() => {})
    if (signal.aborted) break
    if (left.length === 0) left = [...FAULTS]
    const fault = random.pick(left)
    left = left.filter((other) => other !== fault)
    counts.set(fault, (counts.get(fault) ?? 0) + 1)
    told(fault)
    await play(fault, random.integer(SHORTEST_MS, LONGEST_MS), world, signal)
    told(undefined)
  }
  return counts
}
