/**
 * Guessing beside ordinary use: 500 connections that try one wrong password after the other, from one network and from
 * 1,000. Known users log in meanwhile: warm at a fixed rate, and cold (after a restart, their hash has to be compared).
 */
import { setTimeout as wait } from 'node:timers/promises'
import { fileIn, type Bench, type Section } from '../bench.ts'
import { median } from '../figures.ts'
import { timeText, type Line } from '../line.ts'
import { runLoad, writeCredentials, type LoadFigures } from '../load.ts'
import { addresses, addressInNetwork, credentialsOf, hashBy } from '../people.ts'
import { makeMailboxes, makePlace, startMailpassd, type MailpassdSubject } from '../subjects/mailpassd.ts'
import type { Teardown } from '../teardown.ts'

const WARM = 100
const WARM_RATE = 1000
/** Logins of known users whom nothing is remembered of, in each round and flood. */
const COLD = 10
const GUESSERS = 500
const GUESSES = 50_000
/** Where known users are: apart from all guessers. */
const KNOWN_NETWORK = 60_000
const FLOODS = [
  { name: 'from 1 network', networks: 1 },
  { name: 'from 1,000 networks', networks: 1000 },
] as const

interface Round {
  readonly calm: LoadFigures
  readonly flooded: LoadFigures
  readonly cold: LoadFigures
  readonly guesses: LoadFigures | undefined
}

const known = (users: readonly string[]) =>
  credentialsOf(users).map((credential, at) => ({
    ...credential,
    remoteIp: addressInNetwork(KNOWN_NETWORK + at),
  }))

/** Every guess is another password, at one mailbox after the other. */
function guesses(targets: readonly string[], networks: number) {
  return Array.from({ length: GUESSES }, (_, at) => ({
    username: targets[at % targets.length] ?? '',
    password: `guess ${at}`,
    remoteIp: addressInNetwork(at % networks),
  }))
}

async function measureRound(
  bench: Bench,
  subject: MailpassdSubject,
  files: { readonly warm: string; readonly cold: string; readonly guesses: string },
): Promise<Round> {
  const { client } = bench.programs
  const load = { connections: 20, rate: WARM_RATE, seconds: bench.quick ? 0.5 : 3 }
  const calm = await runLoad(client, subject.unix, files.warm, load)
  const ended = new AbortController()
  const flood = runLoad(
    client,
    subject.tcp,
    files.guesses,
    { connections: GUESSERS, seconds: 600 },
    ended.signal,
  )
  // Ends with an abort, which is not a failure.
  const settled = flood.catch((error: unknown) => {
    if (!ended.signal.aborted) throw error
    return undefined
  })
  try {
    await wait(bench.quick ? 300 : 1500)
    const flooded = await runLoad(client, subject.unix, files.warm, load)
    const cold = await runLoad(client, subject.unix, files.cold, { logins: COLD })
    ended.abort()
    return { calm, flooded, cold, guesses: await settled }
  } finally {
    ended.abort()
    await settled
  }
}

function toLines(name: string, rounds: readonly Round[]): readonly Line[] {
  const p99 = (of: (round: Round) => LoadFigures) => median(rounds.map((round) => of(round).p99Us))
  // Who is not let in has no time.
  const coldUs = median(rounds.map(({ cold }) => (cold.ok < cold.answers ? Infinity : cold.p99Us)))
  const putOff = rounds.reduce(
    (sum, { flooded, cold }) => sum + flooded.answers - flooded.ok + cold.answers - cold.ok,
    0,
  )
  const all = rounds.reduce((sum, { flooded, cold }) => sum + flooded.answers + cold.answers, 0)
  return [
    {
      section: 'flood',
      what: `warm p99, guesses ${name}`,
      ours: timeText(p99(({ flooded }) => flooded)),
      other: `without: ${timeText(p99(({ calm }) => calm))}`,
      result: median(rounds.map(({ calm, flooded }) => flooded.p99Us / calm.p99Us)),
      unit: 'x',
      goal: { atMost: 2 },
    },
    {
      section: 'flood',
      what: `slowest cold login of a known user, guesses ${name}`,
      ours: timeText(coldUs),
      other: '',
      result: coldUs / 1000,
      unit: 'ms',
      goal: { atMost: 1000 },
    },
    {
      section: 'flood',
      what: `known users not let in, guesses ${name}`,
      ours: `${putOff} of ${all}`,
      other: '',
      result: (putOff / all) * 100,
      unit: '%',
      goal: { atMost: 0 },
    },
  ]
}

async function run(bench: Bench, teardown: Teardown): Promise<readonly Line[]> {
  const warmUsers = addresses(WARM)
  const coldUsers = addresses(COLD * bench.rounds * FLOODS.length, 'cold')
  const users = [...warmUsers, ...coldUsers]
  const warm = await writeCredentials(fileIn(bench, 'flood-warm'), known(warmUsers))
  const everybody = await writeCredentials(fileIn(bench, 'flood-all'), known(users))
  const place = await makePlace(teardown, users, await hashBy('bcrypt 10'))
  bench.progress('flood: first logins')
  // Who is known, survives the restart; what was remembered of them does not.
  await makeMailboxes(bench.programs.client, place, everybody, users.length)

  const subject = await startMailpassd(teardown, place, { config: '' })
  await runLoad(bench.programs.client, subject.unix, warm, { connections: 4, seconds: bench.quick ? 2 : 5 })
  const lines: Line[] = []
  for (const [at, { name, networks }] of FLOODS.entries()) {
    const attack = await writeCredentials(fileIn(bench, `guesses-${networks}`), guesses(warmUsers, networks))
    const rounds: Round[] = []
    for (let round = 0; round < bench.rounds; round += 1) {
      bench.progress(`flood ${name}: round ${round + 1} of ${bench.rounds}`)
      const from = (at * bench.rounds + round) * COLD
      const cold = await writeCredentials(
        fileIn(bench, 'flood-cold'),
        known(users).slice(WARM + from, WARM + from + COLD),
      )
      rounds.push(await measureRound(bench, subject, { warm, cold, guesses: attack }))
    }
    lines.push(...toLines(name, rounds))
  }
  return lines
}

export const flood: Section = {
  name: 'flood',
  about: `known users while ${GUESSERS} connections guess passwords, from one network and from 1,000`,
  run,
}
