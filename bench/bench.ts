/** What each section of the benchmark is given. */
import { join } from 'node:path'
import type { Programs } from './compile.ts'
import type { Line } from './line.ts'
import { runLoad, type LoadFigures, type LoadWish } from './load.ts'
import type { Subject } from './subjects/subject.ts'
import type { Teardown } from './teardown.ts'

export interface Bench {
  readonly programs: Programs
  /** For files of this run; removed at its end. */
  readonly dir: string
  readonly rounds: number
  /** Tries whether everything runs: figures of such a run say little. */
  readonly quick: boolean
  /** Also what needs a heap of 8 GiB. */
  readonly million: boolean
  /** Says what is being done, on stderr. */
  readonly progress: (text: string) => void
  /** Says what is left out for want of a server; ends up in the page. */
  readonly leftOut: (text: string) => void
  /** Says that a section could not be measured; the run ends with 1. */
  readonly failed: (text: string) => void
  /** A Keycloak and a MariaDB where there are some. */
  readonly servers: { readonly keycloak: string | undefined; readonly mariadb: string | undefined }
}

export interface Section {
  readonly name: string
  /** A sentence for --help and the page. */
  readonly about: string
  /** `teardown` is run after it, whatever happens. */
  readonly run: (bench: Bench, teardown: Teardown) => Promise<readonly Line[]>
}

export interface Measured extends LoadFigures {
  /** Of the server, for each login. */
  readonly cpuUs: number
}

export type Transport = 'unix' | 'tcp'

/** One run of load on a server, with what it cost the server. */
export async function measure(
  bench: Bench,
  subject: Subject,
  credentialsFile: string,
  wish: LoadWish,
  transport: Transport = 'unix',
): Promise<Measured> {
  const beforeUs = subject.cpuUs()
  const figures = await runLoad(bench.programs.client, subject[transport], credentialsFile, wish)
  // Without an answer there is no figure: NaN meets no goal.
  const cpuUs = figures.answers === 0 ? Number.NaN : (subject.cpuUs() - beforeUs) / figures.answers
  return { ...figures, cpuUs }
}

/**
 * Every measurement once, in order, then all of them again, as often as the run has rounds: what the machine does
 * meanwhile meets all alike, and a ratio is one of figures taken side by side. Gives each one's figures by round.
 */
export async function interleave<T>(
  bench: Bench,
  title: string,
  measurements: ReadonlyMap<string, () => Promise<T>>,
): Promise<ReadonlyMap<string, readonly T[]>> {
  const found = new Map<string, T[]>()
  for (let round = 1; round <= bench.rounds; round += 1) {
    for (const [name, run] of measurements) {
      bench.progress(`${title}: round ${round} of ${bench.rounds}, ${name}`)
      const figures = found.get(name) ?? []
      figures.push(await run())
      found.set(name, figures)
    }
  }
  return found
}

/** Figures of a measurement by round; throws where it was not made. */
export function figuresOf<T>(found: ReadonlyMap<string, readonly T[]>, name: string): readonly T[] {
  const figures = found.get(name)
  if (figures === undefined) throw new Error(`${name} was not measured`)
  return figures
}

export function fileIn(bench: Bench, name: string): string {
  return join(bench.dir, name)
}

/** Throws where somebody with the right password was not let in: a server that refuses is quick. */
export function checkAllIn(name: string, { ok, answers, fail, tempFail, closed }: LoadFigures): void {
  if (ok === answers) return
  throw new Error(
    `${name} let ${ok} of ${answers} in; refused ${fail}, not now ${tempFail}, closed ${closed}`,
  )
}
