/**
 * `MAILPASSD_ENTRY=bench/pool-work.ts ./mailpassd HASH PASSWORD SECONDS ROUNDS`: comparisons by the password pool, as logins
 * of many users ask for them, beside the library alone with one comparison on each core. In a process of its own, with
 * the daemon's threads. Prints a JSON line for each round.
 */
import { availableParallelism } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import bcryptNative from '@node-rs/bcrypt'
import { systemClock } from '../src/clock.ts'
import { createPasswordPool } from '../src/password/pool.ts'
import { networksOf } from '../src/policy/network.ts'
import { Secret } from '../src/secret.ts'
import { addressInNetwork } from './people.ts'

/** Logins that wait at a time. */
const WAITING = 32

const [hash = '', password = '', seconds = '1', rounds = '1'] = process.argv.slice(2)
const bare = hash.slice(hash.indexOf('}') + 1)
const pool = createPasswordPool({ allowWeak: false, argon2MemoryMib: 512, workers: 0, clock: systemClock })
let asked = 0

/** Each of another mailbox, from another network. */
async function byPool(): Promise<boolean> {
  asked += 1
  const ticket = {
    lane: 'known',
    networks: networksOf(addressInNetwork(asked % 65_536)),
    mailbox: `user${asked}@example.org`,
    delayMs: 0,
    deadlineMs: systemClock.monotonicMs() + 8000,
  } as const
  return (await pool.verify(hash, Secret.fromText(password), ticket)) === 'match'
}

const byLibrary = () => bcryptNative.verify(password, bare)

/** So many at a time, for so long: comparisons a second, and how late the event loop was. */
async function measure(compare: () => Promise<boolean>, waiting: number) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const startedAtMs = performance.now()
  const endAtMs = startedAtMs + Number(seconds) * 1000
  let compared = 0
  delay.enable()
  await Promise.all(
    Array.from({ length: waiting }, async () => {
      while (performance.now() < endAtMs) {
        if (!(await compare())) throw new Error('the right password did not match')
        compared += 1
      }
    }),
  )
  delay.disable()
  const perSecond = compared / ((performance.now() - startedAtMs) / 1000)
  return { perSecond, loopP99Ms: delay.percentile(99) / 1_000_000 }
}

await measure(byPool, WAITING)
for (let round = 0; round < Number(rounds); round += 1) {
  const ours = await measure(byPool, WAITING)
  console.log(JSON.stringify({ pool: ours, library: await measure(byLibrary, availableParallelism()) }))
}
await pool.close()
