/** The store as nodes share guesses by it: counts of each node, read by the others a second later. */
import { sql } from 'kysely'
import { setImmediate } from 'node:timers/promises'
import type { GuessCount } from '../policy/rate.ts'
import type { SharedChanges, SharedGuesses } from '../policy/sharing.ts'
import type { Border } from './border.ts'

const ROWS_AT_ONCE = 100
const READ_AT_ONCE = 500
const DELETED_AT_ONCE = 500
/** A transaction that began before the last reading may be seen after it. */
const OVERLAP_MS = 5000
/** Longer than anything counts. */
const KEPT_MS = 2 * 60 * 60 * 1000
/** Of a row that says that a scope was cleared. */
const CLEARED = { slot: -1, node: '', count: 0 } as const
const SCOPE_LENGTH = 330

export class StoredGuesses implements SharedGuesses {
  readonly #border: Border

  constructor(border: Border) {
    this.#border = border
  }

  async write(node: string, counts: readonly GuessCount[]): Promise<void> {
    if (counts.length === 0) return
    await this.#border.write(async (trx) => {
      for (let start = 0; start < counts.length; start += ROWS_AT_ONCE) {
        const part = counts.slice(start, start + ROWS_AT_ONCE)
        await this.#upsert(
          trx,
          part.map((each) => ({ ...each, node })),
        )
        await setImmediate()
      }
    })
  }

  /** The database's own clock says what is new: those of the nodes may differ. */
  async read(node: string, sinceMs: number): Promise<SharedChanges> {
    const { dialect } = this.#border
    const counts: SharedChanges['counts'][number][] = []
    const cleared: SharedChanges['cleared'][number][] = []
    let latestMs = sinceMs
    let after: { changedMs: number; scope: string; slot: number; node: string } | undefined
    const fromMs = sinceMs === 0 ? dialect.nowMs() : sql<number>`${sinceMs}`
    const backMs = sinceMs === 0 ? KEPT_MS : OVERLAP_MS
    for (;;) {
      const rows = await this.#border.read((db) => {
        let query = db
          .selectFrom('mailpassd_guess')
          .select(['scope', 'slot', 'node', 'count', 'changed_ms'])
          .where('changed_ms', '>=', sql<number>`${fromMs} - ${sql.lit(backMs)}`)
        if (after !== undefined)
          query = query
            .where('changed_ms', '>=', after.changedMs)
            .where(
              sql<boolean>`(changed_ms, scope, slot, node) > (${after.changedMs}, ${after.scope}, ${after.slot}, ${after.node})`,
            )
        return query
          .orderBy('changed_ms')
          .orderBy('scope')
          .orderBy('slot')
          .orderBy('node')
          .limit(READ_AT_ONCE)
          .execute()
      })
      for (const row of rows) {
        const [slot, changedMs] = [Number(row.slot), Number(row.changed_ms)]
        latestMs = Math.max(latestMs, changedMs)
        if (slot < 0) cleared.push({ scope: row.scope, token: String(changedMs) })
        else if (row.node !== node) counts.push({ scope: row.scope, slot, node: row.node, count: row.count })
        after = { changedMs, scope: row.scope, slot, node: row.node }
      }
      if (rows.length < READ_AT_ONCE) return { counts, cleared, nextMs: latestMs }
      await setImmediate()
    }
  }

  async clear(scopes: readonly string[]): Promise<void> {
    await this.#border.write(async (trx) => {
      for (const scope of scopes) {
        await trx.deleteFrom('mailpassd_guess').where('scope', '=', scope).execute()
        await this.#upsert(trx, [{ scope, ...CLEARED }])
      }
    })
  }

  async prune(): Promise<void> {
    const { dialect } = this.#border
    for (;;) {
      const deleted = await this.#border.write((trx) =>
        dialect.deleteSome(
          trx,
          'mailpassd_guess',
          sql`changed_ms < ${dialect.nowMs()} - ${sql.lit(KEPT_MS)}`,
          DELETED_AT_ONCE,
        ),
      )
      if (deleted < DELETED_AT_ONCE) return
      await setImmediate()
    }
  }

  async #upsert(
    trx: Parameters<Parameters<Border['write']>[0]>[0],
    rows: readonly { scope: string; slot: number; node: string; count: number }[],
  ): Promise<void> {
    const { dialect } = this.#border
    await trx
      .insertInto('mailpassd_guess')
      .values(
        rows.map(({ scope, slot, node, count }) => ({
          scope: scope.slice(0, SCOPE_LENGTH),
          slot,
          node,
          count,
          changed_ms: dialect.nowMs(),
        })),
      )
      .modifyEnd(
        dialect.onDuplicate(
          ['scope', 'slot', 'node'],
          ['count', 'changed_ms'].map((column) => sql`${sql.ref(column)} = ${dialect.incoming(column)}`),
        ),
      )
      .execute()
  }
}
