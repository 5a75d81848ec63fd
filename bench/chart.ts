/** Bars as SVG, written by hand: readable on light and on dark ground, without scripts or fonts of its own. */
import { digits } from './line.ts'

export interface Bar {
  readonly group: string
  readonly name: string
  readonly value: number
}

const WIDTH = 760
const NAME_WIDTH = 170
const VALUE_WIDTH = 70
const BAR = 18
const GAP = 6
const GROUP_HEAD = 30
const TOP = 44
/** The first name of each group is ours. */
const STYLE = `text{font:13px system-ui,sans-serif;fill:#1f2937}.title{font-weight:600;font-size:15px}.group{font-weight:600}.bar{fill:#94a3b8}.ours{fill:#2563eb}@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.bar{fill:#64748b}.ours{fill:#60a5fa}}`

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** Bars of one unit, grouped in the order in which groups first appear; `ours` is the name that stands out. */
export function barChart(title: string, unit: string, bars: readonly Bar[], ours: string): string {
  const most = Math.max(...bars.map(({ value }) => value))
  const room = WIDTH - NAME_WIDTH - VALUE_WIDTH
  const parts: string[] = []
  let y = TOP
  for (const group of new Set(bars.map((bar) => bar.group))) {
    parts.push(`<text class="group" x="0" y="${y + 16}">${escape(group)}</text>`)
    y += GROUP_HEAD
    for (const bar of bars.filter((candidate) => candidate.group === group)) {
      const length = Math.max(1, (bar.value / most) * room).toFixed(1)
      const value = `${digits(bar.value)} ${unit}`
      parts.push(
        `<text x="${NAME_WIDTH - 8}" y="${y + 13}" text-anchor="end">${escape(bar.name)}</text>`,
        `<rect class="${bar.name === ours ? 'bar ours' : 'bar'}" x="${NAME_WIDTH}" y="${y}" width="${length}" height="${BAR}" rx="2"/>`,
        `<text x="${NAME_WIDTH + Number(length) + 6}" y="${y + 13}">${value}</text>`,
      )
      y += BAR + GAP
    }
    y += GAP
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + GAP}" width="${WIDTH}" height="${y + GAP}" role="img" aria-label="${escape(title)}">
<style>${STYLE}</style>
<text class="title" x="0" y="20">${escape(title)}</text>
${parts.join('\n')}
</svg>
`
}
