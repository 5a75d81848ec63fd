/**
 * The store as a whole: opened once by the daemon or a command, it hands each room its port. Subjects are in files
 * of their own, each written once for both databases.
 */
import { isAbsolute, join } from 'node:path'
import type { AccountSource } from '../account/stored.ts'
import type { StoreProbe } from '../check/store-probe.ts'
import type { Clock } from '../clock.ts'
import type { StoreConfig } from '../config/schema.ts'
import { MailpassdError } from '../errors.ts'
import type { LoginLogSource, LoginLogWriter } from '../login-log/event.ts'
import type { SessionEnding } from '../outbox/end-sessions.ts'
import type { Logger } from '../telemetry/logger.ts'
import { sql } from 'kysely'
import { Accounts } from './accounts.ts'
import { AppPasswordNames } from './app-password-names.ts'
import { AppPasswords } from './app-passwords.ts'
import { Border } from './border.ts'
import { Changes } from './changes.ts'
import { DirectoryEvents } from './directory-events.ts'
import type { Dialect } from './dialect/dialect.ts'
import { DomainTotals } from './domain-totals.ts'
import { Domains } from './domains.ts'
import { StoredGuesses } from './guesses.ts'
import { StoredKnownPairs } from './known-pairs.ts'
import { LoginLogs } from './login-log.ts'
import type { Beside } from './mailbox-rows.ts'
import { MailMaps } from './mail-maps.ts'
import { StoreLocks } from './locks.ts'
import { Mailboxes } from './mailboxes.ts'
import { createStoreProbe } from './probe.ts'
import { Records } from './records.ts'
import { Outbox } from './outbox.ts'
import { createMigrator, missingColumns, missingError, type Migrator } from './migrations/migrate.ts'
import { missingForSogo } from './sogo-row.ts'

export interface Store {
  readonly accounts: AccountSource
  readonly mailboxes: Mailboxes
  readonly loginLog: LoginLogWriter & LoginLogSource
  readonly changes: Changes
  readonly domains: Domains
  readonly appPasswords: AppPasswords
  /** For the connection test: looks whether the tables are in order or not. */
  readonly probe: StoreProbe
  readonly outbox: Outbox
  readonly records: Records
  readonly maps: MailMaps
  readonly names: AppPasswordNames
  readonly locks: StoreLocks
  readonly directoryEvents: DirectoryEvents
  readonly guesses: StoredGuesses
  readonly knownPairs: StoredKnownPairs
  /** `MariaDB 127.0.0.1:3306/mailcow` or `SQLite /path`, for messages. */
  readonly where: string
  /** Whether the database answers now: one trivial statement. Throws MailpassdError store_*. */
  ping(): Promise<void>
  /**
   * Resolves when the tables are as needed, making our own where they are missing. Every other call does this by
   * itself at first contact. Throws MailpassdError store_*.
   */
  ready(): Promise<void>
  /** Needed tables and columns that are not there, as `table x` and `column x.y`. Changes nothing. */
  check(options?: { readonly maps?: boolean }): Promise<readonly string[]>
  /** Brings the tables up to date and gives the statements that ran; `dryRun`: that would run. */
  migrate(options?: { readonly dryRun?: boolean }): Promise<readonly string[]>
  close(): Promise<void>
}

/** The store section with its password in place, and where a relative SQLite path starts. */
export type StoreOptions = Omit<StoreConfig, 'outage_minutes'> & { readonly dataDir: string }

export interface StoreContext {
  readonly clock: Clock
  readonly logger: Logger
  /** What is told of a new mailbox where it is there; nothing by default, for commands that make none. */
  readonly beside?: Beside
  /** Whose live sessions end with a lock and alike; absent: nobody's. */
  readonly ending?: SessionEnding
}

const NOTHING_BESIDE: Beside = { sogo: false, redis: false, memcached: false }
const NO_DOVECOT: SessionEnding = { dovecots: [], againAfterMs: 0 }

/** Each driver is loaded only where it is used: mysql2 alone is 80 modules at start. */
async function connect(options: StoreOptions, clock: Clock): Promise<Dialect> {
  if (options.kind === 'mysql') {
    const { connectMysql } = await import('./dialect/mysql.ts')
    return connectMysql(options, clock)
  }
  const { connectSqlite } = await import('./dialect/sqlite.ts')
  const { path, dataDir, timeout_ms: timeoutMs } = options
  const isPlace = path === ':memory:' || isAbsolute(path)
  return connectSqlite({ path: isPlace ? path : join(dataDir, path), timeoutMs }, clock)
}

