/**
 * SQLite by Node's own node:sqlite: one connection that writes and one that reads. node:sqlite is synchronous, so
 * statements stay small, and waiting for another process is done between tries, never inside SQLite.
 */
import { resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import {
  CompiledQuery,
  Kysely,
  SqliteDialect,
  SqliteDriver,
  sql,
  type DatabaseConnection,
  type SqliteDatabase,
  type SqliteStatement,
} from 'kysely'
import type { Clock } from '../../clock.ts'
import { MailpassdError } from '../../errors.ts'
import type { Tables } from '../tables.ts'
import { groupColumns, type CatalogueRow } from './columns.ts'
import type { Dialect, Fault } from './dialect.ts'
import { makeFile } from './sqlite-file.ts'

export interface SqliteOptions {
  /** Absolute, or ':memory:'. */
  readonly path: string
  readonly timeoutMs: number
}

/** SQLite waits this long by itself: short, because the whole process waits with it. */
const BUSY_TIMEOUT_MS = 2
/** Prepared statements kept per connection; ours are fewer, multi-row inserts vary. */
const MAX_STATEMENTS = 200

const MEMORY = ':memory:'

/** Result codes (https://www.sqlite.org/rescode.html). */
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_CONSTRAINT_PRIMARYKEY = 1555
const SQLITE_CONSTRAINT_UNIQUE = 2067
const SQLITE_CONSTRAINT_ROWID = 2579

/** node:sqlite in the shape that Kysely's SQLite dialect wants; keeps statements prepared. */
class PreparedDatabase implements SqliteDatabase {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, SqliteStatement>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  prepare(text: string): SqliteStatement {
    const known = this.#statements.get(text)
    if (known !== undefined) return known
    const made = new PreparedStatement(this.#database.prepare(text))
    const oldest = this.#statements.keys().next()
    if (this.#statements.size >= MAX_STATEMENTS && oldest.done !== true) this.#statements.delete(oldest.value)
    this.#statements.set(text, made)
    return made
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }
}

class PreparedStatement implements SqliteStatement {
  readonly reader: boolean
  readonly #statement: StatementSync
  /** Some row held an integer that a number cannot: from then on integers are read as BigInt, which costs more. */
  #readsBigInts = false

  constructor(statement: StatementSync) {
    this.#statement = statement
    this.reader = statement.columns().length > 0
  }

  all(parameters: readonly unknown[]): unknown[] {
    const values = parameters.map(toSqlValue)
    if (!this.#readsBigInts) {
      try {
        return this.#statement.all(...values)
      } catch (error) {
        if (!isTooBig(error)) throw error
        this.#readsBigInts = true
        this.#statement.setReadBigInts(true)
      }
    }
    return this.#statement.all(...values).map(withoutBigInts)
  }

  run(parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint } {
    return this.#statement.run(...parameters.map(toSqlValue))
  }

  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.#statement.iterate(...parameters.map(toSqlValue))
  }
}

/** A quota of 2^63 - 1 is how some write "unlimited". */
function isTooBig(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_OUT_OF_RANGE'
}

/** BIGINT as from MariaDB: a number, or text where a number would lose digits. */
function withoutBigInts(row: object): object {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]: [string, unknown]) => {
      if (typeof value !== 'bigint') return [column, value]
      const number = Number(value)
      return [column, Number.isSafeInteger(number) ? number : String(value)]
    }),
  )
}

function toSqlValue(value: unknown): SQLInputValue {
  if (typeof value === 'string' || typeof value === 'number' || value === null) return value
  throw new Error(`a ${typeof value} is not a value for a statement`)
}

/** Begins for writing at once (a transaction that starts by reading may be refused later), waiting its turn. */
class WritingDriver extends SqliteDriver {
  readonly #timeoutMs: number
  readonly #clock: Clock

  constructor(database: SqliteDatabase, timeoutMs: number, clock: Clock) {
    super({ database })
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    const giveUpAtMs = this.#clock.monotonicMs() + this.#timeoutMs
    for (;;) {
      try {
        await connection.executeQuery(CompiledQuery.raw('begin immediate'))
        return
      } catch (error) {
        if (sqliteFault(error).kind !== 'conflict') throw error
        if (this.#clock.monotonicMs() >= giveUpAtMs) {
          throw new MailpassdError(
            'store_unavailable',
            `another process has kept the SQLite database locked for ${this.#timeoutMs} ms`,
            { cause: error },
          )
        }
      }
      await wait(2 + Math.random() * 10)
    }
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // After some errors (disk full) SQLite has rolled back already; saying so would hide the first error.
    await super.rollbackTransaction(connection).catch(() => {})
  }
}

