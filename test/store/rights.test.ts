/** The rights that the connection test asks for are those that the store's statements need. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { neededRights } from '../../src/store/rights.ts'
import { NEEDED_COLUMNS } from '../../src/store/tables.ts'

const STORE = join(import.meta.dirname, '../../src/store')

/** Kysely's and the dialect's ways to write, with the table's name. */
const WAYS: readonly (readonly [RegExp, string])[] = [
  [/insertInto\(\s*'(\w+)'/g, 'INSERT'],
  // INSERT … ON DUPLICATE KEY UPDATE needs both.
  [/insertInto\(\s*'(\w+)'(?:(?!\.execute\()[^])*?onDuplicate\(/g, 'UPDATE'],
  [/updateTable\(\s*'(\w+)'/g, 'UPDATE'],
  [/replaceInto\(\s*'(\w+)'/g, 'INSERT'],
  [/replaceInto\(\s*'(\w+)'/g, 'DELETE'],
  [/deleteFrom\(\s*'(\w+)'/g, 'DELETE'],
  [/deleteSome\(\s*\w+,\s*'(\w+)'/g, 'DELETE'],
]

/** Each `TABLE RIGHT` that the source writes with. */
function written(): Set<string> {
  const found = new Set<string>()
  const files = readdirSync(STORE, { withFileTypes: true }).filter((entry) => entry.isFile())
  for (const { name } of files) {
    const text = readFileSync(join(STORE, name), 'utf8')
    for (const [pattern, right] of WAYS)
      for (const [, table = ''] of text.matchAll(pattern)) found.add(`${table} ${right}`)
  }
  return found
}

t.test('what the store writes is asked for', async (t) => {
  const needed = new Set(
    [...neededRights('standalone', { maps: true }), ...neededRights('mailcow', { maps: true })].map(
      ({ table, right }) => `${table} ${right}`,
    ),
  )
  for (const each of written()) {
    if (each.startsWith('mailpassd_migration ')) continue
    t.ok(needed.has(each), `src/store/rights.ts has ${each}`)
  }
  for (const table of Object.keys(NEEDED_COLUMNS)) t.ok(needed.has(`${table} SELECT`), table)
})

t.test("mailcow's domains are only read", async (t) => {
  t.same(
    neededRights('mailcow', { maps: true })
      .filter(({ table }) => table === 'domain')
      .map(({ right }) => right),
    ['SELECT'],
  )
})
