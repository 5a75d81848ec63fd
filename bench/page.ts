/** The part of docs/performance.md that a run writes, between two marks; what people wrote around it stays. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Section } from './bench.ts'
import { barChart, type Bar } from './chart.ts'
import { isMet, type Line } from './line.ts'
import { markdownTable } from './table.ts'

const BEGIN = '<!-- bench: written by npm run bench -->'
const END = '<!-- end of bench -->'
const OURS = 'mailpassd'

export interface Report {
  readonly machine: readonly (readonly [string, string])[]
  readonly sections: readonly Section[]
  readonly lines: readonly Line[]
  readonly leftOut: readonly string[]
  readonly failed: readonly string[]
}

function bars(lines: readonly Line[]): readonly Bar[] {
  const found: Bar[] = []
  for (const { what, cpu } of lines) {
    if (cpu === undefined) continue
    const isNew = !found.some(({ group }) => group === what)
    if (isNew) found.push({ group: what, name: OURS, value: cpu.oursUs })
    found.push({ group: what, name: cpu.name, value: cpu.otherUs })
  }
  return found
}

function sectionText(section: Section, lines: readonly Line[]): string {
  const own = lines.filter((line) => line.section === section.name)
  if (own.length === 0) return ''
  return `### ${section.name}\n\n${section.about[0]?.toUpperCase() ?? ''}${section.about.slice(1)}.\n\n${markdownTable(own)}\n`
}

function text({ machine, sections, lines, leftOut, failed }: Report): string {
  const aimed = lines.filter((line) => isMet(line) !== undefined)
  const missed = aimed.filter((line) => isMet(line) === false)
  const rows = machine.map(([name, value]) => `| ${name} | ${value} |`)
  return `| | |
| --- | --- |
${rows.join('\n')}

${aimed.length - missed.length} of ${aimed.length} goals met.${missed.length === 0 ? '' : ` Missed: ${missed.map(({ what, other }) => `${what} (${other.split(':')[0] ?? ''})`).join('; ')}.`}
${failed.map((what) => `\n**Not measured, it failed:** ${what}.\n`).join('')}${leftOut.map((what) => `\nLeft out: ${what}.\n`).join('')}
![Server CPU for each login](performance.svg)

${sections
  .map((section) => sectionText(section, lines))
  .filter((part) => part !== '')
  .join('\n')}`
}

/** Writes performance.md and performance.svg into `dir`. */
export async function writePage(dir: string, report: Report): Promise<void> {
  await mkdir(dir, { recursive: true })
  const path = join(dir, 'performance.md')
  const page = await readFile(path, 'utf8').catch(() => '# Performance\n')
  const section = `${BEGIN}\n\n${text(report)}\n${END}`
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  const next =
    from >= 0 && to > from
      ? page.slice(0, from) + section + page.slice(to + END.length)
      : `${page.trimEnd()}\n\n${section}\n`
  await writeFile(path, next)
  const chart = bars(report.lines)
  if (chart.length === 0) return
  await writeFile(
    join(dir, 'performance.svg'),
    barChart('Server CPU for each login (less is better)', 'us', chart, OURS),
  )
}
