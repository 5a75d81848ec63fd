/**
 * A mailbox in `_sogo_static_view`, the table in which mailcow's SOGo looks its users up. mailcow makes it anew from views
 * over all aliases of all domains; here only the new mailbox's row is made, and nobody else's is touched.
 */
import { sql } from 'kysely'
import type { Address } from '../login/address.ts'
import { randomViewPassword } from '../mailcow/sogo-view-password.ts'
import type { Reader, Writer } from './dialect/dialect.ts'

/** Columns that making a row needs, all of mailcow's schema alone. */
const SOGO_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  _sogo_static_view: [
    'c_uid',
    'domain',
    'c_name',
    'c_password',
    'c_cn',
    'mail',
    'aliases',
    'ad_aliases',
    'ext_acl',
    'kind',
    'multiple_bookings',
  ],
  alias: ['sogo_visible'],
}

/** What these tables (with their columns) lack of it: `table x`, `column x.y`. */
export function missingForSogo(columns: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  return Object.entries(SOGO_COLUMNS).flatMap(([table, needed]) => {
    const found = columns.get(table)
    if (found === undefined) return [`table ${table}`]
    return needed.filter((column) => !found.has(column)).map((column) => `column ${table}.${column}`)
  })
}

/** `aliases` is TEXT and `ad_aliases` VARCHAR(6144); a list stays well below either, in whole addresses. */
const MAX_LIST_CHARACTERS = 6144
const MAX_ADDRESSES = 1000

/**
 * Writes the row of a mailbox made just now, in its transaction. `name` is shown in SOGo's address book.
 * What stands there under this address was left by an earlier mailbox, and is replaced.
 */
export async function makeSogoRow(trx: Writer, address: Address, name: string): Promise<void> {
  const aliases = await aliasesOf(trx, address.full)
  const domains = await aliasDomainsOf(trx, address.domain)
  await trx
    .replaceInto('_sogo_static_view')
    .values({
      c_uid: address.full,
      domain: address.domain,
      c_name: address.full,
      c_password: randomViewPassword(),
      c_cn: name,
      mail: address.full,
      aliases: listOf(aliases),
      ad_aliases: listOf(domains.map((domain) => `${address.local}@${domain}`)),
      ext_acl: '',
      kind: '',
      multiple_bookings: -1,
    })
    .execute()
}

/**
 * Addresses that are delivered to this mailbox and shown in SOGo. Looked at before the insert and not in it: that
 * would lock every alias of the database until the transaction ends.
 */
async function aliasesOf(db: Reader, mailbox: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('alias')
    .select(['address', 'goto'])
    .where('active', '=', 1)
    .where('sogo_visible', '=', 1)
    .where('address', '<>', mailbox)
    .where('address', 'not like', '@%')
    .where(sql<boolean>`instr(goto, ${mailbox}) > 0`)
    .orderBy('address')
    .limit(MAX_ADDRESSES)
    .execute()
  return rows.filter(({ goto }) => goto.split(',').includes(mailbox)).map((row) => row.address)
}

async function aliasDomainsOf(db: Reader, domain: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom('alias_domain')
    .select(['alias_domain', 'target_domain'])
    .where('target_domain', '=', domain)
    .where('active', '=', 1)
    .orderBy('alias_domain')
    .limit(MAX_ADDRESSES)
    .execute()
  return rows.filter((row) => row.target_domain === domain).map((row) => row.alias_domain)
}

/** Addresses with blanks between them, as SOGo reads them; what would not fit is left out. */
function listOf(addresses: readonly string[]): string {
  let list = ''
  for (const address of addresses) {
    const longer = list === '' ? address : `${list} ${address}`
    if (longer.length > MAX_LIST_CHARACTERS) return list
    list = longer
  }
  return list
}
