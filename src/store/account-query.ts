/**
 * The statements behind one account. A known mailbox without app passwords costs one: single-row joins by primary
 * key. They are compiled once; a look-up only puts its address and domain in.
 */
import { sql, type CompiledQuery, type Kysely } from 'kysely'
import { MAX_UNTAGGED } from '../account/stored.ts'
import { APP_PASSWORD_COLUMNS } from './app-password-row.ts'
import type { Tables } from './tables.ts'

/** App passwords that are listed per mailbox; newest first. */
export const MAX_APP_PASSWORDS = 1000
/** Templates that are looked at, oldest first. */
export const MAX_TEMPLATES = 1000

/** Stand-ins in the compiled statements; neither is a possible address (control characters). */
const ADDRESS = '\u0001address'
const DOMAIN = '\u0001domain'

export type AddressedQuery<Row> = (address: {
  readonly full: string
  readonly domain: string
}) => CompiledQuery<Row>

function addressed<Row>(compiled: CompiledQuery<Row>): AddressedQuery<Row> {
  return ({ full, domain }) => ({
    ...compiled,
    parameters: compiled.parameters.map((value) => {
      if (value === ADDRESS) return full
      return value === DOMAIN ? domain : value
    }),
  })
}

/**
 * Everything of one address but its app passwords and the facts of making it: always one row. Keys come with the
 * rows, because the database's collation finds more than was asked for.
 * `hasTfa`: the table exists (mailcow's schema only).
 */
export function accountQuery(db: Kysely<Tables>, hasTfa: boolean) {
  const tfa = db
    .selectFrom('tfa')
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .where('username', '=', ADDRESS)
    .where('active', '=', 1)
  return addressed(
    db
      .selectFrom(sql<{ one: number }>`(select 1 as one)`.as('one'))
      .leftJoin('domain as d', (join) => join.on('d.domain', '=', DOMAIN))
      .leftJoin('mailpassd_domain as od', (join) => join.on('od.domain', '=', DOMAIN))
      .leftJoin('alias_domain as ad', (join) => join.on('ad.alias_domain', '=', DOMAIN))
      .leftJoin('mailbox as m', (join) => join.on('m.username', '=', ADDRESS))
      .leftJoin('mailpassd_mailbox as om', (join) => join.on('om.username', '=', ADDRESS))
      .leftJoin('mailpassd_lock as lk', (join) => join.on('lk.username', '=', ADDRESS))
      .leftJoin('alias as a', (join) => join.on('a.address', '=', ADDRESS))
      .leftJoin('quota2 as q', (join) => join.on('q.username', '=', ADDRESS))
      .leftJoin('quota2replica as qr', (join) => join.on('qr.username', '=', ADDRESS))
      .leftJoin('user_acl as ua', (join) => join.on('ua.username', '=', ADDRESS))
      .select([
        'd.domain as domain_key',
        'd.active as domain_active',
        'd.mailboxes as domain_mailboxes',
        'd.maxquota as domain_maxquota',
        'd.quota as domain_quota',
        'od.domain as own_domain_key',
        'od.autojoin as autojoin',
        'od.template as domain_template',
        'ad.alias_domain as alias_domain_key',
        'ad.target_domain as target_domain',
        'ad.active as alias_domain_active',
        'm.username as mailbox_key',
        'm.password as password',
        'm.name as name',
        'm.mailbox_path_prefix as path_prefix',
        'm.quota as quota',
        'm.attributes as attributes',
        'm.kind as kind',
        'm.authsource as authsource',
        'm.active as active',
        'om.username as own_mailbox_key',
        'om.directory_id as directory_id',
        'lk.username as lock_key',
        'lk.until_ms as lock_until_ms',
        'a.address as alias_key',
        'q.username as quota2_key',
        'qr.username as quota2replica_key',
        'ua.username as user_acl_key',
      ])
      .select((eb) => [
        eb
          .selectFrom('app_passwd as p')
          .select((inner) => inner.fn.countAll<number | string>().as('count'))
          .where('p.mailbox', '=', ADDRESS)
          .as('app_passwords'),
        (hasTfa ? sql<number | string>`(${tfa})` : sql<number | string>`0`).as('tfa'),
      ])
      .compile(),
  )
}

