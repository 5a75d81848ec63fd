/** The store as the login log needs it: mailcow's sasl_log and our own merged log. */
import { sql } from 'kysely'
import { setImmediate } from 'node:timers/promises'
import type {
  AppPasswordUse,
  LoginLogEntry,
  LoginLogSource,
  LoginLogWriter,
  LoginRange,
  SaslLogEntry,
} from '../login-log/event.ts'
import type { Border } from './border.ts'

/** Rows of one statement: on SQLite it holds the event loop (30 us a row), on MariaDB it is one packet. */
const ROWS_AT_ONCE = 100
const DELETED_AT_ONCE = 500
/** 2 us a row on SQLite, which reads on the calling thread. */
const READ_AT_ONCE = 500

/** Widths of mailcow's columns; strict mode refuses what is longer. */
const SERVICE_LENGTH = 32
const IP_LENGTH = 64
const NAME_LENGTH = 255
/** Widths of our own (migrations/002-own-tables.ts). */
const WORD_LENGTH = 64
const USE_SERVICE_LENGTH = 16

/** What tells one row from another, in the order of the indexes that reading goes by. */
const ORDER = ['last_ms', 'hour_ms', 'mailbox', 'network', 'service', 'credential', 'verdict', 'why'] as const

export class LoginLogs implements LoginLogWriter, LoginLogSource {
  readonly #border: Border

  constructor(border: Border) {
    this.#border = border
  }

