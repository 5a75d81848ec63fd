/**
 * A login whose credential was seen before, through the SASL door: mailpassd beside Dovecot's own cache, and beside a bare
 * Node server on the same framing. The load client beside a server in C that does nothing says whether it is the client
 * that is measured.
 */
import {
  checkAllIn,
  fileIn,
  figuresOf,
  interleave,
  measure,
  type Bench,
  type Measured,
  type Section,
  type Transport,
} from '../bench.ts'
import { median } from '../figures.ts'
import { compareCpu } from '../compare-cpu.ts'
import { digits, type Goal, type Line } from '../line.ts'
import { writeCredentials, type LoadWish } from '../load.ts'
import { addresses, credentialsOf, hashBy } from '../people.ts'
import { startBare } from '../subjects/bare.ts'
import { dovecotMissing, startCachedDovecot } from '../subjects/dovecot.ts'
import { makeMailboxes, makePlace, startMailpassd } from '../subjects/mailpassd.ts'
import { startNull } from '../subjects/null.ts'
import type { Subject } from '../subjects/subject.ts'
import type { Teardown } from '../teardown.ts'

const USERS = 1000

interface Shape {
  readonly name: string
  readonly load: LoadWish
  readonly transport: Transport
  /** Dovecot's CPU time by ours. */
  readonly dovecotGoal?: Goal
  readonly bareGoal?: Goal
}

const SHAPES: readonly Shape[] = [
  {
    name: '1 connection',
    load: { connections: 1 },
    transport: 'unix',
    dovecotGoal: { atLeast: 1 },
    bareGoal: { atLeast: 0.7 },
  },
  {
    name: '50 connections',
    load: { connections: 50 },
    transport: 'unix',
    dovecotGoal: { atLeast: 1.5 },
    bareGoal: { atLeast: 0.7 },
  },
  {
    name: '50 connections, TCP',
    load: { connections: 50 },
    transport: 'tcp',
    dovecotGoal: { atLeast: 1.5 },
    bareGoal: { atLeast: 0.7 },
  },
  { name: '1 connection, 50 in flight', load: { connections: 1, depth: 50 }, transport: 'unix' },
]

async function startAll(bench: Bench, teardown: Teardown, credentials: string): Promise<readonly Subject[]> {
  const users = addresses(USERS)
  const place = await makePlace(teardown, users, await hashBy('bcrypt 5'))
  bench.progress('warm: making mailboxes')
  await makeMailboxes(bench.programs.client, place, credentials, USERS)
  const subjects: Subject[] = [await startMailpassd(teardown, place, { config: '' })]
  for (const version of ['2.3', '2.4'] as const) {
    const reason = dovecotMissing(version)
    if (reason === undefined) subjects.push(await startCachedDovecot(teardown, version))
    else bench.leftOut(`Dovecot ${version}: ${reason}`)
  }
  subjects.push(await startBare(teardown, bench.dir))
  return subjects
}

/** Each user once, so that all are known, then load until the code is compiled. */
async function warmUp(bench: Bench, subject: Subject, credentials: string): Promise<void> {
  bench.progress(`warm: first logins at ${subject.name}`)
  const first = await measure(bench, subject, credentials, { connections: 4, logins: USERS })
  if (first.ok !== USERS) throw new Error(`${subject.name} let ${first.ok} of ${USERS} users in`)
  await measure(bench, subject, credentials, { connections: 20, seconds: bench.quick ? 0.5 : 3 })
}

function compare(
  shape: Shape,
  name: string,
  ours: readonly Measured[],
  theirs: readonly Measured[],
  goal: Goal,
): Line {
  return compareCpu({ section: 'warm', what: `warm login, ${shape.name}`, name, ours, theirs, goal })
}

function clientLine(shape: Shape, ours: readonly Measured[], theirs: readonly Measured[]): Line {
  const rate = (all: readonly Measured[]) => median(all.map(({ perSecond }) => perSecond))
  const ratios = ours.map((figures, round) => (theirs[round]?.perSecond ?? Number.NaN) / figures.perSecond)
  return {
    section: 'warm',
    what: `load client, ${shape.name}`,
    ours: `${digits(rate(ours))}/s`,
    other: `server that does nothing: ${digits(rate(theirs))}/s`,
    result: median(ratios),
    unit: 'x',
    goal: { atLeast: 1.5 },
  }
}

async function run(bench: Bench, teardown: Teardown): Promise<readonly Line[]> {
  const credentials = await writeCredentials(fileIn(bench, 'warm'), credentialsOf(addresses(USERS)))
  const subjects = await startAll(bench, teardown, credentials)
  for (const subject of subjects) await warmUp(bench, subject, credentials)
  const nothing = await startNull(teardown, bench.programs.nullServer, bench.dir)

  const lines: Line[] = []
  for (const shape of SHAPES) {
    const load = { ...shape.load, seconds: bench.quick ? 0.3 : 1.5 }
    const measured = shape.transport === 'unix' ? [...subjects, nothing] : subjects
    const runs = measured.map((subject): [string, () => Promise<Measured>] => [
      subject.name,
      async () => {
        const figures = await measure(bench, subject, credentials, load, shape.transport)
        checkAllIn(subject.name, figures)
        return figures
      },
    ])
    const found = await interleave(bench, `warm, ${shape.name}`, new Map(runs))
    const ours = figuresOf(found, 'mailpassd')
    for (const { name } of subjects.slice(1)) {
      const goal =
        name === 'bare Node' ? shape.bareGoal : name.startsWith('Dovecot 2.3') ? shape.dovecotGoal : undefined
      lines.push(compare(shape, name, ours, figuresOf(found, name), goal))
    }
    if (shape.transport === 'unix') lines.push(clientLine(shape, ours, figuresOf(found, nothing.name)))
  }
  return lines
}

export const warm: Section = {
  name: 'warm',
  about: 'logins seen before, beside Dovecot’s cache and a bare Node server; by server CPU for each login',
  run,
}
