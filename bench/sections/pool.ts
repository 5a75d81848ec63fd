/** Password work: comparisons a second by the pool, beside the native library alone, and how late the event loop is meanwhile. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { isRecord } from '../../test/e2e/json.ts'
import { MAILPASSD } from '../../test/e2e/daemon.ts'
import type { Bench, Section } from '../bench.ts'
import { median } from '../figures.ts'
import { digits, timeText, type Line } from '../line.ts'
import { hashBy, PASSWORD, type Scheme } from '../people.ts'

const SCHEMES: readonly Scheme[] = ['bcrypt 5', 'bcrypt 10']

interface Round {
  readonly poolPerSecond: number
  readonly poolLoopMs: number
  readonly libraryPerSecond: number
}

function figure(value: unknown, who: string, what: string): number {
  const part = isRecord(value) ? value[who] : undefined
  const found = isRecord(part) ? part[what] : undefined
  if (typeof found !== 'number') throw new Error(`${who} did not say ${what}`)
  return found
}

function parseRound(text: string): Round {
  const value: unknown = JSON.parse(text)
  return {
    poolPerSecond: figure(value, 'pool', 'perSecond'),
    poolLoopMs: figure(value, 'pool', 'loopP99Ms'),
    libraryPerSecond: figure(value, 'library', 'perSecond'),
  }
}

async function measure(bench: Bench, scheme: Scheme): Promise<readonly Round[]> {
  const args = [await hashBy(scheme), PASSWORD, bench.quick ? '0.5' : '2', String(bench.rounds)]
  const env = { ...process.env, MAILPASSD_ENTRY: 'bench/pool-work.ts' }
  const { stdout } = await promisify(execFile)(MAILPASSD, args, { env })
  return stdout.trim().split('\n').map(parseRound)
}

function toLines(scheme: Scheme, rounds: readonly Round[]): readonly Line[] {
  const ours = median(rounds.map(({ poolPerSecond }) => poolPerSecond))
  const library = median(rounds.map(({ libraryPerSecond }) => libraryPerSecond))
  const loopMs = median(rounds.map(({ poolLoopMs }) => poolLoopMs))
  return [
    {
      section: 'pool',
      what: `password pool, ${scheme}`,
      ours: `${digits(ours)}/s`,
      other: `the library alone: ${digits(library)}/s`,
      result: median(rounds.map((round) => round.poolPerSecond / round.libraryPerSecond)),
      unit: 'x',
      goal: { atLeast: 0.9 },
    },
    {
      section: 'pool',
      what: `event loop meanwhile, ${scheme}`,
      ours: `p99 ${timeText(loopMs * 1000)} late`,
      other: '',
      result: loopMs,
      unit: 'ms',
      goal: { atMost: 5 },
    },
  ]
}

async function run(bench: Bench): Promise<readonly Line[]> {
  const lines: Line[] = []
  for (const scheme of SCHEMES) {
    bench.progress(`pool: ${scheme}`)
    lines.push(...toLines(scheme, await measure(bench, scheme)))
  }
  return lines
}

export const pool: Section = {
  name: 'pool',
  about: 'password comparisons on all cores, beside the native library, and the delay of the event loop',
  run,
}
