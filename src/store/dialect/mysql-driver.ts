/**
 * Kysely's driver over mysql2's pool with a time limit on everything: waiting for a connection, connecting, each
 * statement. A statement that takes too long costs its connection: nobody can say what it would still answer.
 */
import { createPool, type Pool, type PoolConnection, type PoolOptions } from 'mysql2'
import { CompiledQuery, type DatabaseConnection, type Driver, type QueryResult } from 'kysely'
import type { Clock } from '../../clock.ts'

export interface MysqlLimits {
  /** A connect or a statement that takes longer has failed. */
  readonly timeoutMs: number
  /** Runs on every new connection before anything else. */
  readonly setup: string
}

/** What a time limit throws; faultOf makes store_unavailable of it. */
export class TimeLimitError extends Error {
  readonly code = 'MAILPASSD_TIME_LIMIT'
}

/** Waiting requests beyond this are refused at once: the database is far behind, and memory is bounded. */
const MAX_WAITING = 2000

export class TimedMysqlDriver implements Driver {
  readonly #pool: Pool
  readonly #limits: MysqlLimits
  readonly #clock: Clock
  readonly #live = new Set<PoolConnection>()
  readonly #connections = new WeakMap<PoolConnection, TimedConnection>()

  constructor(options: PoolOptions, limits: MysqlLimits, clock: Clock) {
    this.#pool = createPool({
      ...options,
      connectTimeout: limits.timeoutMs,
      queueLimit: MAX_WAITING,
      // Without: mysql2 makes a stack trace for every statement.
      trace: false,
    })
    this.#limits = limits
    this.#clock = clock
    this.#pool.on('connection', (raw: PoolConnection) => {
      this.#live.add(raw)
      raw.once('end', () => this.#live.delete(raw))
      raw.once('error', () => this.#live.delete(raw))
    })
  }

  async init(): Promise<void> {
    // The pool is lazy: nothing connects before the first statement.
  }

  async acquireConnection(): Promise<TimedConnection> {
    const raw = await this.#acquire()
    const known = this.#connections.get(raw)
    if (known !== undefined) return known
    const connection = new TimedConnection(raw, this.#limits.timeoutMs, this.#clock)
    try {
      await connection.executeQuery(CompiledQuery.raw(this.#limits.setup))
    } catch (error) {
      raw.destroy()
      throw error
    }
    this.#connections.set(raw, connection)
    return connection
  }

  #acquire(): Promise<PoolConnection> {
    const { timeoutMs } = this.#limits
    return new Promise((resolve, reject) => {
      let late = false
      const cancel = this.#clock.after(timeoutMs, () => {
        late = true
        reject(new TimeLimitError(`no connection within ${timeoutMs} ms`))
      })
      this.#pool.getConnection((error, raw) => {
        if (late) {
          if (error === null) raw.release()
          return
        }
        cancel()
        if (error === null) resolve(raw)
        else reject(error)
      })
    })
  }

  async beginTransaction(connection: TimedConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin'))
  }

  async commitTransaction(connection: TimedConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'))
  }

  async rollbackTransaction(connection: TimedConnection): Promise<void> {
    // A connection that is gone has rolled back; its error would only hide the first one.
    await connection.executeQuery(CompiledQuery.raw('rollback')).catch(() => connection.destroy())
  }

  async releaseConnection(connection: TimedConnection): Promise<void> {
    connection.release()
  }

  async destroy(): Promise<void> {
    await new Promise<void>((resolve) => {
      // A hanging server never answers the goodbye.
      const cancel = this.#clock.after(this.#limits.timeoutMs, () => {
        for (const raw of this.#live) raw.destroy()
        resolve()
      })
      this.#pool.end(() => {
        cancel()
        resolve()
      })
    })
  }
}

class TimedConnection implements DatabaseConnection {
  readonly #raw: PoolConnection
  readonly #timeoutMs: number
  readonly #clock: Clock

  constructor(raw: PoolConnection, timeoutMs: number, clock: Clock) {
    this.#raw = raw
    this.#timeoutMs = timeoutMs
    this.#clock = clock
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const result = await this.#send(query)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a row's type is the statement's, as in Kysely's own drivers
    if (Array.isArray(result)) return { rows: result as R[] }
    const insertId = numberIn(result, 'insertId')
    return {
      rows: [],
      numAffectedRows: BigInt(numberIn(result, 'affectedRows')),
      // 0 where the statement gave out no number.
      ...(insertId === 0 ? {} : { insertId: BigInt(insertId) }),
    }
  }

  #send(query: CompiledQuery): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(this.#timeoutMs, () => {
        this.#raw.destroy()
        reject(new TimeLimitError(`no answer within ${this.#timeoutMs} ms`))
      })
      const settle = (error: Error | null, result: unknown) => {
        cancel()
        if (error === null) resolve(result)
        else reject(error)
      }
      // Values go by prepared statements, never as text; what has none (begin, DDL) need not be prepared.
      if (query.parameters.length === 0) this.#raw.query(query.sql, settle)
      else this.#raw.execute(query.sql, query.parameters.map(toSqlValue), settle)
    })
  }

  // oxlint-disable-next-line require-yield -- nothing here streams
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('statements are not streamed')
  }

  release(): void {
    this.#raw.release()
  }

  destroy(): void {
    this.#raw.destroy()
  }
}

function toSqlValue(value: unknown): string | number | null {
  if (typeof value === 'string' || typeof value === 'number' || value === null) return value
  throw new Error(`a ${typeof value} is not a value for a statement`)
}

function numberIn(result: unknown, key: 'affectedRows' | 'insertId'): number {
  if (typeof result !== 'object' || result === null) return 0
  const value = new Map<string, unknown>(Object.entries(result)).get(key)
  return typeof value === 'number' ? value : 0
}
