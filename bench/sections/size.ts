/** How memory and look-ups grow with the number of users who have logged in. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { isRecord } from '../../test/e2e/json.ts'
import { MAILPASSD } from '../../test/e2e/daemon.ts'
import type { Bench, Section } from '../bench.ts'
import { median } from '../figures.ts'
import { digits, type Line } from '../line.ts'

const SIZES = [1000, 10_000, 100_000] as const
const BASE = 1000
/** Only where it is asked for: it needs a heap of its own. */
const LARGE = { count: 1_000_000, heapMib: 8192 } as const
const MIB = 1024 * 1024

interface Size {
  readonly residentMib: number
  readonly heapMib: number
  readonly lookUpNs: number
}

function number(value: unknown, name: string): number {
  const found = isRecord(value) ? value[name] : undefined
  if (typeof found !== 'number') throw new Error(`size-work did not say ${name}`)
  return found
}

async function measure(count: number, heapMib?: number): Promise<Size> {
  const heap = heapMib === undefined ? '' : `--max-old-space-size=${heapMib}`
  const env = { ...process.env, MAILPASSD_ENTRY: 'bench/size-work.ts', NODE_OPTIONS: heap }
  const { stdout } = await promisify(execFile)(MAILPASSD, [String(count)], { env })
  const value: unknown = JSON.parse(stdout)
  if (number(value, 'remembered') !== count) throw new Error('not all records are in memory')
  return {
    residentMib: number(value, 'residentBytes') / MIB,
    heapMib: number(value, 'heapBytes') / MIB,
    lookUpNs: number(value, 'lookUpNs'),
  }
}

async function measureSize(bench: Bench, count: number, rounds: number, heapMib?: number): Promise<Size> {
  const sizes: Size[] = []
  for (let round = 1; round <= rounds; round += 1) {
    bench.progress(`size: ${digits(count)} records, round ${round} of ${rounds}`)
    sizes.push(await measure(count, heapMib))
  }
  return {
    residentMib: median(sizes.map(({ residentMib }) => residentMib)),
    heapMib: median(sizes.map(({ heapMib }) => heapMib)),
    lookUpNs: median(sizes.map(({ lookUpNs }) => lookUpNs)),
  }
}

function toLines(count: number, size: Size, base: Size): readonly Line[] {
  const users = `${digits(count)} users`
  return [
    {
      section: 'size',
      what: `memory, ${users}`,
      ours: `${digits(size.residentMib)} MiB resident, ${digits(size.heapMib)} MiB of heap`,
      other: `empty: 0`,
      result: size.residentMib,
      unit: 'MiB',
      goal: count === 100_000 ? { atMost: 200 } : undefined,
    },
    {
      section: 'size',
      what: `look-up, ${users}`,
      ours: `${digits(size.lookUpNs)} ns`,
      other: `${digits(BASE)} users: ${digits(base.lookUpNs)} ns`,
      result: size.lookUpNs / base.lookUpNs,
      unit: 'x',
    },
  ]
}

async function run(bench: Bench): Promise<readonly Line[]> {
  const base = await measureSize(bench, BASE, bench.rounds)
  const lines: Line[] = [...toLines(BASE, base, base)]
  for (const count of SIZES.slice(1)) {
    const rounds = count === 100_000 ? Math.min(3, bench.rounds) : bench.rounds
    lines.push(...toLines(count, await measureSize(bench, count, rounds), base))
  }
  if (bench.million)
    lines.push(...toLines(LARGE.count, await measureSize(bench, LARGE.count, 1, LARGE.heapMib), base))
  return lines
}

export const size: Section = {
  name: 'size',
  about: 'memory over an empty process and the time of a look-up, by users who have logged in',
  run,
}
