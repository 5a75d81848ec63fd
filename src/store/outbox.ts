/**
 * The table behind the outbox (outbox/outbox.ts). Rows are taken by compare-and-set on their lease, which holds between
 * processes and nodes on SQLite, MariaDB and Galera: of two that saw the same row, one changes it and the other nothing.
 */
import { sql } from 'kysely'
import type { Clock } from '../clock.ts'
import type { OutboxEntry, OutboxPending, OutboxRow, OutboxSource, OutboxState } from '../outbox/outbox.ts'
import type { Border } from './border.ts'
import type { Writer } from './dialect/dialect.ts'

/** Width of last_error. */
const ERROR_LENGTH = 255
const FORGOTTEN_AT_ONCE = 500
/** Ids of one statement. */
const MAX_LOOKED_FOR = 500

/** Adds work to the transaction that is its cause. Gives the row's id. */
export async function enqueue(trx: Writer, entry: OutboxEntry & { readonly nowMs: number }): Promise<number> {
  const inserted = await trx
    .insertInto('mailpassd_outbox')
    .values({
      consumer: entry.consumer,
      action: entry.action,
      address: entry.address,
      body: JSON.stringify(entry.body),
      created_ms: entry.nowMs,
      due_ms: entry.dueMs,
    })
    .executeTakeFirst()
  return Number(inserted.insertId ?? 0)
}

/**
 * The same, in place of what waits for this consumer to do with this address: of several only the last counts, and rows
 * that are tried again would be done in any order. One that is being done now may still come late: this one is
 * due when nobody can work on that one any more. Writers about one address take turns (Dialect.lockDomain).
 */
export async function enqueueLast(
  trx: Writer,
  entry: OutboxEntry & { readonly nowMs: number },
): Promise<number> {
  const earlier = await trx
    .selectFrom('mailpassd_outbox')
    .select(['id', 'lease_until_ms'])
    .where('address', '=', entry.address)
    .where('consumer', '=', entry.consumer)
    .where('action', '=', entry.action)
    .execute()
  if (earlier.length > 0) {
    const ids = earlier.map(({ id }) => id)
    await trx.deleteFrom('mailpassd_outbox').where('id', 'in', ids).execute()
  }
  const dueMs = Math.max(entry.dueMs, ...earlier.map((row) => Number(row.lease_until_ms)))
  return enqueue(trx, { ...entry, dueMs })
}

export class Outbox implements OutboxSource {
  readonly #border: Border
  readonly #clock: Clock

  constructor(border: Border, clock: Clock) {
    this.#border = border
    this.#clock = clock
  }

  /** Adds work that has no cause in the store, in a transaction of its own. Gives the row's id. */
  async add(entry: OutboxEntry): Promise<number> {
    return this.#border.write((trx) => enqueue(trx, { ...entry, nowMs: this.#clock.nowMs() }))
  }

  async claim(consumer: string, limit: number, leaseMs: number): Promise<readonly OutboxRow[]> {
    const nowMs = this.#clock.nowMs()
    // Looked for outside of a transaction: mostly there is nothing, and on SQLite a transaction is the writer's lock.
    const found = await this.#border.read((db) =>
      db
        .selectFrom('mailpassd_outbox')
        .select(['id', 'consumer', 'action', 'address', 'body', 'created_ms', 'tries', 'lease_until_ms'])
        .where('consumer', '=', consumer)
        .where('due_ms', '<=', nowMs)
        .where('lease_until_ms', '<=', nowMs)
        .orderBy('due_ms')
        .orderBy('id')
        .limit(limit)
        .execute(),
    )
    if (found.length === 0) return []
    const leaseUntilMs = nowMs + leaseMs
    return this.#border.write(async (trx) => {
      const claimed: OutboxRow[] = []
      for (const row of found) {
        const tries = row.tries + 1
        const updated = await trx
          .updateTable('mailpassd_outbox')
          .set({ lease_until_ms: leaseUntilMs, tries })
          .where('id', '=', row.id)
          .where('lease_until_ms', '=', row.lease_until_ms)
          .where('tries', '=', row.tries)
          .executeTakeFirst()
        if (updated.numUpdatedRows !== 1n) continue
        const { action, address } = row
        const created = { id: Number(row.id), createdMs: Number(row.created_ms) }
        claimed.push({
          ...created,
          consumer,
          action,
          address,
          body: parseBody(row.body),
          tries,
          leaseUntilMs,
        })
      }
      return claimed
    })
  }

  async done({ id }: Pick<OutboxRow, 'id'>): Promise<void> {
    await this.#border.write((trx) => trx.deleteFrom('mailpassd_outbox').where('id', '=', id).execute())
  }

  async postpone({ id, tries, leaseUntilMs }: OutboxRow, error: string, dueMs: number): Promise<void> {
    await this.#border.write((trx) =>
      trx
        .updateTable('mailpassd_outbox')
        .set({ due_ms: dueMs, lease_until_ms: 0, last_error: cut(error) })
        .where('id', '=', id)
        .where('lease_until_ms', '=', leaseUntilMs)
        .where('tries', '=', tries)
        .execute(),
    )
  }

  /** Deletes what was written for this consumer before `beforeMs`, 500 rows at most; gives how many. */
  async forget(consumer: string, beforeMs: number): Promise<number> {
    return this.#border.write((trx) =>
      this.#border.dialect.deleteSome(
        trx,
        'mailpassd_outbox',
        sql`consumer = ${consumer} and created_ms < ${beforeMs}`,
        FORGOTTEN_AT_ONCE,
      ),
    )
  }

  /** What waits, by consumer; those with nothing are left out. */
  async pending(): Promise<readonly OutboxPending[]> {
    const rows = await this.#border.read((db) =>
      db
        .selectFrom('mailpassd_outbox')
        .select((eb) => [
          'consumer',
          eb.fn.countAll<number | string>().as('count'),
          eb.fn.min<number | string>('created_ms').as('oldest_ms'),
        ])
        .groupBy('consumer')
        .orderBy('consumer')
        .execute(),
    )
    return rows.map((row) => ({
      consumer: row.consumer,
      count: Number(row.count),
      oldestMs: Number(row.oldest_ms),
    }))
  }

  /** Those of these rows (500 at most) that are not done yet. */
  async lookup(ids: readonly number[]): Promise<readonly OutboxState[]> {
    if (ids.length === 0) return []
    const rows = await this.#border.read((db) =>
      db
        .selectFrom('mailpassd_outbox')
        .select(['id', 'consumer', 'tries', 'last_error'])
        .where('id', 'in', ids.slice(0, MAX_LOOKED_FOR))
        .orderBy('id')
        .execute(),
    )
    return rows.map((row) => ({
      id: Number(row.id),
      consumer: row.consumer,
      tries: row.tries,
      lastError: row.last_error,
    }))
  }
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** To the column's width in characters; half a character would be refused. */
function cut(text: string): string {
  return text.slice(0, ERROR_LENGTH).toWellFormed()
}