class WritingDialect extends SqliteDialect {
  readonly #makeDriver: () => SqliteDriver

  constructor(database: SqliteDatabase, timeoutMs: number, clock: Clock) {
    super({ database })
    this.#makeDriver = () => new WritingDriver(database, timeoutMs, clock)
  }

  override createDriver(): SqliteDriver {
    return this.#makeDriver()
  }
}

function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode : undefined
}

/** Classifies anything that node:sqlite may throw. */
export function sqliteFault(thrown: unknown): Fault {
  const text = thrown instanceof Error ? thrown.message : 'a value that is not an Error was thrown'
  const code = codeOf(thrown)
  if (code === undefined) {
    const isClosed = thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_INVALID_STATE'
    return { kind: isClosed ? 'unavailable' : 'foreign', text }
  }
  switch (code) {
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_ROWID:
      return { kind: 'duplicate', text }
    default:
  }
  // The low byte of an extended code is its class.
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return { kind: 'conflict', text }
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
      return { kind: 'unavailable', text }
    default:
      return { kind: /^no such (?:table|column)/.test(text) ? 'schema' : 'failed', text }
  }
}

function openFile(path: string, timeoutMs: number): DatabaseSync {
  try {
    if (path !== MEMORY) makeFile(path)
    const database = new DatabaseSync(path, { timeout: timeoutMs, enableForeignKeyConstraints: true })
    // WAL: readers never wait for the writer. synchronous NORMAL: no fsync at each commit, which would stall the
    // event loop; a power cut may lose the last commits, never the database's consistency.
    database.exec('pragma journal_mode = wal; pragma synchronous = normal;')
    database.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`)
    return database
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new MailpassdError('store_unavailable', `SQLite database ${path} cannot be opened: ${reason}`, {
      cause: error,
    })
  }
}

/** Opens the file, making it where it is absent. Throws MailpassdError store_unavailable. */
export function connectSqlite(options: SqliteOptions, clock: Clock): Dialect {
  const path = options.path === MEMORY ? MEMORY : resolve(options.path)
  const writing = new PreparedDatabase(openFile(path, options.timeoutMs))
  const writer = new Kysely<Tables>({ dialect: new WritingDialect(writing, options.timeoutMs, clock) })
  // A memory database exists once per connection: reads take turns with writes there.
  const reading = path === MEMORY ? undefined : new PreparedDatabase(openFile(path, options.timeoutMs))
  const reader =
    reading === undefined ? writer : new Kysely<Tables>({ dialect: new SqliteDialect({ database: reading }) })

  return {
    kind: 'sqlite',
    where: `SQLite ${path}`,
    reader,
    writer,
    faultOf: sqliteFault,

    async lockDomain() {
      // The whole database is locked: begin immediate.
    },

    dateTime: (atMs) => sql`strftime('%Y-%m-%d %H:%M:%S', ${Math.floor(atMs / 1000)}, 'unixepoch')`,
    epochMs: (column) => sql`unixepoch(${sql.ref(column)}) * 1000`,
    nowMs: () => sql`cast(unixepoch('now', 'subsec') * 1000 as integer)`,
    onDuplicate: (keys, set) =>
      sql`on conflict (${sql.join(keys.map((key) => sql.ref(key)))}) do update set ${sql.join(set)}`,
    incoming: (column) => sql`excluded.${sql.ref(column)}`,
    greatest: (a, b) => sql`max(${a}, ${b})`,
    least: (a, b) => sql`min(${a}, ${b})`,

    async deleteSome(trx, table, condition, rows) {
      const from = sql.table(table)
      const deleted = await sql`delete from ${from} where rowid in
        (select rowid from ${from} where ${condition} limit ${sql.lit(rows)})`.execute(trx)
      return Number(deleted.numAffectedRows ?? 0)
    },

    async columns(db) {
      const { rows } = await sql<CatalogueRow>`
        select t.name as table_name, c.name as column_name
        from sqlite_schema as t, pragma_table_info(t.name) as c where t.type = 'table'`.execute(db)
      return groupColumns(rows)
    },

    exclusively: (work) => writer.transaction().execute(work),

    async close() {
      writing.close()
      reading?.close()
    },
  }
}
