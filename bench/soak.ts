/**
 * `npm run soak [-- OPTIONS]`: half an hour of logins through both doors while Keycloak and MariaDB are stopped, slowed,
 * spoiled and restarted at random. Ends with 1 where an answer was wrong, late or missing, or memory grew.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { TOKEN } from '../test/e2e/daemon.ts'
import { startChaos, type Fault } from './soak/chaos.ts'
import { httpClient, saslClient, type Client } from './soak/clients.ts'
import { Figures, trend } from './soak/figures.ts'
import { anyAttempt, DOMAIN, introductions, realmUsers, type Attempt } from './soak/people.ts'
import { seeded, type Random } from './soak/random.ts'
import { soakTable, writeToPage } from './soak/report.ts'
import { startWorld, type World } from './soak/world.ts'

const USAGE = `usage: npm run soak [-- OPTIONS]

  --minutes N    how long, from 1 to 600; default 30
  --seed N       repeats the faults and people of a run; default by chance
  --clients N    how many at a time over each door, from 1 to 200; default 20
  --write        puts the table into docs/performance.md
  --help         this text
`
/** Between two logins of one client. */
const PAUSE_MS = 100
const TOLD_EVERY_MS = 10_000
/** So much more than in the second quarter of the run is growth. */
const GROWTH = 1.25
const APP_PASSWORDS = 20

function numberOption(text: string, name: string, low: number, high: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= low && value <= high) return value
  console.error(`soak: ${name} takes a number from ${low} to ${high}, not ${text}\n\n${USAGE}`)
  process.exit(64)
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string', default: '30' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
        clients: { type: 'string', default: '20' },
        write: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    return {
      minutes: numberOption(values.minutes, '--minutes', 1, 600),
      seed: numberOption(values.seed, '--seed', 0, 4_294_967_295),
      clients: numberOption(values.clients, '--clients', 1, 200),
      write: values.write,
    }
  } catch (error) {
    console.error(`soak: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    process.exit(64)
  }
}

/** Everybody known logs in, so that the faults find them known. */
async function introduce(client: Client): Promise<void> {
  for (const attempt of introductions()) {
    const answer = await client.login(attempt)
    if (answer !== 'ok') throw new Error(`${attempt.username} did not get in before any fault: ${answer}`)
  }
}

async function makeAppPasswords(world: World): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>()
  for (let at = 0; at < APP_PASSWORDS; at += 1) {
    const address = `known${at}@${DOMAIN}`
    made.set(address, await world.appPassword(address))
  }
  return made
}

async function logInAgainAndAgain(
  client: Client,
  next: () => Attempt,
  figures: Figures,
  faultNow: () => string,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const attempt = next()
    const startedAtMs = performance.now()
    const during = faultNow()
    const where = `${during}, second ${Math.round(startedAtMs / 1000)}`
    try {
      const answer = await client.login(attempt)
      figures.count(attempt, answer, performance.now() - startedAtMs, { during, where })
    } catch (error) {
      figures.tell(`${error instanceof Error ? error.message : String(error)}: ${attempt.username}, ${where}`)
      await client.close()
    }
    await wait(PAUSE_MS, undefined, { signal }).catch(() => {})
  }
  await client.close()
}

function tellProgress(figures: Figures, fault: Fault | undefined, leftMs: number): void {
  const mib = figures.memory.at(-1)?.mib.toFixed(0) ?? '?'
  console.error(
    `${Math.ceil(leftMs / 60_000)} min left, ${figures.attempts} logins, ${mib} MiB, ` +
      `${figures.faultCount} wrong; ${fault ?? 'no fault'} now`,
  )
}

async function run(
  world: World,
  random: Random,
  { minutes, seed, clients }: ReturnType<typeof options>,
): Promise<{ readonly table: string; readonly isGood: boolean; readonly figures: Figures }> {
  const first = saslClient(world.daemon.ports.sasl)
  await introduce(first)
  await first.close()
  const appPasswords = await makeAppPasswords(world)

  const figures = new Figures()
  const over = new AbortController()
  process.once('SIGINT', () => over.abort())
  let fault: Fault | undefined
  const faultNow = (): string => fault ?? 'no fault'
  const untilMs = performance.now() + minutes * 60_000
  const tick = setInterval(() => {
    if (performance.now() >= untilMs) over.abort()
    void figures.sampleMemory(world.daemon.pid, performance.now()).catch(() => {
      figures.tell('the daemon is gone')
      over.abort()
    })
    tellProgress(figures, fault, untilMs - performance.now())
  }, TOLD_EVERY_MS)

  const many = (make: () => Client) => Array.from({ length: clients }, make)
  const all = [
    ...many(() => saslClient(world.daemon.ports.sasl)),
    ...many(() => httpClient(world.daemon.url, TOKEN)),
  ]
  const next = () => anyAttempt(random, appPasswords)
  const [faults] = await Promise.all([
    startChaos(world, seeded(seed + 1), over.signal, (now) => {
      fault = now
    }),
    ...all.map((client) => logInAgainAndAgain(client, next, figures, faultNow, over.signal)),
  ])
  clearInterval(tick)
  const { earlyMib, lateMib } = trend(figures.memory)
  if (lateMib > earlyMib * GROWTH)
    figures.tell(`memory grew from ${earlyMib.toFixed(0)} to ${lateMib.toFixed(0)} MiB`)
  return {
    table: soakTable({ figures, faults, minutes, seed }),
    isGood: figures.faultCount === 0,
    figures,
  }
}

const wish = options()
console.error(`soak: ${wish.minutes} minutes, seed ${wish.seed}; starting Keycloak, MariaDB and mailpassd`)
const world = await startWorld(realmUsers())
try {
  const { table, isGood, figures } = await run(world, seeded(wish.seed), wish)
  console.log(table)
  for (const fault of figures.faults) console.log(`WRONG: ${fault}`)
  if (wish.write) await writeToPage(table)
  process.exitCode = isGood ? 0 : 1
} finally {
  await world.stop()
}
