/**
 * The statements behind the maps, compiled once. A look-up only puts its names in; lists of names are filled up with
 * their first to one of a few lengths, so that each length is one prepared statement.
 */
import { sql, type CompiledQuery, type Kysely } from 'kysely'
import type { Tables } from './tables.ts'

/** Names of one address in loadAddresses and loadSenderAcl. */
export const MAX_NAMES = 7
/** Mailboxes of one statement in loadLogins. */
export const LOGIN_BATCHES = [1, 16, 256] as const
/** Rows of sender_acl that are looked at for one sender. */
export const MAX_ACL_ROWS = 5000

export type NamedQuery<Row> = (names: readonly string[]) => CompiledQuery<Row>

const slotOf = (index: number): string => `\u0001${index}`

/** `build` gets the stand-ins of `length` names; no possible name is equal to one (control characters). */
function named<Row>(
  length: number,
  build: (slots: readonly string[]) => CompiledQuery<Row>,
): NamedQuery<Row> {
  const slots = Array.from({ length }, (_, index) => slotOf(index))
  const compiled = build(slots)
  const indexes = compiled.parameters.map((value) => slots.findIndex((slot) => slot === value))
  return (names) => ({
    ...compiled,
    parameters: compiled.parameters.map((value, at) => {
      const index = indexes[at] ?? -1
      return index === -1 ? value : (names[index] ?? names[0])
    }),
  })
}

/** Always one row. Names: the domain. */
export function hostingQuery(db: Kysely<Tables>) {
  return named(1, ([domain = '']) =>
    db
      .selectFrom(sql<{ one: number }>`(select 1 as one)`.as('one'))
      .leftJoin('domain as d', (join) => join.on('d.domain', '=', domain))
      .leftJoin('alias_domain as ad', (join) => join.on('ad.alias_domain', '=', domain))
      .leftJoin('domain as td', 'td.domain', 'ad.target_domain')
      .select([
        'd.domain as domain_key',
        'd.active as domain_active',
        'd.backupmx as backupmx',
        'ad.alias_domain as alias_domain_key',
        'ad.target_domain as target_domain',
        'ad.active as alias_domain_active',
        'td.domain as target_key',
        'td.active as target_active',
        'td.backupmx as target_backupmx',
      ])
      .compile(),
  )
}

/** Alias, mailbox and spam alias rows of any of the names, one after another. */
export function addressQuery(db: Kysely<Tables>) {
  return named(MAX_NAMES - 1, (names) =>
    db
      .selectFrom('alias')
      .select([
        sql<string>`'alias'`.as('found_in'),
        'address as name',
        'goto as text',
        'active as active',
        'sender_allowed as flag',
      ])
      .where('address', 'in', names)
      .unionAll(
        db
          .selectFrom('mailbox')
          .select([
            sql<string>`'mailbox'`.as('found_in'),
            'username as name',
            'kind as text',
            'active as active',
            sql<number>`0`.as('flag'),
          ])
          .where('username', 'in', names),
      )
      .unionAll(
        db
          .selectFrom('spamalias')
          .select([
            sql<string>`'spamalias'`.as('found_in'),
            'address as name',
            'goto as text',
            sql<number>`coalesce(validity, 0)`.as('active'),
            'permanent as flag',
          ])
          .where('address', 'in', names),
      )
      .compile(),
  )
}

export function senderAclQuery(db: Kysely<Tables>) {
  return named(MAX_NAMES, (names) =>
    db
      .selectFrom('sender_acl')
      .select(['logged_in_as', 'send_as'])
      .where('send_as', 'in', names)
      .orderBy('id')
      .limit(sql.lit(MAX_ACL_ROWS))
      .compile(),
  )
}

/** Mailboxes with their domain and lock, `length` at a time. */
export function loginQuery(db: Kysely<Tables>, length: number) {
  return named(length, (usernames) =>
    db
      .selectFrom('mailbox as m')
      .leftJoin('domain as d', 'd.domain', 'm.domain')
      .leftJoin('mailpassd_lock as lk', 'lk.username', 'm.username')
      .select([
        'm.username as username',
        'm.active as active',
        'm.kind as kind',
        'd.domain as domain_key',
        'd.active as domain_active',
        'lk.username as lock_key',
        'lk.until_ms as lock_until_ms',
      ])
      .where('m.username', 'in', usernames)
      .compile(),
  )
}

type RowOf<Query> = Query extends NamedQuery<infer Row> ? Row : never
export type HostingRow = RowOf<ReturnType<typeof hostingQuery>>
export type AddressRow = RowOf<ReturnType<typeof addressQuery>>
export type LoginRow = RowOf<ReturnType<typeof loginQuery>>
