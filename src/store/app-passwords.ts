/** App passwords: mailcow's rows, which its PHP and its web interface take for their own, and ours beside them. */
import { sql } from 'kysely'
import type { AppPasswordRows, ListedAppPassword, NewAppPassword } from '../credential/app-passwords.ts'
import type { SweptAppPassword, SweptRows } from '../credential/app-password-sweep.ts'
import type { Clock } from '../clock.ts'
import { MailpassdError } from '../errors.ts'
import type { Address } from '../login/address.ts'
import type { FlaggedService } from '../login/service.ts'
import type { SessionEnding } from '../outbox/end-sessions.ts'
import { MAX_APP_PASSWORDS } from './account-query.ts'
import { listedOf, LISTED_COLUMNS } from './app-password-row.ts'
import type { Border } from './border.ts'
import { writeChangeRow } from './changes.ts'
import type { Reader, Writer } from './dialect/dialect.ts'
import { endSessions } from './sessions.ts'

/** Of ours, per mailbox: devices of one person. */
export const MAX_ACTIVE = 200
/** Of ours that are revoked, expired or off, which are kept to tell why they are refused. */
export const MAX_ENDED = 100

export class AppPasswords implements AppPasswordRows, SweptRows {
  readonly #border: Border
  readonly #ending: SessionEnding
  readonly #clock: Clock

  constructor(border: Border, ending: SessionEnding, clock: Clock) {
    this.#border = border
    this.#ending = ending
    this.#clock = clock
  }

