/**
 * The store as the maps need it (account/maps/source.ts). Names are compared byte for byte: the database's collation
 * finds `bób@example.org` under `bob@example.org`.
 */
import type {
  AddressRows,
  AliasRow,
  Hosting,
  LoginRows,
  MapSource,
  SpamAliasRow,
} from '../account/maps/source.ts'
import { MailpassdError } from '../errors.ts'
import type { Border } from './border.ts'
import {
  addressQuery,
  hostingQuery,
  LOGIN_BATCHES,
  loginQuery,
  MAX_ACL_ROWS,
  senderAclQuery,
  type AddressRow,
  type HostingRow,
  type LoginRow,
  type NamedQuery,
} from './map-query.ts'

/** Characters of a goto column: mailcow's TEXT has 65,535 bytes. More would be split for too long, and told to nobody. */
const MAX_GOTO_LENGTH = 100_000
/** Logins of one sender. Their names have to fit into one answer anyway. */
const MAX_LOGINS = 5000

export class MailMaps implements MapSource {
  readonly #border: Border
  readonly #missing: () => MailpassdError | undefined
  readonly #hosting: NamedQuery<HostingRow>
  readonly #addresses: NamedQuery<AddressRow>
  readonly #senderAcl: ReturnType<typeof senderAclQuery>
  readonly #logins: readonly { readonly length: number; readonly query: NamedQuery<LoginRow> }[]

  /** `missing`: what the tables lack for the maps, once they were looked at. */
  constructor(border: Border, missing: () => MailpassdError | undefined) {
    const { reader } = border.dialect
    this.#border = border
    this.#missing = missing
    this.#hosting = hostingQuery(reader)
    this.#addresses = addressQuery(reader)
    this.#senderAcl = senderAclQuery(reader)
    this.#logins = LOGIN_BATCHES.map((length) => ({ length, query: loginQuery(reader, length) }))
  }

  async lookupHosting(domain: string): Promise<Hosting | undefined> {
    const [row] = await this.#rows(this.#hosting, [domain])
    return row === undefined ? undefined : toHosting(row, domain)
  }

  async loadAddresses(names: readonly string[]): Promise<AddressRows> {
    return toAddressRows(await this.#rows(this.#addresses, names), new Set(names))
  }

  async loadSenderAcl(sendAs: readonly string[]): Promise<readonly string[]> {
    const rows = await this.#rows(this.#senderAcl, sendAs)
    if (rows.length >= MAX_ACL_ROWS) throw tooMany(`sender_acl has ${MAX_ACL_ROWS} rows and more`)
    const wanted = new Set(sendAs)
    return rows.filter((row) => wanted.has(row.send_as)).map((row) => row.logged_in_as)
  }

  async loadLogins(usernames: readonly string[]): Promise<ReadonlyMap<string, LoginRows>> {
    if (usernames.length > MAX_LOGINS) throw tooMany(`there are ${usernames.length} logins`)
    const wanted = new Set(usernames)
    const logins = new Map<string, LoginRows>()
    for (let at = 0; at < usernames.length;) {
      const left = usernames.length - at
      const batch = this.#logins.find(({ length }) => length >= left) ?? this.#logins.at(-1)
      if (batch === undefined) break
      const rows = await this.#rows(batch.query, usernames.slice(at, at + batch.length))
      for (const row of rows) if (wanted.has(row.username)) logins.set(row.username, toLogin(row))
      at += batch.length
    }
    return logins
  }

  async #rows<Row>(query: NamedQuery<Row>, names: readonly string[]): Promise<readonly Row[]> {
    return this.#border.read(async (db) => {
      const missing = this.#missing()
      if (missing !== undefined) throw missing
      return (await db.executeQuery(query(names))).rows
    })
  }
}

function tooMany(what: string): MailpassdError {
  return new MailpassdError('store_failed', `${what} for one sender address, more than mailpassd looks at`)
}

function toHosting(row: HostingRow, domain: string): Hosting | undefined {
  if (row.domain_key === domain) {
    return row.domain_active === 1 ? { target: undefined, isRelayed: row.backupmx === 1 } : undefined
  }
  if (row.alias_domain_key !== domain || row.alias_domain_active !== 1) return undefined
  const target = row.target_domain
  // Accepted for a domain that takes no mail itself, it could not be delivered.
  if (target === null || row.target_key !== target || row.target_active !== 1) return undefined
  return { target, isRelayed: row.target_backupmx === 1 }
}

function toAddressRows(rows: readonly AddressRow[], wanted: ReadonlySet<string>): AddressRows {
  const aliases = new Map<string, AliasRow>()
  const mailboxes = new Map<string, string>()
  const spamAliases = new Map<string, SpamAliasRow>()
  for (const { found_in: foundIn, name, text, active, flag } of rows) {
    if (!wanted.has(name)) continue
    if (text.length > MAX_GOTO_LENGTH)
      throw tooMany(`goto in ${foundIn} has more than ${MAX_GOTO_LENGTH} characters`)
    if (foundIn === 'spamalias') {
      spamAliases.set(name, {
        goto: text,
        validUntilMs: active * 1000,
        isPermanent: flag === 1,
      })
      continue
    }
    if (active !== 1 && active !== 2) continue
    if (foundIn === 'mailbox') mailboxes.set(name, text)
    else aliases.set(name, { goto: text, active, senderAllowed: flag === 1 })
  }
  return { aliases, mailboxes, spamAliases }
}

function toLogin(row: LoginRow): LoginRows {
  const domain = row.username.slice(row.username.indexOf('@') + 1)
  const isDomainActive = row.domain_key === domain && row.domain_active === 1
  return {
    isOpen: row.active === 1 && row.kind === '' && isDomainActive,
    lock:
      row.lock_key === row.username
        ? { untilMs: row.lock_until_ms === null ? undefined : Number(row.lock_until_ms) }
        : undefined,
  }
}