/**
 * All of ours, also those that are not active: they are compared to tell why they are refused. By id alone: mailcow
 * renames mailboxes. A row whose password was replaced is among them; the reader of rows finds out.
 */
export function ownAppPasswordQuery(db: Kysely<Tables>) {
  return addressed(
    db
      .selectFrom('app_passwd as p')
      .innerJoin('mailpassd_app_password as op', 'op.id', 'p.id')
      .leftJoin('mailpassd_app_password_use as u', 'u.id', 'p.id')
      .select(APP_PASSWORD_COLUMNS)
      .where('p.mailbox', '=', ADDRESS)
      .orderBy('p.id', 'desc')
      .limit(sql.lit(MAX_APP_PASSWORDS))
      .compile(),
  )
}

/**
 * Of those made elsewhere the active ones that a login tries, last used first, and with each how many there are: whoever
 * has 1,000 of them logs in about as fast as who has one. A statement of its own, and no window function: a union or a
 * window keeps all columns of all rows in a temporary table, which MariaDB has on disk.
 */
export function otherAppPasswordQuery(db: Kysely<Tables>) {
  const made = db
    .selectFrom('app_passwd as p')
    .leftJoin('mailpassd_app_password as op', 'op.id', 'p.id')
    .where('p.mailbox', '=', ADDRESS)
    // By bytes: rows that the collation alone finds must not take the place of this mailbox's.
    .where(sql`hex(p.mailbox)`, '=', sql`hex(${ADDRESS})`)
    .where('p.active', '=', 1)
    .where('op.id', 'is', null)
  return addressed(
    made
      .leftJoin('mailpassd_app_password_use as u', 'u.id', 'p.id')
      .select(APP_PASSWORD_COLUMNS)
      .select(made.select((eb) => eb.fn.countAll<number | string>().as('count')).as('others'))
      .orderBy('u.last_ms', 'desc')
      .orderBy('p.id', 'desc')
      .limit(sql.lit(MAX_UNTAGGED))
      .compile(),
  )
}

/** What a domain has: people only, as mailcow counts (rows with kind = ''). Always one row. */
export function totalsQuery(db: Kysely<Tables>) {
  return addressed(
    db
      .selectFrom('mailbox')
      .select((eb) => [
        eb.fn.countAll<number | string>().as('mailbox_count'),
        eb.fn.coalesce(eb.fn.sum<number | string>('quota'), sql<number>`0`).as('quota_sum'),
      ])
      .where('domain', '=', DOMAIN)
      .where('kind', '=', '')
      .compile(),
  )
}

/** What else making depends on: one row for each template, or one with none. */
export function makingQuery(db: Kysely<Tables>) {
  return addressed(
    db
      .selectFrom(sql<{ one: number }>`(select 1 as one)`.as('one'))
      .leftJoin('spamalias as s', (join) => join.on('s.address', '=', ADDRESS))
      .leftJoin('templates as t', (join) => join.on('t.type', '=', 'mailbox'))
      .select([
        's.address as spamalias_key',
        't.template as template_name',
        't.type as template_type',
        't.attributes as template_attributes',
      ])
      .orderBy('t.id')
      .limit(sql.lit(MAX_TEMPLATES))
      .compile(),
  )
}

type RowOf<Query> = Query extends AddressedQuery<infer Row> ? Row : never
export type AccountRow = RowOf<ReturnType<typeof accountQuery>>
export type AppPasswordRow = RowOf<ReturnType<typeof otherAppPasswordQuery>>
export type MakingRow = RowOf<ReturnType<typeof makingQuery>>
export type TotalsRow = RowOf<ReturnType<typeof totalsQuery>>
