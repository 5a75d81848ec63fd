/**
 * The border between rooms and SQL. Whatever crosses it finds the tables in order (checked at first contact, and
 * again after a statement met a missing one), runs in a transaction where it writes, is retried where another
 * writer was in the way, and leaves with MailpassdError store_* instead of a driver's error.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { MailpassdError, toMailpassdError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Dialect, Fault, Reader, Writer } from './dialect/dialect.ts'

/** Tries of one write before two writers are said to be in each other's way. */
const MAX_TRIES = 5

/** A fault that leaves the transaction for a retry; `cause` is the driver's error. */
interface Failure {
  readonly fault: Fault
  readonly error: unknown
}

export interface BorderOptions {
  readonly dialect: Dialect
  readonly clock: Clock
  readonly logger: Logger
  /** No retry begins later than this after the first try. */
  readonly retryWithinMs: number
  /** Brings the tables in order; throws MailpassdError. */
  readonly prepare: () => Promise<void>
}

export class Border {
  readonly dialect: Dialect
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #retryWithinMs: number
  readonly #prepare: () => Promise<void>
  #prepared = false
  #preparing: Promise<void> | undefined

  constructor(options: BorderOptions) {
    this.dialect = options.dialect
    this.#clock = options.clock
    this.#logger = options.logger
    this.#retryWithinMs = options.retryWithinMs
    this.#prepare = options.prepare
  }

  /** Resolves when the tables are as needed; one attempt at a time for all callers. Throws store_*. */
  async ready(): Promise<void> {
    if (this.#prepared) return
    this.#preparing ??= this.#prepareOnce()
    await this.#preparing
  }

  async #prepareOnce(): Promise<void> {
    try {
      await this.#prepare()
      this.#prepared = true
    } catch (error) {
      throw this.#ours(error)
    } finally {
      this.#preparing = undefined
    }
  }

  /** Runs statements whether the tables are in order or not. */
  async unprepared<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    try {
      return await work(this.dialect.reader)
    } catch (error) {
      throw this.#ours(error)
    }
  }

  /** Runs statements that only read. */
  async read<T>(work: (db: Reader) => Promise<T>): Promise<T> {
    if (!this.#prepared) await this.ready()
    return this.unprepared(work)
  }

  /**
   * Runs `work` in a transaction; it must look at everything anew each time it is called, because a deadlock or a
   * duplicate key makes it run again.
   */
  async write<T>(work: (trx: Writer) => Promise<T>): Promise<T> {
    if (!this.#prepared) await this.ready()
    const startedAtMs = this.#clock.monotonicMs()
    for (let tries = 1; ; tries++) {
      const result = await this.#attempt(work)
      if (!isFailure(result)) return result.value
      const { fault, error } = result
      const retriable = fault.kind === 'conflict' || fault.kind === 'duplicate'
      const isLate = this.#clock.monotonicMs() - startedAtMs > this.#retryWithinMs
      if (!retriable || tries >= MAX_TRIES || isLate) throw this.#ours(error)
      this.#logger.debug({ fault: fault.kind, tries }, 'another writer was in the way; looking again')
      // At random, or the same writers would meet again.
      await wait(5 + Math.random() * 20 * tries)
    }
  }

  async #attempt<T>(work: (trx: Writer) => Promise<T>): Promise<{ readonly value: T } | Failure> {
    try {
      return { value: await this.dialect.writer.transaction().execute(work) }
    } catch (error) {
      if (error instanceof MailpassdError) throw error
      return { fault: this.dialect.faultOf(error), error }
    }
  }

  /** Any thrown value as one of our errors. */
  #ours(error: unknown): MailpassdError {
    if (error instanceof MailpassdError) return error
    const { kind, text } = this.dialect.faultOf(error)
    const message = `${this.dialect.where}: ${text}`
    switch (kind) {
      case 'unavailable':
        return new MailpassdError('store_unavailable', message, { cause: error })
      case 'conflict':
      case 'duplicate':
        return new MailpassdError('store_conflict', message, { cause: error })
      case 'schema':
        // Somebody changed the tables under us: the next contact checks them and names what is missing.
        this.#prepared = false
        return new MailpassdError('store_schema', message, { cause: error })
      case 'denied':
        return new MailpassdError('store_failed', `${message}; grant the user this right`, { cause: error })
      case 'foreign':
        return toMailpassdError(error)
      case 'failed':
        return new MailpassdError('store_failed', message, { cause: error })
    }
  }
}

function isFailure(result: object): result is Failure {
  return 'fault' in result
}