  async create(address: Address, made: NewAppPassword): Promise<ListedAppPassword | 'tag_taken'> {
    const { dialect } = this.#border
    return this.#border.write(async (trx) => {
      await dialect.lockDomain(trx, address.domain)
      const directoryId = await lookupOwner(trx, address)
      const ours = (await select(trx, address)).filter(({ own }) => own !== undefined)
      if (ours.some(({ own }) => own?.tag === made.tag)) return 'tag_taken'
      const ended = ours.filter(({ active }) => !active)
      if (ours.length - ended.length >= MAX_ACTIVE) {
        throw new MailpassdError(
          'limit_reached',
          `${address.full} has ${MAX_ACTIVE} app passwords already; revoke those that are not needed`,
        )
      }
      // Newest first: the oldest go.
      await remove(
        trx,
        ended.slice(MAX_ENDED - 1).map(({ id }) => id),
      )
      const nowMs = this.#clock.nowMs()
      const id = await insert(trx, address, made, { directoryId, nowMs })
      await writeChangeRow(trx, { address: address.full, kind: 'mailbox', atMs: nowMs })
      return getOne(trx, address, id)
    })
  }

  async list(address: Address): Promise<readonly ListedAppPassword[]> {
    return this.#border.read(async (db) => {
      await lookupOwner(db, address)
      return select(db, address)
    })
  }

  async revoke(address: Address, id: number): Promise<ListedAppPassword> {
    const { dialect } = this.#border
    return this.#border.write(async (trx) => {
      await dialect.lockDomain(trx, address.domain)
      await lookupOwner(trx, address)
      const { active, own } = await getOne(trx, address, id)
      if (!active && (own === undefined || own.revokedMs !== undefined)) return getOne(trx, address, id)
      const nowMs = this.#clock.nowMs()
      await trx.updateTable('app_passwd').set({ active: 0 }).where('id', '=', id).execute()
      if (own !== undefined)
        await trx
          .updateTable('mailpassd_app_password')
          .set({ revoked_ms: own.revokedMs ?? nowMs })
          .where('id', '=', id)
          .execute()
      await writeChangeRow(trx, { address: address.full, kind: 'mailbox', atMs: nowMs })
      // Of all devices: Dovecot does not know with which password a session began. The others log in again.
      if (active)
        await endSessions(trx, { address: address.full, cause: 'app_password_revoked', nowMs }, this.#ending)
      return getOne(trx, address, id)
    })
  }

  /** Mailboxes whose active app passwords of others are more than `most`, with their number; at most 100. */
  async crowded(most: number): Promise<readonly { readonly mailbox: string; readonly count: number }[]> {
    const rows = await this.#border.read((db) =>
      db
        .selectFrom('app_passwd as p')
        .leftJoin('mailpassd_app_password as op', (join) =>
          join.onRef('op.id', '=', 'p.id').onRef('op.hash', '=', 'p.password'),
        )
        .select((eb) => ['p.mailbox as mailbox', eb.fn.countAll<number | string>().as('count')])
        .where('p.active', '=', 1)
        .where('op.id', 'is', null)
        .groupBy('p.mailbox')
        .having((eb) => eb(eb.fn.countAll(), '>', most))
        .orderBy('p.mailbox')
        .limit(100)
        .execute(),
    )
    return rows.map(({ mailbox, count }) => ({ mailbox, count: Number(count) }))
  }

  async sweep(
    afterId: number,
    limit: number,
    hasEnded: (row: SweptAppPassword) => boolean,
  ): Promise<{ readonly lastId: number | undefined; readonly ended: number }> {
    const rows = await this.#border.read((db) => sweptRows(db, afterId, limit))
    const isDue = (row: SweptRow) => row.gone || (row.active && hasEnded(row))
    const due = rows.filter(isDue)
    const lastId = rows.length < limit ? undefined : rows.at(-1)?.id
    if (due.length === 0) return { lastId, ended: 0 }
    const ended = await this.#border.write(async (trx) => {
      // Looked at again: a login may have used it meanwhile, another node may have done it.
      const ids = new Set(due.map(({ id }) => id))
      const still = (await sweptRows(trx, afterId, limit)).filter((row) => ids.has(row.id) && isDue(row))
      const gone = still.filter((row) => row.gone).map(({ id }) => id)
      const over = still.filter((row) => !row.gone)
      if (gone.length > 0) await trx.deleteFrom('mailpassd_app_password').where('id', 'in', gone).execute()
      // What a transaction read is older than another node's commit: who changes the row is who counts it.
      const ended: typeof over = []
      for (const row of over) {
        const updated = await trx
          .updateTable('app_passwd')
          .set({ active: 0 })
          .where('id', '=', row.id)
          .where('active', '=', 1)
          .executeTakeFirst()
        if (updated.numUpdatedRows > 0n) ended.push(row)
      }
      const atMs = this.#clock.nowMs()
      for (const address of new Set(ended.map(({ mailbox }) => mailbox)))
        await writeChangeRow(trx, { address, kind: 'mailbox', atMs })
      return ended.length
    })
    return { lastId, ended }
  }

  async sweepUses(afterId: number, limit: number): Promise<number | undefined> {
    const rows = await this.#border.read((db) =>
      db
        .selectFrom('mailpassd_app_password_use as u')
        .leftJoin('app_passwd as p', 'p.id', 'u.id')
        .select(['u.id as id', 'p.id as row_id'])
        .where('u.id', '>', afterId)
        .orderBy('u.id')
        .limit(limit)
        .execute(),
    )
    const gone = rows.filter((row) => row.row_id === null).map(({ id }) => id)
    if (gone.length > 0)
      await this.#border.write((trx) =>
        trx.deleteFrom('mailpassd_app_password_use').where('id', 'in', gone).execute(),
      )
    return rows.length < limit ? undefined : rows.at(-1)?.id
  }
}

interface SweptRow extends SweptAppPassword {
  readonly id: number
  readonly mailbox: string
  readonly active: boolean
  /** mailcow's row is no more, or has another password. A row of another name is not: its mailbox was renamed. */
  readonly gone: boolean
}

async function sweptRows(db: Reader, afterId: number, limit: number): Promise<readonly SweptRow[]> {
  const rows = await db
    .selectFrom('mailpassd_app_password as op')
    .leftJoin('app_passwd as p', 'p.id', 'op.id')
    .leftJoin('mailpassd_app_password_use as u', 'u.id', 'op.id')
    .select(['op.id as id', 'op.hash as hash', 'op.created_ms as created_ms'])
    .select(['op.expires_ms as expires_ms', 'op.unused_days as unused_days', 'op.revoked_ms as revoked_ms'])
    .select(['p.password as password', 'p.mailbox as row_mailbox', 'p.active as active'])
    .select('u.last_ms as last_ms')
    .where('op.id', '>', afterId)
    .orderBy('op.id')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    id: row.id,
    mailbox: row.row_mailbox ?? '',
    active: row.active === 1,
    gone: row.password !== row.hash,
    createdMs: Number(row.created_ms),
    expiresMs: row.expires_ms === null ? undefined : Number(row.expires_ms),
    unusedDays: row.unused_days ?? undefined,
    revokedMs: row.revoked_ms === null ? undefined : Number(row.revoked_ms),
    lastUsedMs: row.last_ms === null ? undefined : Number(row.last_ms),
  }))
}

