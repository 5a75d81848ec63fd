/** A line that compares two servers by what a login costs them: server CPU, not the rate of a machine shared with the client. */
import type { Measured } from './bench.ts'
import { median } from './figures.ts'
import { digits, timeText, type Goal, type Line } from './line.ts'

function costUs(all: readonly Measured[]): number {
  return median(all.map(({ cpuUs }) => cpuUs))
}

function text(all: readonly Measured[]): string {
  const rate = digits(median(all.map(({ perSecond }) => perSecond)))
  return `${timeText(costUs(all))} CPU, ${rate}/s, p99 ${timeText(median(all.map(({ p99Us }) => p99Us)))}`
}

/** The ratio is theirs by ours, the median of those of each round: above 1 mailpassd costs less. */
export function compareCpu(wish: {
  readonly section: string
  readonly what: string
  readonly name: string
  readonly ours: readonly Measured[]
  readonly theirs: readonly Measured[]
  readonly goal?: Goal
}): Line {
  const { section, what, name, ours, theirs, goal } = wish
  const ratios = ours.map((figures, round) => (theirs[round]?.cpuUs ?? Number.NaN) / figures.cpuUs)
  return {
    section,
    what,
    ours: text(ours),
    other: `${name}: ${text(theirs)}`,
    result: median(ratios),
    unit: 'x',
    goal,
    cpu: { oursUs: costUs(ours), name, otherUs: costUs(theirs) },
  }
}
