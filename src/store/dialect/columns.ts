/** What a database's catalogue says of its tables. */

export interface CatalogueRow {
  readonly table_name: string
  readonly column_name: string
}

/** Catalogue rows as table -> its columns. */
export function groupColumns(rows: readonly CatalogueRow[]): ReadonlyMap<string, ReadonlySet<string>> {
  const tables = new Map<string, Set<string>>()
  for (const { table_name, column_name } of rows) {
    const known = tables.get(table_name)
    if (known === undefined) tables.set(table_name, new Set([column_name]))
    else known.add(column_name)
  }
  return tables
}