  /** The last good login by (service, ip, mailbox); the last entry of a key wins. All are written or none. */
  async writeSaslLog(entries: readonly SaslLogEntry[]): Promise<void> {
    if (entries.length === 0) return
    const { dialect } = this.#border
    await this.#border.write(async (trx) => {
      for (const part of inParts(entries)) {
        await trx
          .replaceInto('sasl_log')
          .values(
            part.map((entry) => ({
              service: entry.service.slice(0, SERVICE_LENGTH),
              app_password: entry.appPasswordId,
              username: entry.mailbox.slice(0, NAME_LENGTH),
              real_rip: entry.remoteIp.slice(0, IP_LENGTH),
              datetime: dialect.dateTime(entry.atMs),
            })),
          )
          .execute()
        await setImmediate()
      }
    })
  }

  /** The latest use stays, whichever node writes last. All are written or none. */
  async writeAppPasswordUses(uses: readonly AppPasswordUse[]): Promise<void> {
    if (uses.length === 0) return
    const { dialect } = this.#border
    const column = (name: string) => sql.ref(`mailpassd_app_password_use.${name}`)
    const isLater = sql`${dialect.incoming('last_ms')} >= ${column('last_ms')}`
    const ofLater = (name: string) =>
      sql`${sql.ref(name)} = case when ${isLater} then ${dialect.incoming(name)} else ${column(name)} end`
    // last_ms is the last: MariaDB sets from left to right and compares with what is set already.
    const merge = dialect.onDuplicate(
      ['id'],
      ['mailbox', 'last_service', 'last_network', 'last_ms'].map(ofLater),
    )
    await this.#border.write(async (trx) => {
      for (const part of inParts(uses)) {
        await trx
          .insertInto('mailpassd_app_password_use')
          .values(
            part.map((use) => ({
              id: use.id,
              mailbox: use.mailbox.slice(0, NAME_LENGTH),
              last_ms: use.atMs,
              last_service: use.service.slice(0, USE_SERVICE_LENGTH),
              last_network: use.network.slice(0, WORD_LENGTH),
            })),
          )
          .modifyEnd(merge)
          .execute()
        await setImmediate()
      }
    })
  }

  /** Adds to what is there under the same key: counts add up, the last time is the latest. All or none. */
  async writeLogins(entries: readonly LoginLogEntry[]): Promise<void> {
    if (entries.length === 0) return
    const { dialect } = this.#border
    const ref = (column: string) => sql.ref(`mailpassd_login.${column}`)
    const merge = dialect.onDuplicate(
      ['hour_ms', 'mailbox', 'network', 'service', 'credential', 'verdict', 'why'],
      [
        sql`count = ${ref('count')} + ${dialect.incoming('count')}`,
        sql`first_ms = ${dialect.least(ref('first_ms'), dialect.incoming('first_ms'))}`,
        sql`last_ms = ${dialect.greatest(ref('last_ms'), dialect.incoming('last_ms'))}`,
      ],
    )
    await this.#border.write(async (trx) => {
      for (const part of inParts(entries)) {
        await trx
          .insertInto('mailpassd_login')
          .values(
            part.map((entry) => ({
              hour_ms: entry.hourMs,
              mailbox: entry.mailbox.slice(0, NAME_LENGTH),
              network: entry.network.slice(0, WORD_LENGTH),
              service: entry.service.slice(0, WORD_LENGTH),
              credential: entry.credential.slice(0, WORD_LENGTH),
              verdict: entry.verdict.slice(0, WORD_LENGTH),
              why: entry.why.slice(0, WORD_LENGTH),
              first_ms: entry.firstMs,
              last_ms: entry.lastMs,
              count: entry.count,
            })),
          )
          .modifyEnd(merge)
          .execute()
        await setImmediate()
      }
    })
  }

  async readLogins(range: LoginRange): Promise<readonly LoginLogEntry[]> {
    const { mailbox, network, sinceMs, beforeMs, after } = range
    const rows = await this.#border.read((db) => {
      let query = db.selectFrom('mailpassd_login').select([...ORDER, 'first_ms', 'count'])
      if (mailbox !== undefined) query = query.where('mailbox', '=', mailbox)
      if (network !== undefined) query = query.where('network', '=', network)
      if (sinceMs !== undefined) query = query.where('last_ms', '>=', sinceMs)
      if (beforeMs !== undefined) query = query.where('last_ms', '<', beforeMs)
      // The time by itself, too: MariaDB takes no range of an index from a comparison of rows.
      if (after !== undefined) query = query.where('last_ms', '<=', after.lastMs).where(isBehind(after))
      // A column that is the same in all rows would keep MariaDB from reading an index in its order: with 100,000 rows
      // of one mailbox that is 600 ms in place of 1.
      const fixed = mailbox !== undefined ? 'mailbox' : network !== undefined ? 'network' : undefined
      for (const column of ORDER) if (column !== fixed) query = query.orderBy(column, 'desc')
      return query.limit(Math.min(range.limit, READ_AT_ONCE)).execute()
    })
    return rows.map((row) => ({
      mailbox: row.mailbox,
      network: row.network,
      service: row.service,
      credential: row.credential,
      verdict: row.verdict,
      why: row.why,
      hourMs: Number(row.hour_ms),
      firstMs: Number(row.first_ms),
      lastMs: Number(row.last_ms),
      count: Number(row.count),
    }))
  }

  /** Deletes what was last seen before `atMs`; gives how many rows. */
  async deleteLoginsBefore(atMs: number): Promise<number> {
    let deleted = 0
    for (;;) {
      // hour_ms leads the primary key: the second condition only looks at the hour that atMs is in.
      const rows = await this.#border.write((trx) =>
        this.#border.dialect.deleteSome(
          trx,
          'mailpassd_login',
          sql`hour_ms < ${atMs} and last_ms < ${atMs}`,
          DELETED_AT_ONCE,
        ),
      )
      deleted += rows
      if (rows < DELETED_AT_ONCE) return deleted
      await setImmediate()
    }
  }
}

function isBehind(row: LoginLogEntry) {
  const columns = sql.join(ORDER.map((column) => sql.ref(column)))
  const { lastMs, hourMs, mailbox, network, service, credential, verdict, why } = row
  const values = sql.join([lastMs, hourMs, mailbox, network, service, credential, verdict, why])
  return sql<boolean>`(${columns}) < (${values})`
}

function inParts<T>(entries: readonly T[]): readonly (readonly T[])[] {
  const parts: (readonly T[])[] = []
  for (let start = 0; start < entries.length; start += ROWS_AT_ONCE)
    parts.push(entries.slice(start, start + ROWS_AT_ONCE))
  return parts
}