/** The directory user the mailbox belongs to, undefined for none. Throws MailpassdError not_found: no such mailbox. */
async function lookupOwner(db: Reader, { full }: Address): Promise<string | undefined> {
  const row = await db
    .selectFrom('mailbox as m')
    .leftJoin('mailpassd_mailbox as om', (join) => join.on('om.username', '=', full))
    .select(['m.username as username', 'om.username as own_username', 'om.directory_id as directory_id'])
    .where('m.username', '=', full)
    .executeTakeFirst()
  if (row?.username !== full)
    throw new MailpassdError('not_found', `there is no mailbox ${full}; it is made on the first good login`)
  return row.own_username === full ? (row.directory_id ?? undefined) : undefined
}

async function select(db: Reader, { full }: Address): Promise<readonly ListedAppPassword[]> {
  const rows = await listed(db, full)
    // Ours first: there are few of them.
    .orderBy(sql`op.id is null`)
    .orderBy('p.id', 'desc')
    .limit(MAX_APP_PASSWORDS)
    .execute()
  return rows.flatMap((row) => listedOf(row, full))
}

async function getOne(db: Reader, { full }: Address, id: number): Promise<ListedAppPassword> {
  const rows = await listed(db, full).where('p.id', '=', id).execute()
  const [found] = rows.flatMap((row) => listedOf(row, full))
  if (found !== undefined) return found
  throw new MailpassdError('not_found', `${full} has no app password with the id ${id}`)
}

function listed(db: Reader, full: string) {
  return db
    .selectFrom('app_passwd as p')
    .leftJoin('mailpassd_app_password as op', 'op.id', 'p.id')
    .leftJoin('mailpassd_app_password_use as u', 'u.id', 'p.id')
    .select(LISTED_COLUMNS)
    .where('p.mailbox', '=', full)
}

async function insert(
  trx: Writer,
  address: Address,
  made: NewAppPassword,
  bound: { readonly directoryId: string | undefined; readonly nowMs: number },
): Promise<number> {
  const flag = (service: FlaggedService) => (made.services.includes(service) ? 1 : 0)
  const inserted = await trx
    .insertInto('app_passwd')
    .values({
      name: made.name,
      mailbox: address.full,
      domain: address.domain,
      password: made.hash,
      imap_access: flag('imap'),
      pop3_access: flag('pop3'),
      smtp_access: flag('smtp'),
      sieve_access: flag('sieve'),
      eas_access: flag('eas'),
      dav_access: flag('dav'),
      active: 1,
    })
    .executeTakeFirst()
  const id = Number(inserted.insertId ?? 0)
  // Of an id that is given out again, after a backup was restored, nothing old may count.
  await removeOwn(trx, [id])
  await trx
    .insertInto('mailpassd_app_password')
    .values({
      id,
      mailbox: address.full,
      hash: made.hash,
      tag: made.tag,
      directory_id: bound.directoryId ?? null,
      networks: JSON.stringify(made.networks),
      expires_ms: made.expiresMs ?? null,
      unused_days: made.unusedDays ?? null,
      created_ms: bound.nowMs,
      revoked_ms: null,
    })
    .execute()
  return id
}

async function remove(trx: Writer, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return
  await trx.deleteFrom('app_passwd').where('id', 'in', ids).execute()
  await removeOwn(trx, ids)
}

async function removeOwn(trx: Writer, ids: readonly number[]): Promise<void> {
  await trx.deleteFrom('mailpassd_app_password').where('id', 'in', ids).execute()
  await trx.deleteFrom('mailpassd_app_password_use').where('id', 'in', ids).execute()
}
