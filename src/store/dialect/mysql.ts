/** MariaDB: how to connect, lock, upsert and migrate there. */
import { Kysely, MysqlAdapter, MysqlIntrospector, MysqlQueryCompiler, sql } from 'kysely'
import type { Clock } from '../../clock.ts'
import type { StoreConfig } from '../../config/schema.ts'
import { MailpassdError } from '../../errors.ts'
import type { Tables } from '../tables.ts'
import { groupColumns, type CatalogueRow } from './columns.ts'
import type { Dialect } from './dialect.ts'
import { TimedMysqlDriver } from './mysql-driver.ts'
import { mysqlFault } from './mysql-faults.ts'

/** How long one process waits for another one's migration, in tries of half a second. */
const MIGRATION_WAIT_TRIES = 60

/**
 * The session as all statements expect it. Strict: a value that does not fit is an error, not cut. The time zone
 * stays the server's: mailcow's DATETIME columns are written and read in it by everybody else.
 * The server gives up a little before we do, so that a slow statement does not cost its connection.
 */
function sessionSetup(timeoutMs: number): string {
  const statementSeconds = (timeoutMs * 0.9) / 1000
  const lockSeconds = Math.max(1, Math.floor(timeoutMs / 1000) - 1)
  return (
    `set names utf8mb4, session sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', ` +
    `session max_statement_time = ${statementSeconds}, session innodb_lock_wait_timeout = ${lockSeconds}, ` +
    `session tx_isolation = 'REPEATABLE-READ'`
  )
}

/** A pool on MariaDB. Nothing connects before the first statement, so that a daemon starts while it is down. */
export function connectMysql(config: Omit<StoreConfig, 'outage_minutes'>, clock: Clock): Dialect {
  const { host, port, socket, database, user } = config
  const db = new Kysely<Tables>({
    dialect: {
      createDriver: () =>
        new TimedMysqlDriver(
          {
            ...(socket === undefined ? { host, port } : { socketPath: socket }),
            database,
            user,
            password: config.password ?? '',
            charset: 'utf8mb4',
            connectionLimit: config.connections,
            dateStrings: true,
            supportBigNumbers: true,
            // The text as it stands there: attribute_hash is made of it.
            jsonStrings: true,
            // Per connection; beyond this the least used statement is closed.
            maxPreparedStatements: 200,
          },
          { timeoutMs: config.timeout_ms, setup: sessionSetup(config.timeout_ms) },
          clock,
        ),
      createAdapter: () => new MysqlAdapter(),
      createQueryCompiler: () => new MysqlQueryCompiler(),
      createIntrospector: (db) => new MysqlIntrospector(db),
    },
  })

  return {
    kind: 'mysql',
    where: `MariaDB ${socket ?? `${host}:${port}`}/${database}`,
    reader: db,
    writer: db,
    faultOf: mysqlFault,

    async lockDomain(trx, domain) {
      // Where the row is absent InnoDB locks the gap. Locks come before the first plain read, so that the
      // transaction's snapshot is taken after whoever held them has committed.
      await trx
        .selectFrom('domain')
        .select('domain')
        .where('domain', '=', domain)
        .forUpdate()
        .executeTakeFirst()
    },

    dateTime: (atMs) => sql`date_format(from_unixtime(${Math.floor(atMs / 1000)}), '%Y-%m-%d %H:%i:%s')`,
    epochMs: (column) => sql`unix_timestamp(${sql.ref(column)}) * 1000`,
    nowMs: () => sql`cast(unix_timestamp(now(3)) * 1000 as signed)`,
    onDuplicate: (_keys, set) => sql`on duplicate key update ${sql.join(set)}`,
    incoming: (column) => sql`values(${sql.ref(column)})`,
    greatest: (a, b) => sql`greatest(${a}, ${b})`,
    least: (a, b) => sql`least(${a}, ${b})`,

    async deleteSome(trx, table, condition, rows) {
      const deleted =
        await sql`delete from ${sql.table(table)} where ${condition} limit ${sql.lit(rows)}`.execute(trx)
      return Number(deleted.numAffectedRows ?? 0)
    },

    async columns(db) {
      const { rows } = await sql<CatalogueRow>`
        select table_name as table_name, column_name as column_name
        from information_schema.columns where table_schema = database()`.execute(db)
      return groupColumns(rows)
    },

    exclusively(work) {
      return db.connection().execute(async (connection) => {
        // The lock belongs to the connection: the server drops it when this process dies. Names are global to the
        // server and at most 64 characters; a hash of the database's name keeps two databases apart.
        const name = sql`concat('mailpassd:', md5(database()))`
        await lockByName(connection, name)
        try {
          return await work(connection)
        } finally {
          // Where this fails the connection is gone, and the lock with it; the first error is the one to tell.
          await sql`select release_lock(${name})`.execute(connection).catch(() => undefined)
        }
      })
    },

    close: () => db.destroy(),
  }
}

async function lockByName(connection: Kysely<Tables>, name: ReturnType<typeof sql>): Promise<void> {
  for (let tries = 0; tries < MIGRATION_WAIT_TRIES; tries++) {
    // Half a second a time: a statement may not take longer than the time limit.
    const { rows } = await sql<{ locked: number | null }>`select get_lock(${name}, 0.5) as locked`.execute(
      connection,
    )
    if (rows[0]?.locked === 1) return
  }
  throw new MailpassdError(
    'store_conflict',
    `another process has been migrating this database for more than ${MIGRATION_WAIT_TRIES / 2} s`,
  )
}
