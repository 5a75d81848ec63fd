/** What the golden-row suites share: a store with SOGo and outbox, the real plan on it, and rows as they are compared. */
import type { Test } from 'tap'
import type { Account } from '../../src/account/account.ts'
import type { StoredAccount } from '../../src/account/stored.ts'
import type { DirectorySettings } from '../../src/config/settings.ts'
import type { DirectoryUser } from '../../src/directory/user.ts'
import type { Address } from '../../src/login/address.ts'
import type { Applied } from '../../src/mailbox/change.ts'
import { plan } from '../../src/mailbox/plan.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { silentLogger, type Logger } from '../../src/telemetry/logger.ts'
import { stoppedClock, type Place, type Row, type Subject } from '../contract/store-subjects.ts'
import { jane, profile, settings } from '../fakes/accounts.ts'

export type Rows = Readonly<Record<string, readonly Row[]>>

/** Settings as of a mailcow that makes mailboxes everywhere, whatever the schema below. */
export const mailcowSettings: DirectorySettings = {
  ...settings,
  loginProvisioning: true,
  namesFromDirectory: false,
}

export interface HostingOptions {
  /** A statement before the store looks at the tables. */
  readonly before?: string
  /** Default true. */
  readonly sogo?: boolean
}

export interface Hosting {
  /** Warnings of the store. */
  readonly warned: readonly string[]
  readonly place: Place
  readonly store: Store
  /** A first login of this user, from the plan on. */
  readonly firstLogin: (
    address: Address,
    more?: { readonly user?: Partial<DirectoryUser>; readonly settings?: Partial<DirectorySettings> },
  ) => Promise<Applied>
  /** Adds a mailbox template with these attributes, as text or as what it says beside the Default one. */
  readonly addTemplate: (name: string, attributes: string) => Promise<void>
}

/** A database with the domain example.org, and a store that tells SOGo, Redis and memcached of new mailboxes. */
export async function hosting(subject: Subject, t: Test, options: HostingOptions = {}) {
  const place = await subject.place(t)
  if (options.before !== undefined) await place.sql(options.before)
  const sogo = options.sogo ?? true
  const beside = { sogo, redis: true, memcached: sogo }
  const warned: string[] = []
  const warn: Logger['warn'] = (fields, text) => warned.push(`${text} ${JSON.stringify(fields)}`)
  const logger = { ...silentLogger, warn }
  const store = await openStore(place.options, { clock: stoppedClock, logger, beside })
  t.teardown(() => store.close())
  await store.ready()
  await place.sql("insert into domain (domain) values ('example.org')")
  await place.sql(
    "update domain set mailboxes = 10, maxquota = 10240, quota = 102400 where domain = 'example.org'",
  )
  const firstLogin: Hosting['firstLogin'] = (address, more = {}) => {
    const user = { ...jane, email: address.full, id: `id-${address.local}`, ...more.user }
    const account = (stored: StoredAccount): Account => ({
      address,
      stored,
      storedAtMs: 0,
      directory: { kind: 'record', lookup: { kind: 'found', user }, profile, atMs: 0 },
    })
    return store.mailboxes.apply(address, (stored) =>
      plan(account(stored), { ...mailcowSettings, ...more.settings }),
    )
  }
  const addTemplate: Hosting['addTemplate'] = async (name, attributes) => {
    await place.sql("insert into templates (template, type, attributes) values (?, 'mailbox', ?)", [
      name,
      attributes,
    ])
  }
  return { place, store, warned, firstLogin, addTemplate } satisfies Hosting
}

const TABLES = [
  ['mailbox', 'username'],
  ['alias', 'address'],
  ['quota2', 'username'],
  ['quota2replica', 'username'],
  ['user_acl', 'username'],
  ['tags_mailbox', 'username'],
  ['mailpassd_mailbox', 'username'],
  ['mailpassd_change', 'address'],
  ['mailpassd_outbox', 'address'],
] as const

/** Every row of the address in every table that both databases have, without counters and the database's own times. */
export async function rowsOf(place: Place, { full }: Address): Promise<Rows> {
  const tables: Record<string, readonly Row[]> = {}
  for (const [table, column] of TABLES) {
    const rows = await place.sql(`select * from ${table} where ${column} = ?`, [full])
    const plain = rows.map(({ id: _id, created: _created, modified: _modified, ...rest }) => rest)
    tables[table] = plain.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  return tables
}

/** mailbox.attributes of the address, parsed. */
export function attributesOf(rows: Rows): Row {
  const text = rows['mailbox']?.[0]?.['attributes']
  const parsed: unknown = JSON.parse(typeof text === 'string' ? text : 'null')
  if (typeof parsed !== 'object' || parsed === null) throw new Error('no attributes')
  return { ...parsed }
}
