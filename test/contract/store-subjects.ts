/** The databases that the store contract runs on, each with a way to look at rows behind the store's back. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { Test } from 'tap'
import { systemClock, type Clock } from '../../src/clock.ts'
import { openStore, type Store, type StoreOptions } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { mariadbForTests } from '../servers/mariadb.ts'
import { mariadbMissing } from '../servers/suite.ts'

/** 2026-01-02 03:04:05 UTC, and it stays so; the monotonic clock and timers are real. */
export const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5)
export const stoppedClock: Clock = { ...systemClock, nowMs: () => NOW_MS }

export type Row = Readonly<Record<string, unknown>>
type Value = string | number | null

export interface Place {
  readonly options: StoreOptions
  /** A store on this database; closed when the test ends. Several are several nodes. */
  open(clock?: Clock): Promise<Store>
  /** Any statement, with `?` for values. */
  sql(text: string, values?: readonly Value[]): Promise<readonly Row[]>
}

export interface Subject {
  readonly name: string
  /** Why it cannot run here. */
  readonly missing: string | undefined
  readonly kind: 'sqlite' | 'mysql'
  readonly schema: 'standalone' | 'mailcow'
  /** The database finds `bób` under `bob`, as mailcow's collation does. */
  readonly folds: boolean
  /** An empty database, gone when the test ends. */
  place(t: Test): Promise<Place>
}

function opener(t: Test, options: StoreOptions): Place['open'] {
  return async (clock = stoppedClock) => {
    const store = await openStore(options, { clock, logger: silentLogger })
    t.teardown(() => store.close())
    return store
  }
}

/** A directory of its own for a test, gone when it ends. */
export function testDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'mailpassd-store-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

export function sqliteOptions(dataDir: string, path = 'store.sqlite'): StoreOptions {
  return {
    kind: 'sqlite',
    schema: 'standalone',
    path,
    host: '127.0.0.1',
    port: 3306,
    database: 'unused',
    user: 'unused',
    connections: 10,
    timeout_ms: 3000,
    fresh_seconds: 2,
    dataDir,
  }
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null
}

const sqliteFile: Subject = {
  name: 'SQLite file',
  missing: undefined,
  kind: 'sqlite',
  schema: 'standalone',
  folds: false,
  async place(t) {
    const dir = testDir(t)
    const options = sqliteOptions(dir)
    return {
      options,
      open: opener(t, options),
      async sql(text, values: readonly SQLInputValue[] = []) {
        const database = new DatabaseSync(join(dir, 'store.sqlite'), { timeout: 5000 })
        try {
          // Copied: its rows have no prototype.
          return database
            .prepare(text)
            .all(...values)
            .map((row) => ({ ...row }))
        } finally {
          database.close()
        }
      },
    }
  },
}

function mariadb(schema: 'standalone' | 'mailcow'): Subject {
  return {
    name: schema === 'mailcow' ? "MariaDB with mailcow's schema" : 'MariaDB standalone',
    missing: mariadbMissing(),
    kind: 'mysql',
    schema,
    folds: true,
    async place(t) {
      const database = await mariadbForTests(t, schema)
      return {
        options: database.store,
        open: opener(t, database.store),
        async sql(text, values = []) {
          const [rows] = await database.sql.query(text, [...values])
          return Array.isArray(rows) ? rows.filter((row): row is Row & typeof row => isRow(row)) : []
        },
      }
    },
  }
}

export const SUBJECTS: readonly Subject[] = [sqliteFile, mariadb('standalone'), mariadb('mailcow')]
