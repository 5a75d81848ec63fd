/** What differs between the databases: connecting, locking, upserting, dates and the meaning of errors. */
import type { Kysely, RawBuilder, Transaction } from 'kysely'
import type { Tables } from '../tables.ts'

/**
 * What a foreign error means to us. duplicate and conflict: look again and retry; unavailable: the same call may
 * work later; denied: a right is missing; schema: a table or column is missing; failed: the database refused for
 * another reason; foreign: not of the database at all, a fault of ours that passed through.
 */
export type FaultKind = 'duplicate' | 'conflict' | 'unavailable' | 'denied' | 'schema' | 'failed' | 'foreign'

export interface Fault {
  readonly kind: FaultKind
  /** For the operator; holds no values of statements. */
  readonly text: string
}

export type Reader = Kysely<Tables>
export type Writer = Transaction<Tables>

export interface Dialect {
  readonly kind: 'mysql' | 'sqlite'
  /** Where the database is, for messages: `MariaDB 127.0.0.1:3306/mailcow`. */
  readonly where: string
  /** Reads; on SQLite a connection of its own, so that they never wait for a transaction. */
  readonly reader: Reader
  /** Writes, in transactions only: on SQLite the wait for another process is in their beginning. */
  readonly writer: Kysely<Tables>
  faultOf(error: unknown): Fault
  /** Makes other transactions on this domain wait until this one ends, whether the row exists or not. */
  lockDomain(trx: Writer, domain: string): Promise<void>
  /** `YYYY-MM-DD HH:MM:SS` in the database's own time zone, which is what its other users write and read. */
  dateTime(atMs: number): RawBuilder<string>
  /** A column of such times as milliseconds since the epoch. */
  epochMs(column: string): RawBuilder<number | string>
  /** The database's own clock, milliseconds since the epoch: nodes' clocks may differ. */
  nowMs(): RawBuilder<number>
  /** Ends an insert: where `keys` meet an existing row, that one is changed by `set` instead. */
  onDuplicate(keys: readonly string[], set: readonly RawBuilder<unknown>[]): RawBuilder<unknown>
  /** In `set`: the value that would have been inserted. */
  incoming(column: string): RawBuilder<number>
  greatest(a: RawBuilder<unknown>, b: RawBuilder<unknown>): RawBuilder<number>
  least(a: RawBuilder<unknown>, b: RawBuilder<unknown>): RawBuilder<number>
  /** Deletes at most `rows` rows that meet the condition; gives how many. */
  deleteSome(trx: Writer, table: keyof Tables, condition: RawBuilder<unknown>, rows: number): Promise<number>
  /** Tables of the database with their columns. */
  columns(db: Reader): Promise<ReadonlyMap<string, ReadonlySet<string>>>
  /** Runs `work` while no other process migrates this database. */
  exclusively<R>(work: (db: Reader) => Promise<R>): Promise<R>
  close(): Promise<void>
}
