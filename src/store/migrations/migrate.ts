/**
 * Brings a database's tables up to date. What was done is remembered in mailpassd_migration; of several processes
 * that start at once one does the work and the others wait. With mailcow's schema nothing of mailcow's is touched.
 */
import { CompiledQuery } from 'kysely'
import type { Clock } from '../../clock.ts'
import { MailpassdError } from '../../errors.ts'
import type { Dialect, Reader } from '../dialect/dialect.ts'
import { MAP_COLUMNS, NEEDED_COLUMNS } from '../tables.ts'
import { mailTables } from './001-mail-tables.ts'
import { ownTables } from './002-own-tables.ts'
import { appPasswords } from './003-app-passwords.ts'
import { locks } from './004-locks.ts'
import { outbox } from './005-outbox.ts'
import { loginIndexes } from './006-login-indexes.ts'
import { outboxByAddress } from './007-outbox-by-address.ts'
import { records } from './008-records.ts'
import { directoryEvents } from './009-directory-events.ts'
import { guessing } from './010-guessing.ts'
import { ddlOf, type Migration } from './ddl.ts'

export type Schema = 'standalone' | 'mailcow'
type Columns = ReadonlyMap<string, ReadonlySet<string>>

/** In the order in which they run. New ones are added at the end. */
const MIGRATIONS: readonly Migration[] = [
  mailTables,
  ownTables,
  appPasswords,
  locks,
  outbox,
  loginIndexes,
  outboxByAddress,
  records,
  directoryEvents,
  guessing,
]

const BOOKKEEPING = 'mailpassd_migration'

export interface Migrator {
  /** Statements that `run` would run now, in order; none when the tables are up to date. */
  pending(): Promise<readonly string[]>
  /** Runs them and gives what it ran. Throws MailpassdError store_schema, and the driver's errors. */
  run(): Promise<readonly string[]>
}

/**
 * Tables and columns that are needed and not there: `table x`, `column x.y`. `mail`: without ours; `maps`: what only
 * the maps need.
 */
export function missingColumns(found: Columns, which: 'all' | 'mail' | 'maps'): readonly string[] {
  const tables: Readonly<Record<string, readonly string[]>> = which === 'maps' ? MAP_COLUMNS : NEEDED_COLUMNS
  return Object.entries(tables).flatMap(([table, needed]) => {
    if (which === 'mail' && table.startsWith('mailpassd_')) return []
    const columns = found.get(table)
    if (columns === undefined) return [`table ${table}`]
    return needed.filter((column) => !columns.has(column)).map((column) => `column ${table}.${column}`)
  })
}

export function createMigrator(dialect: Dialect, schema: Schema, clock: Clock): Migrator {
  async function pendingIn(db: Reader): Promise<readonly string[]> {
    const columns = await dialect.columns(db)
    const hasBookkeeping = columns.has(BOOKKEEPING)
    refuseWrongSchema(columns)
    const done = hasBookkeeping
      ? await db.selectFrom(BOOKKEEPING).select('name').execute()
      : ([] as readonly { name: string }[])
    const names = new Set(done.map((row) => row.name))
    const wanted = MIGRATIONS.filter(
      (migration) => !names.has(migration.name) && (schema === 'standalone' || !migration.standaloneOnly),
    )
    if (wanted.length === 0) return []
    const ddl = ddlOf(dialect.kind)
    return [
      ...(hasBookkeeping ? [] : [bookkeepingTable(ddl.ownTable)]),
      ...wanted.flatMap((migration) => [
        ...migration.statements(ddl).map((text) => text.trim()),
        `insert into \`${BOOKKEEPING}\` (\`name\`, \`at_ms\`) values ('${migration.name}', ${clock.nowMs()})`,
      ]),
    ]
  }

  /** A database that is not what the configuration says must not get tables it has no use for. */
  function refuseWrongSchema(columns: Columns): void {
    if (schema === 'mailcow') {
      const missing = missingColumns(columns, 'mail')
      if (missing.length > 0) throw missingError(dialect.where, missing, schema)
    } else if (!columns.has(BOOKKEEPING) && columns.has('mailbox')) {
      throw new MailpassdError(
        'store_schema',
        `${dialect.where} has mail tables that mailpassd did not make; if they are mailcow's, set store.schema = "mailcow", else name an empty database`,
      )
    }
  }

  return {
    pending: () => pendingIn(dialect.reader),
    run: () =>
      dialect.exclusively(async (db) => {
        // Looked at again: another process may have been faster.
        const statements = await pendingIn(db)
        for (const text of statements) await runOne(dialect, db, text)
        return statements
      }),
  }
}

function bookkeepingTable(tableEnd: string): string {
  return `create table if not exists \`${BOOKKEEPING}\` (
  \`name\` varchar(64) not null primary key,
  \`at_ms\` bigint not null
) ${tableEnd}`.trim()
}

async function runOne(dialect: Dialect, db: Reader, text: string): Promise<void> {
  try {
    await db.executeQuery(CompiledQuery.raw(text))
  } catch (error) {
    const fault = dialect.faultOf(error)
    if (fault.kind !== 'denied') throw error
    throw new MailpassdError(
      'store_schema',
      `${dialect.where}: ${fault.text}; grant the user CREATE and INDEX on the database, or have an administrator run what \`mailpassd migrate --dry-run\` prints`,
      { cause: error },
    )
  }
}

/** The error that lists all of what is missing at once. */
export function missingError(where: string, missing: readonly string[], schema: Schema): MailpassdError {
  const hint =
    schema === 'mailcow'
      ? 'is store.database the database of a mailcow that is up to date?'
      : 'somebody changed the tables; restore them'
  return new MailpassdError('store_schema', `${where} lacks ${missing.join(', ')}; ${hint}`)
}
