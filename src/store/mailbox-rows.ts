/**
 * One change of a plan as rows, exactly as mailcow writes them (facts: add mailbox), so that its UI, Postfix and
 * Dovecot take the mailbox for one of their own.
 */
import { sql, type RawBuilder } from 'kysely'
import type { Address } from '../login/address.ts'
import type { Change } from '../mailbox/change.ts'
import { USER_ACL, type UserAclColumn } from '../mailbox/template.ts'
import { formatRateLimit, type RateLimit } from '../mailcow/rate-limit.ts'
import type { Dialect, Writer } from './dialect/dialect.ts'
import { enqueue, enqueueLast } from './outbox.ts'
import { makeSogoRow } from './sogo-row.ts'
import { NEEDED_COLUMNS, type UserAclTable } from './tables.ts'

export interface RowContext {
  readonly trx: Writer
  readonly dialect: Dialect
  readonly address: Address
  readonly nowMs: number
  readonly beside: Beside
}

/** What has to be told of a new mailbox beside its own rows. */
export interface Beside {
  /** SOGo's view is there and wanted. */
  readonly sogo: boolean
  /** Rate limits are kept in a Redis. */
  readonly redis: boolean
  /** SOGo's cache is to forget that it did not know the user. */
  readonly memcached: boolean
}

type ChangeOf<K extends Change['kind']> = Extract<Change, { kind: K }>

/** Writes one change within the transaction. */
export async function writeChange(context: RowContext, change: Change): Promise<void> {
  switch (change.kind) {
    case 'make_mailbox':
      return makeMailbox(context, change)
    case 'make_alias':
      return makeAlias(context, change.active)
    case 'make_quota':
      return makeQuota(context, change.table)
    case 'make_acl':
      return makeAcl(context, change.columns)
    case 'add_tag':
      return addTag(context, change.tag)
    case 'set_rate_limit':
      return context.beside.redis ? queueRateLimit(context, change.limit) : undefined
    case 'make_sogo_row':
      return context.beside.sogo ? addToSogo(context, change.name) : undefined
    case 'bind_identity':
      return bindIdentity(context, change)
  }
}

/**
 * mailbox.attributes: all values strings; passwd_update last, at the database's time as text (mailcow's UI reads
 * it as such). The date is the database's to say, so it is put between the two halves of the JSON there.
 */
function attributesText(
  dialect: Dialect,
  attributes: Readonly<Record<string, string>>,
  nowMs: number,
): RawBuilder<string> {
  const { passwd_update: _writers, ...others } = attributes
  const text = JSON.stringify({ ...others, passwd_update: '' })
  const beforeDate = text.slice(0, -2)
  return sql<string>`concat(${beforeDate}, ${dialect.dateTime(nowMs)}, ${'"}'})`
}

async function makeMailbox(context: RowContext, change: ChangeOf<'make_mailbox'>): Promise<void> {
  const { trx, dialect, address, nowMs } = context
  await trx
    .insertInto('mailbox')
    .values({
      username: address.full,
      // No SQL password: the directory's hash and app passwords open it.
      password: '',
      name: change.name,
      quota: change.quotaBytes,
      local_part: address.local,
      domain: address.domain,
      attributes: attributesText(dialect, change.attributes, nowMs),
      authsource: 'keycloak',
      active: change.active,
    })
    .execute()
}

/** The alias of a mailbox to itself: Postfix delivers by it and allows the sender by it. */
async function makeAlias({ trx, address }: RowContext, active: number): Promise<void> {
  await trx
    .insertInto('alias')
    .values({ address: address.full, goto: address.full, domain: address.domain, active })
    .execute()
}

/** Counters from zero, over what an earlier mailbox of this name left. */
async function makeQuota({ trx, address }: RowContext, table: 'quota2' | 'quota2replica'): Promise<void> {
  await trx.replaceInto(table).values({ username: address.full, bytes: 0, messages: 0 }).execute()
}

async function makeAcl(
  { trx, address }: RowContext,
  columns: Readonly<Record<UserAclColumn, boolean>>,
): Promise<void> {
  const row: UserAclTable = { username: address.full, ...USER_ACL }
  for (const column of NEEDED_COLUMNS.user_acl) {
    if (column !== 'username') row[column] = columns[column] ? 1 : 0
  }
  await trx.insertInto('user_acl').values(row).execute()
}

/** One that the collation takes for a tag that is there already leaves that one as it is. */
async function addTag({ trx, dialect, address }: RowContext, tag: string): Promise<void> {
  await trx
    .insertInto('tags_mailbox')
    .values({ tag_name: tag, username: address.full })
    .modifyEnd(
      dialect.onDuplicate(['tag_name', 'username'], [sql`username = ${dialect.incoming('username')}`]),
    )
    .execute()
}

/** Redis is written after the commit, by whoever drains the outbox: a login does not wait for it. */
async function queueRateLimit(
  { trx, address, nowMs }: RowContext,
  limit: RateLimit | undefined,
): Promise<void> {
  const value = limit === undefined ? undefined : formatRateLimit(limit)
  await enqueueLast(trx, {
    consumer: 'redis',
    action: 'rate_limit',
    address: address.full,
    body: { value },
    nowMs,
    dueMs: nowMs,
  })
}

async function addToSogo({ trx, address, nowMs, beside }: RowContext, name: string): Promise<void> {
  await makeSogoRow(trx, address, name)
  if (!beside.memcached) return
  await enqueue(trx, {
    consumer: 'memcached',
    action: 'flush',
    address: address.full,
    body: {},
    nowMs,
    dueMs: nowMs,
  })
}

/** For a mailbox that no template made just now, what is known of its template stays. */
async function bindIdentity(context: RowContext, change: ChangeOf<'bind_identity'>): Promise<void> {
  const { trx, dialect, address, nowMs } = context
  const columns =
    change.template === '' ? (['directory_id'] as const) : (['directory_id', 'template', 'applied'] as const)
  await trx
    .insertInto('mailpassd_mailbox')
    .values({
      username: address.full,
      directory_id: change.directoryId,
      template: change.template,
      applied: JSON.stringify(change.applied),
      created_ms: nowMs,
    })
    .modifyEnd(
      dialect.onDuplicate(
        ['username'],
        columns.map((column) => sql`${sql.ref(column)} = ${dialect.incoming(column)}`),
      ),
    )
    .execute()
}
