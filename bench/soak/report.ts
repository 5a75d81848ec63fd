/** The table of a soak, for people and for docs/performance.md. */
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Fault } from './chaos.ts'
import { trend, type Figures } from './figures.ts'

const PAGE = join(import.meta.dirname, '../../docs/performance.md')
const BEGIN = '<!-- soak: written by npm run soak -->'
const END = '<!-- end of soak -->'

export interface Soak {
  readonly figures: Figures
  readonly faults: ReadonlyMap<Fault, number>
  readonly minutes: number
  readonly seed: number
}

export function soakTable({ figures, faults, minutes, seed }: Soak): string {
  const { earlyMib, lateMib } = trend(figures.memory)
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB`
  const rows = [...figures.byKind].map(
    ([kind, { ok, refused, later, slowestMs }]) =>
      `| ${kind.replace('_', ' ')} | ${ok} | ${refused} | ${later} | ${Math.round(slowestMs)} |`,
  )
  return `${new Date().toISOString().slice(0, 10)}, ${machine}, Node ${process.versions.node}: ${minutes} minutes, seed ${seed}, ${figures.attempts} logins.

| who | ok | refused | not now | slowest, ms |
|---|---|---|---|---|
${rows.join('\n')}

Faults played: ${listed(faults)}.
Known users told "not now" while: ${listed(figures.putOff)}.
Resident memory of the daemon: ${earlyMib.toFixed(0)} MiB in the second quarter of the run, ${lateMib.toFixed(0)} MiB in the last.
Wrong answers, missing answers and answers after 8 s: ${figures.faultCount}.
`
}

function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, count]) => `${what} ${count}`).join(', ') || 'none'
}

/** Puts the table where the page has room for it, or at its end. */
export async function writeToPage(table: string): Promise<void> {
  const page = await readFile(PAGE, 'utf8').catch(() => '# Performance\n')
  const section = `${BEGIN}\n\n${table}\n${END}`
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  const isThere = from >= 0 && to > from
  const next = isThere
    ? page.slice(0, from) + section + page.slice(to + END.length)
    : `${page.trimEnd()}\n\n## Soak\n\n${section}\n`
  await writeFile(PAGE, next)
}
