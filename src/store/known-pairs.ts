/** Pairs of mailbox and network with a right password in the last 30 days, and where they are found at the first start. */
import { sql } from 'kysely'
import { setImmediate } from 'node:timers/promises'
import type { SeenPair } from '../policy/known-pair-memory.ts'
import type { KnownPairStore, SeenAddress } from '../policy/pair-sharing.ts'
import type { Border } from './border.ts'

const ROWS_AT_ONCE = 100
/** 2 us a row on SQLite, on the calling thread. */
const READ_AT_ONCE = 500
const DELETED_AT_ONCE = 500
const OVERLAP_MS = 5000
const KEPT_MS = 31 * 24 * 60 * 60 * 1000
/** A pair that no login has: what was known before there was this table has been taken over. */
const TAKEN_OVER = { mailbox: '', network: 'taken over' } as const

export class StoredKnownPairs implements KnownPairStore {
  readonly #border: Border

  constructor(border: Border) {
    this.#border = border
  }

  async load(after: SeenPair | undefined): Promise<readonly SeenPair[]> {
    const { mailbox, network } = after ?? { mailbox: '', network: '' }
    const rows = await this.#border.read((db) =>
      db
        .selectFrom('mailpassd_known_pair')
        .select(['mailbox', 'network', 'last_ms'])
        .where('mailbox', '>=', mailbox)
        .where(sql<boolean>`(mailbox, network) > (${mailbox}, ${network})`)
        .where('mailbox', '<>', '')
        .orderBy('mailbox')
        .orderBy('network')
        .limit(READ_AT_ONCE)
        .execute(),
    )
    return rows.map(pairOf)
  }

  async changedSince(
    sinceMs: number,
  ): Promise<{ readonly pairs: readonly SeenPair[]; readonly nextMs: number }> {
    const pairs: SeenPair[] = []
    let nextMs = sinceMs
    let after: { changedMs: number; mailbox: string; network: string } | undefined
    // To the end: of more than fit into one page within the overlap, the next reading would get the same page again.
    for (;;) {
      const rows = await this.#border.read((db) => {
        let query = db
          .selectFrom('mailpassd_known_pair')
          .select(['mailbox', 'network', 'last_ms', 'changed_ms'])
          .where('changed_ms', '>=', after?.changedMs ?? sinceMs - OVERLAP_MS)
        if (after !== undefined)
          query = query.where(
            sql<boolean>`(changed_ms, mailbox, network) > (${after.changedMs}, ${after.mailbox}, ${after.network})`,
          )
        return query.orderBy('changed_ms').orderBy('mailbox').orderBy('network').limit(READ_AT_ONCE).execute()
      })
      for (const row of rows) {
        const changedMs = Number(row.changed_ms)
        nextMs = Math.max(nextMs, changedMs)
        if (row.mailbox !== '') pairs.push(pairOf(row))
        after = { changedMs, mailbox: row.mailbox, network: row.network }
      }
      if (rows.length < READ_AT_ONCE) return { pairs, nextMs }
      await setImmediate()
    }
  }

  async nowMs(): Promise<number> {
    const rows = await this.#border.read((db) =>
      sql<{ now: number | string }>`select ${this.#border.dialect.nowMs()} as now`.execute(db),
    )
    return Number(rows.rows[0]?.now ?? 0)
  }

  async write(pairs: readonly SeenPair[]): Promise<void> {
    if (pairs.length === 0) return
    const { dialect } = this.#border
    const column = (name: string) => sql.ref(`mailpassd_known_pair.${name}`)
    await this.#border.write(async (trx) => {
      for (let start = 0; start < pairs.length; start += ROWS_AT_ONCE) {
        await trx
          .insertInto('mailpassd_known_pair')
          .values(
            pairs.slice(start, start + ROWS_AT_ONCE).map(({ mailbox, network, atMs }) => ({
              mailbox,
              network,
              last_ms: atMs,
              changed_ms: dialect.nowMs(),
            })),
          )
          .modifyEnd(
            dialect.onDuplicate(
              ['mailbox', 'network'],
              [
                sql`last_ms = ${dialect.greatest(column('last_ms'), dialect.incoming('last_ms'))}`,
                sql`changed_ms = ${dialect.incoming('changed_ms')}`,
              ],
            ),
          )
          .execute()
        await setImmediate()
      }
    })
  }

  async prune(): Promise<void> {
    const { dialect } = this.#border
    for (;;) {
      const deleted = await this.#border.write((trx) =>
        dialect.deleteSome(
          trx,
          'mailpassd_known_pair',
          sql`changed_ms < ${dialect.nowMs()} - ${sql.lit(KEPT_MS)} and mailbox <> ''`,
          DELETED_AT_ONCE,
        ),
      )
      if (deleted < DELETED_AT_ONCE) return
      await setImmediate()
    }
  }

  async isTakenOver(): Promise<boolean> {
    const row = await this.#border.read((db) =>
      db
        .selectFrom('mailpassd_known_pair')
        .select('last_ms')
        .where('mailbox', '=', TAKEN_OVER.mailbox)
        .where('network', '=', TAKEN_OVER.network)
        .executeTakeFirst(),
    )
    return row !== undefined
  }

  async markTakenOver(): Promise<void> {
    await this.write([{ ...TAKEN_OVER, atMs: 0 }])
  }

  /** mailcow's sasl_log, where good logins of the time before this daemon stand. By its key, from `after` on. */
  async readSaslLog(after: SeenAddress | undefined): Promise<readonly SeenAddress[]> {
    const { dialect } = this.#border
    const { service, remoteIp, mailbox } = after ?? { service: '', remoteIp: '', mailbox: '' }
    const rows = await this.#border.read((db) =>
      db
        .selectFrom('sasl_log')
        .select(['service', 'real_rip', 'username'])
        .select(dialect.epochMs('datetime').as('at'))
        .where('service', '>=', service)
        .where(sql<boolean>`(service, real_rip, username) > (${service}, ${remoteIp}, ${mailbox})`)
        .orderBy('service')
        .orderBy('real_rip')
        .orderBy('username')
        .limit(READ_AT_ONCE)
        .execute(),
    )
    return rows.map((row) => ({
      service: row.service,
      remoteIp: row.real_rip,
      mailbox: row.username,
      atMs: Number(row.at),
    }))
  }
}

function pairOf(row: { mailbox: string; network: string; last_ms: number | string }): SeenPair {
  return { mailbox: row.mailbox, network: row.network, atMs: Number(row.last_ms) }
}
