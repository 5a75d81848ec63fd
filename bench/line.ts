/** A line of the table: mailpassd beside something else in one run, what comes of it, and what was aimed at. */

export type Unit = 'x' | 'ms' | '%' | 'MiB'

export type Goal =
  | { readonly atLeast: number }
  | { readonly atMost: number }
  /** Shown for the sake of the picture. */
  | undefined

export interface Line {
  readonly section: string
  readonly what: string
  /** mailpassd's own figure, with its unit. */
  readonly ours: string
  /** What it is compared with, and that one's figure. */
  readonly other: string
  readonly result: number
  readonly unit: Unit
  readonly goal?: Goal
  /** For the chart, where it is server CPU for each login. */
  readonly cpu?: { readonly oursUs: number; readonly name: string; readonly otherUs: number }
}

/** Whether a line is as it should be; undefined where nothing was aimed at. */
export function isMet({ result, goal }: Line): boolean | undefined {
  if (goal === undefined) return undefined
  return 'atLeast' in goal ? result >= goal.atLeast : result <= goal.atMost
}

/** Three digits that count. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}

/** Microseconds as people read them. */
export function timeText(us: number): string {
  if (Number.isNaN(us)) return '-'
  if (us === Infinity) return 'never'
  if (us >= 1_000_000) return `${digits(us / 1_000_000)} s`
  return us >= 1000 ? `${digits(us / 1000)} ms` : `${digits(us)} us`
}

export function resultText({ result, unit }: Pick<Line, 'result' | 'unit'>): string {
  if (unit === 'x') return `${digits(result)}x`
  return unit === '%' ? `${digits(result)} %` : `${digits(result)} ${unit}`
}

export function goalText({ goal, unit }: Pick<Line, 'goal' | 'unit'>): string {
  if (goal === undefined) return ''
  return 'atLeast' in goal
    ? `>= ${resultText({ result: goal.atLeast, unit })}`
    : `<= ${resultText({ result: goal.atMost, unit })}`
}