/**
 * Opens the store. With MariaDB nothing is connected yet: a daemon starts while it is down, and each call says
 * store_unavailable until it is up. Throws MailpassdError store_unavailable where a SQLite file cannot be opened.
 */
export async function openStore(options: StoreOptions, context: StoreContext): Promise<Store> {
  const { clock, logger, beside = NOTHING_BESIDE, ending = NO_DOVECOT } = context
  const dialect = await connect(options, clock)
  const migrator = createMigrator(dialect, options.schema, clock)
  let hasTfa = false
  let hasSogo = false
  let missingForMaps: readonly string[] = []
  const border: Border = new Border({
    dialect,
    clock,
    logger,
    // A login is answered within 8 s; whoever retries longer retries for nobody.
    retryWithinMs: 2 * options.timeout_ms,
    async prepare() {
      await migrateWhereNeeded(migrator, dialect, logger)
      const columns = await dialect.columns(dialect.reader)
      const missing = missingColumns(columns, 'all')
      if (missing.length > 0) throw missingError(dialect.where, missing, options.schema)
      missingForMaps = missingColumns(columns, 'maps')
      hasTfa = columns.get('tfa')?.has('active') === true && columns.get('tfa')?.has('username') === true
      const missingSogo = missingForSogo(columns)
      hasSogo = missingSogo.length === 0
      if (beside.sogo && !hasSogo)
        logger.warn(
          { database: dialect.where, missing: missingSogo.join(', ') },
          "new mailboxes are not put into SOGo's user view; without SOGo set mailcow.sogo = false",
        )
    },
  })
  const totals = new DomainTotals(options.fresh_seconds * 1000, clock)
  const appPasswords = new AppPasswords(border, ending, clock)
  const accounts = new Accounts({ border, totals, logger, hasTfa: () => hasTfa })

  return {
    accounts,
    mailboxes: new Mailboxes({
      border,
      accounts,
      totals,
      clock,
      beside: () => ({ ...beside, sogo: beside.sogo && hasSogo }),
    }),
    loginLog: new LoginLogs(border),
    changes: new Changes(border, clock),
    domains: new Domains(border, options.schema, clock),
    appPasswords,
    probe: createStoreProbe({ border, migrator, schema: options.schema, appPasswords }),
    outbox: new Outbox(border, clock),
    records: new Records(border),
    maps: new MailMaps(border, () =>
      missingForMaps.length === 0 ? undefined : missingError(dialect.where, missingForMaps, options.schema),
    ),
    names: new AppPasswordNames(border),
    directoryEvents: new DirectoryEvents(border, ending, clock),
    locks: new StoreLocks({ border, accounts, ending, clock, logger }),
    guesses: new StoredGuesses(border),
    knownPairs: new StoredKnownPairs(border),
    where: dialect.where,
    ready: () => border.ready(),
    ping: () =>
      border.unprepared(async (db) => {
        await sql`select 1`.execute(db)
      }),
    check: ({ maps = false } = {}) =>
      border.unprepared(async (db) => {
        const columns = await dialect.columns(db)
        return [...missingColumns(columns, 'all'), ...(maps ? missingColumns(columns, 'maps') : [])]
      }),
    migrate: ({ dryRun = false } = {}) =>
      border.unprepared(() => (dryRun ? migrator.pending() : migrator.run())),
    close: () => dialect.close(),
  }
}

async function migrateWhereNeeded(migrator: Migrator, dialect: Dialect, logger: Logger): Promise<void> {
  if ((await migrator.pending()).length === 0) return
  const statements = await migrator.run()
  if (statements.length > 0)
    logger.info({ database: dialect.where, statements: statements.length }, 'tables were made')
}

/** Opens the store, runs `work` and closes it again, whatever happened: for commands. */
export async function withStore<T>(
  options: StoreOptions,
  context: StoreContext,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await openStore(options, context)
  try {
    return await work(store)
  } finally {
    await store.close().catch((error: unknown) => {
      throw new MailpassdError('store_failed', 'the database could not be closed', { cause: error })
    })
  }
}
