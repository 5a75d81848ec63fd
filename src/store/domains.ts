/** Domains for the command line: mailcow's row where the schema is ours, and our own row beside it. */
import { sql } from 'kysely'
import type { Clock } from '../clock.ts'
import { MailpassdError } from '../errors.ts'
import type { Border } from './border.ts'
import { writeChangeRow } from './changes.ts'
import type { Dialect, Reader, Writer } from './dialect/dialect.ts'
import type { Schema } from './migrations/migrate.ts'

export interface HostedDomain {
  readonly name: string
  readonly active: boolean
  /** Undefined where no row of ours exists: directory.login_provisioning decides there. */
  readonly autojoin: boolean | undefined
  readonly template: string | undefined
  readonly maxMailboxes: number
  readonly maxMailboxQuotaMib: number
  readonly quotaMib: number
  /** Mailboxes of people that exist now. */
  readonly mailboxes: number
}

export interface DomainLimits {
  readonly maxMailboxes?: number | undefined
  readonly maxMailboxQuotaMib?: number | undefined
  readonly quotaMib?: number | undefined
}

export interface DomainSettings extends DomainLimits {
  readonly autojoin?: boolean | undefined
  /** '' takes the domain's own template away. */
  readonly template?: string | undefined
}

/** Of a new domain where nothing else is said; column defaults would allow no mailbox at all. */
export const DEFAULT_LIMITS = { maxMailboxes: 10_000, maxMailboxQuotaMib: 102_400, quotaMib: 10_240_000 }

/** Domains shown at once. */
const MAX_LISTED = 100_000

export class Domains {
  readonly #border: Border
  readonly #schema: Schema
  readonly #clock: Clock

  constructor(border: Border, schema: Schema, clock: Clock) {
    this.#border = border
    this.#schema = schema
    this.#clock = clock
  }

  /** The domain of this name (A-labels, lower case), absent where there is none. */
  async lookup(name: string): Promise<HostedDomain | undefined> {
    const found = await this.#border.read((db) => select(db, name))
    return found.find((domain) => domain.name === name)
  }

