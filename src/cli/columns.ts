/** Rows as aligned columns, two blanks before each; nothing after the last one. */

/** Wider cells do not push the others away. */
const MAX_WIDTH = 40

export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, Math.min(cell.length, MAX_WIDTH))
    })
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, at) => `  ${cell.padEnd(widths[at] ?? 0)}`)
          .join('')
          .trimEnd()}\n`,
    )
    .join('')
}
