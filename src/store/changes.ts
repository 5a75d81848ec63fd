/**
 * The change table: a row for each change of ours, written in the transaction that made it and read by every node
 * every second, so that what one node did counts on all.
 */
import { sql } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Border } from './border.ts'
import type { Writer } from './dialect/dialect.ts'

/** `mailbox`: `address` is one. `domain`: `address` is the domain's name. */
export type ChangeKind = 'mailbox' | 'domain'

export interface StoreChange {
  readonly id: number
  readonly address: string
  readonly kind: ChangeKind
}

/** Changes read at once; a reader that is further behind calls again. */
const MAX_READ = 1000
/** Nodes read every second; who was away for longer starts with nothing in memory that could be old. */
export const KEPT_MS = 60 * 60 * 1000
/** Rows of one delete, so that it stays short. */
const PRUNED_AT_ONCE = 500
/** Ids that were passed over are looked for this long: a transaction that holds one commits or is gone by then. */
const GAP_MS = 30_000
const MAX_GAPS = 1000

/** Adds a change to the transaction that makes it. */
export async function writeChangeRow(
  trx: Writer,
  change: { readonly address: string; readonly kind: ChangeKind; readonly atMs: number },
): Promise<void> {
  await trx
    .insertInto('mailpassd_change')
    .values({ address: change.address, kind: change.kind, at_ms: change.atMs })
    .execute()
}

export class Changes {
  readonly #border: Border
  readonly #clock: Clock
  /** Id -> when it was first passed over, on the monotonic clock. */
  readonly #gaps = new Map<number, number>()

  constructor(border: Border, clock: Clock) {
    this.#border = border
    this.#clock = clock
  }

  /** The greatest id so far, 0 where there is none: where a node that starts begins to read. */
  async lastChangeId(): Promise<number> {
    return this.#border.read(async (db) => {
      const row = await db
        .selectFrom('mailpassd_change')
        .select((eb) => eb.fn.max<number | string | null>('id').as('id'))
        .executeTakeFirst()
      return Number(row?.id ?? 0)
    })
  }

  /**
   * Up to 1000 changes after `afterId`, by id. Ids are given out before their transactions commit, so a smaller one
   * may appear after a greater one was read: such a late one is among the result too. The next call's `afterId`
   * is the greatest id ever read.
   */
  async readChanges(afterId: number): Promise<readonly StoreChange[]> {
    const gaps = this.#openGaps()
    const rows = await this.#border.read((db) =>
      db
        .selectFrom('mailpassd_change')
        .select(['id', 'address', 'kind'])
        .where((eb) => {
          const isNew = eb('id', '>', afterId)
          return gaps.length === 0 ? isNew : eb.or([isNew, eb('id', 'in', gaps)])
        })
        .orderBy('id')
        .limit(MAX_READ)
        .execute(),
    )
    const changes = rows.map((row): StoreChange => ({
      id: Number(row.id),
      address: row.address,
      kind: row.kind === 'domain' ? 'domain' : 'mailbox',
    }))
    this.#rememberGaps(afterId, changes)
    return changes
  }

  /** Deletes changes older than an hour; gives how many. */
  async pruneChanges(): Promise<number> {
    const beforeMs = this.#clock.nowMs() - KEPT_MS
    let pruned = 0
    for (;;) {
      const deleted = await this.#border.write((trx) =>
        this.#border.dialect.deleteSome(trx, 'mailpassd_change', sql`at_ms < ${beforeMs}`, PRUNED_AT_ONCE),
      )
      pruned += deleted
      if (deleted < PRUNED_AT_ONCE) return pruned
    }
  }

  #openGaps(): readonly number[] {
    const sinceMs = this.#clock.monotonicMs() - GAP_MS
    for (const [id, seenMs] of this.#gaps) if (seenMs < sinceMs) this.#gaps.delete(id)
    return [...this.#gaps.keys()]
  }

  #rememberGaps(afterId: number, changes: readonly StoreChange[]): void {
    const nowMs = this.#clock.monotonicMs()
    let expected = afterId + 1
    for (const { id } of changes) {
      this.#gaps.delete(id)
      // Galera gives out every n-th id only; those never used cost a place until they are too old.
      for (let missing = Math.max(expected, id - MAX_GAPS); missing < id; missing++)
        this.#gaps.set(missing, nowMs)
      if (id >= expected) expected = id + 1
    }
    while (this.#gaps.size > MAX_GAPS) {
      const oldest = this.#gaps.keys().next()
      if (oldest.done === true) return
      this.#gaps.delete(oldest.value)
    }
  }
}