  /** Names of all domains and alias domains: whose users may be ours. */
  async names(): Promise<readonly string[]> {
    return this.#border.read(async (db) => {
      const rows = await db
        .selectFrom('domain')
        .select('domain as name')
        .union(db.selectFrom('alias_domain').select('alias_domain as name'))
        .execute()
      return rows.map(({ name }) => name.toLowerCase())
    })
  }

  /** All domains by name. */
  async list(): Promise<readonly HostedDomain[]> {
    return this.#border.read((db) => select(db, undefined))
  }

  /**
   * Makes a domain that lets its users in: the mail table's row (standalone only) and ours.
   * Throws MailpassdError already_exists, not_found (mailcow has no such domain; no such template), usage.
   */
  async add(name: string, settings: DomainSettings): Promise<HostedDomain> {
    this.#refuseLimits(settings)
    return this.#border.write(async (trx) => {
      await this.#border.dialect.lockDomain(trx, name)
      await refuseAliasDomain(trx, name)
      await checkTemplate(trx, settings.template)
      const known = await lookupIn(trx, name)
      if (known?.autojoin !== undefined) {
        throw new MailpassdError(
          'already_exists',
          `domain ${name} exists already; change it with: mailpassd domain set ${name}`,
        )
      }
      if (known === undefined) await this.#addMailRow(trx, name, settings)
      else await updateLimits(trx, name, settings)
      return this.#finish(trx, name, { autojoin: true, ...withoutUndefined(settings) })
    })
  }

  /** Changes what is given and leaves the rest. Throws MailpassdError not_found, usage. */
  async set(name: string, settings: DomainSettings): Promise<HostedDomain> {
    this.#refuseLimits(settings)
    return this.#border.write(async (trx) => {
      await this.#border.dialect.lockDomain(trx, name)
      await checkTemplate(trx, settings.template)
      const known = await lookupIn(trx, name)
      if (known === undefined) throw unknownDomain(name, this.#schema)
      await updateLimits(trx, name, settings)
      const { autojoin, template } = known
      return this.#finish(trx, name, { autojoin, template, ...withoutUndefined(settings) })
    })
  }

  #refuseLimits({ maxMailboxes, maxMailboxQuotaMib, quotaMib }: DomainLimits): void {
    const hasLimit = [maxMailboxes, maxMailboxQuotaMib, quotaMib].some((limit) => limit !== undefined)
    if (!hasLimit || this.#schema === 'standalone') return
    throw new MailpassdError(
      'usage',
      "the limits of a domain are mailcow's: set them in its web interface (E-Mail, Configuration, Domains)",
    )
  }

  async #addMailRow(trx: Writer, name: string, settings: DomainLimits): Promise<void> {
    if (this.#schema === 'mailcow') throw unknownDomain(name, this.#schema)
    const limits = { ...DEFAULT_LIMITS, ...withoutUndefined(settings) }
    await trx
      .insertInto('domain')
      .values({
        domain: name,
        mailboxes: limits.maxMailboxes,
        maxquota: limits.maxMailboxQuotaMib,
        quota: limits.quotaMib,
      })
      .execute()
  }

  /** Writes our row and the change row. */
  async #finish(trx: Writer, name: string, settings: DomainSettings): Promise<HostedDomain> {
    if (settings.autojoin !== undefined || settings.template !== undefined) {
      await upsertOwnRow(trx, this.#border.dialect, name, settings)
    }
    await writeChangeRow(trx, { address: name, kind: 'domain', atMs: this.#clock.nowMs() })
    const written = await lookupIn(trx, name)
    if (written === undefined) throw new MailpassdError('store_failed', `domain ${name} was not written`)
    return written
  }
}

async function upsertOwnRow(
  trx: Writer,
  dialect: Dialect,
  name: string,
  settings: DomainSettings,
): Promise<void> {
  const template = settings.template === undefined || settings.template === '' ? null : settings.template
  const autojoin = settings.autojoin === undefined ? null : Number(settings.autojoin)
  await trx
    .insertInto('mailpassd_domain')
    .values({ domain: name, autojoin, template })
    .modifyEnd(
      dialect.onDuplicate(
        ['domain'],
        [sql`autojoin = ${dialect.incoming('autojoin')}`, sql`template = ${dialect.incoming('template')}`],
      ),
    )
    .execute()
}

async function updateLimits(trx: Writer, name: string, limits: DomainLimits): Promise<void> {
  const columns = {
    ...(limits.maxMailboxes === undefined ? {} : { mailboxes: limits.maxMailboxes }),
    ...(limits.maxMailboxQuotaMib === undefined ? {} : { maxquota: limits.maxMailboxQuotaMib }),
    ...(limits.quotaMib === undefined ? {} : { quota: limits.quotaMib }),
  }
  if (Object.keys(columns).length === 0) return
  await trx.updateTable('domain').set(columns).where('domain', '=', name).execute()
}

async function refuseAliasDomain(trx: Writer, name: string): Promise<void> {
  const alias = await trx
    .selectFrom('alias_domain')
    .select(['alias_domain', 'target_domain'])
    .where('alias_domain', '=', name)
    .executeTakeFirst()
  if (alias === undefined) return
  throw new MailpassdError(
    'already_exists',
    `${name} is an alias domain of ${alias.target_domain}; mailboxes live there`,
  )
}

async function checkTemplate(trx: Writer, template: string | undefined): Promise<void> {
  if (template === undefined || template === '') return
  const rows = await trx
    .selectFrom('templates')
    .select('template')
    .where('type', '=', 'mailbox')
    .orderBy('id')
    .limit(1000)
    .execute()
  if (rows.some((row) => row.template === template)) return
  const names = rows.map((row) => JSON.stringify(row.template)).join(', ')
  throw new MailpassdError('not_found', `there is no mailbox template of this name; there are: ${names}`)
}

function unknownDomain(name: string, schema: Schema): MailpassdError {
  return new MailpassdError(
    'not_found',
    schema === 'mailcow'
      ? `mailcow has no domain ${name}; add it in its web interface first (E-Mail, Configuration, Domains)`
      : `there is no domain ${name}; add it with: mailpassd domain add ${name}`,
  )
}

async function lookupIn(db: Reader, name: string): Promise<HostedDomain | undefined> {
  return (await select(db, name)).find((domain) => domain.name === name)
}

async function select(db: Reader, name: string | undefined): Promise<readonly HostedDomain[]> {
  const rows = await db
    .selectFrom('domain as d')
    // Keys of ours are exact and mailcow's fold: compared by bytes below.
    .leftJoin('mailpassd_domain as od', 'od.domain', 'd.domain')
    .select((eb) => [
      'd.domain as name',
      'd.active as active',
      'd.mailboxes as max_mailboxes',
      'd.maxquota as maxquota',
      'd.quota as quota',
      'od.autojoin as autojoin',
      'od.template as template',
      eb
        .selectFrom('mailbox as m')
        .select((inner) => inner.fn.countAll<number | string>().as('count'))
        .whereRef('m.domain', '=', 'd.domain')
        .where('m.kind', '=', '')
        .as('mailboxes'),
    ])
    .$if(name !== undefined, (query) => query.where('d.domain', '=', name ?? ''))
    .orderBy('d.domain')
    .limit(MAX_LISTED)
    .execute()
  return rows.map((row) => ({
    name: row.name,
    active: row.active === 1,
    autojoin: row.autojoin === null ? undefined : row.autojoin !== 0,
    template: row.template ?? undefined,
    maxMailboxes: row.max_mailboxes,
    maxMailboxQuotaMib: Number(row.maxquota),
    quotaMib: Number(row.quota),
    mailboxes: Number(row.mailboxes ?? 0),
  }))
}

function withoutUndefined<T extends object>(settings: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const given: { [K in keyof T]?: Exclude<T[K], undefined> } = {}
  for (const key in settings) {
    const value = settings[key]
    if (value !== undefined) Object.assign(given, { [key]: value })
  }
  return given
}
