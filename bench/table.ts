/** The table that a run prints. */
import { goalText, isMet, resultText, type Line } from './line.ts'

const HEAD = ['what', 'mailpassd', 'beside', 'ratio', 'goal', ''] as const

/** `met` and `missed` are words of the table; '' where nothing was aimed at. */
export function verdictText(line: Line): string {
  const met = isMet(line)
  return met === undefined ? '' : met ? 'met' : 'missed'
}

function cells(line: Line): readonly string[] {
  return [line.what, line.ours, line.other, resultText(line), goalText(line), verdictText(line)]
}

/** Columns of plain text, as wide as their widest cell. */
export function plainTable(lines: readonly Line[]): string {
  const rows = [HEAD, ...lines.map(cells)]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function markdownTable(lines: readonly Line[]): string {
  const rows = [HEAD, HEAD.map(() => '---'), ...lines.map(cells)]
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n')
}
