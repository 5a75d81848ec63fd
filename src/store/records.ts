/** The rows of the snapshot (mirror/snapshot.ts): sealed records by key and address. */
import { sql } from 'kysely'
import { setImmediate } from 'node:timers/promises'
import type { SnapshotRow, SnapshotRows } from '../mirror/snapshot.ts'
import type { Border } from './border.ts'

/** Rows of one statement: on SQLite it holds the event loop (40 us a row). */
const ROWS_AT_ONCE = 50
const DELETED_AT_ONCE = 200

export class Records implements SnapshotRows {
  readonly #border: Border

  constructor(border: Border) {
    this.#border = border
  }

  async readRecords(
    keyId: string,
    { after, sinceMs, limit }: { readonly after: string; readonly sinceMs: number; readonly limit: number },
  ): Promise<readonly SnapshotRow[]> {
    const rows = await this.#border.read((db) =>
      db
        .selectFrom('mailpassd_record')
        .select(['address', 'at_ms', 'sealed'])
        .where('key_id', '=', keyId)
        .where('address', '>', after)
        .where('at_ms', '>=', sinceMs)
        .orderBy('address')
        .limit(limit)
        .execute(),
    )
    return rows.map((row) => ({ address: row.address, atMs: Number(row.at_ms), sealed: row.sealed }))
  }

  async countOtherRecords(keyId: string, sinceMs: number): Promise<number> {
    return this.#border.read(async (db) => {
      const row = await db
        .selectFrom('mailpassd_record')
        .select((eb) => eb.fn.countAll<number | string>().as('count'))
        .where('key_id', '!=', keyId)
        .where('at_ms', '>=', sinceMs)
        .executeTakeFirst()
      return Number(row?.count ?? 0)
    })
  }

  /** All are written or none; of two writers of a row the one with the later time stays. */
  async writeRecords(keyId: string, rows: readonly SnapshotRow[]): Promise<void> {
    if (rows.length === 0) return
    const { dialect } = this.#border
    const at = sql.ref('mailpassd_record.at_ms')
    const isLater = sql`${dialect.incoming('at_ms')} >= ${at}`
    // at_ms is the last: MariaDB sets from left to right and compares with what is set already.
    const merge = dialect.onDuplicate(
      ['key_id', 'address'],
      [
        sql`sealed = case when ${isLater} then ${dialect.incoming('sealed')} else ${sql.ref('mailpassd_record.sealed')} end`,
        sql`at_ms = ${dialect.greatest(at, dialect.incoming('at_ms'))}`,
      ],
    )
    await this.#border.write(async (trx) => {
      for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
        await trx
          .insertInto('mailpassd_record')
          .values(
            rows.slice(start, start + ROWS_AT_ONCE).map(({ address, atMs, sealed }) => ({
              key_id: keyId,
              address,
              at_ms: atMs,
              sealed,
            })),
          )
          .modifyEnd(merge)
          .execute()
        await setImmediate()
      }
    })
  }

  async deleteRecords(keyId: string, addresses: readonly string[]): Promise<void> {
    for (let start = 0; start < addresses.length; start += DELETED_AT_ONCE) {
      const some = addresses.slice(start, start + DELETED_AT_ONCE)
      await this.#border.write((trx) =>
        trx.deleteFrom('mailpassd_record').where('key_id', '=', keyId).where('address', 'in', some).execute(),
      )
      await setImmediate()
    }
  }

  /** Of every key; gives how many. */
  async deleteRecordsBefore(atMs: number): Promise<number> {
    let deleted = 0
    for (;;) {
      const rows = await this.#border.write((trx) =>
        this.#border.dialect.deleteSome(trx, 'mailpassd_record', sql`at_ms < ${atMs}`, DELETED_AT_ONCE),
      )
      deleted += rows
      if (rows < DELETED_AT_ONCE) return deleted
      await setImmediate()
    }
  }
}
