/** Loads accounts: the store as the account room needs it (account/stored.ts). */
import type { AccountSource, MakingFacts, StoredAccount } from '../account/stored.ts'
import { MailpassdError } from '../errors.ts'
import { parseTemplate } from '../mailbox/parse-template.ts'
import type { MailboxTemplate } from '../mailbox/template.ts'
import type { Logger } from '../telemetry/logger.ts'
import {
  accountQuery,
  otherAppPasswordQuery,
  ownAppPasswordQuery,
  makingQuery,
  totalsQuery,
  type AccountRow,
  type AddressedQuery,
  type AppPasswordRow,
  type MakingRow,
  type TotalsRow,
} from './account-query.ts'
import { toAccount, toMaking, toTotals } from './account-row.ts'
import { toAppPasswords, type ReadAppPasswordRow } from './app-password-row.ts'
import type { Border } from './border.ts'
import type { Reader, Writer } from './dialect/dialect.ts'
import type { DomainTotals, Totals } from './domain-totals.ts'

interface Wanted {
  readonly full: string
  readonly domain: string
}

/** Parsed templates are remembered by their text; more than this are never of one database. */
const MAX_PARSED_TEMPLATES = 2000

export interface AccountsOptions {
  readonly border: Border
  readonly totals: DomainTotals
  readonly logger: Logger
  /** Once the tables were looked at: whether mailcow's table `tfa` is among them. */
  readonly hasTfa: () => boolean
}

/** How totals are come by: from memory, or counted in the transaction that asks. */
type CountTotals = (count: () => Promise<Totals>) => Promise<Totals>

export class Accounts implements AccountSource {
  readonly #border: Border
  readonly #totals: DomainTotals
  readonly #logger: Logger
  readonly #hasTfa: () => boolean
  readonly #queries: {
    readonly withTfa: AddressedQuery<AccountRow>
    readonly withoutTfa: AddressedQuery<AccountRow>
    readonly ownAppPasswords: AddressedQuery<ReadAppPasswordRow>
    readonly otherAppPasswords: AddressedQuery<AppPasswordRow>
    readonly totals: AddressedQuery<TotalsRow>
    readonly making: AddressedQuery<MakingRow>
  }
  readonly #templates = new Map<string, MailboxTemplate | undefined>()

  constructor({ border, totals, logger, hasTfa }: AccountsOptions) {
    const { reader } = border.dialect
    this.#border = border
    this.#totals = totals
    this.#logger = logger
    this.#hasTfa = hasTfa
    this.#queries = {
      withTfa: accountQuery(reader, true),
      withoutTfa: accountQuery(reader, false),
      ownAppPasswords: ownAppPasswordQuery(reader),
      otherAppPasswords: otherAppPasswordQuery(reader),
      totals: totalsQuery(reader),
      making: makingQuery(reader),
    }
  }

  loadAccount(address: Wanted): Promise<StoredAccount> {
    return this.#border.read((db) =>
      this.#load(db, address, (count) => this.#totals.get(address.domain, count)),
    )
  }

  /** The same within a transaction: what it sees is what its writes meet. */
  loadIn(trx: Writer, address: Wanted): Promise<StoredAccount> {
    return this.#load(trx, address, (count) => count())
  }

  async #load(db: Reader, address: Wanted, countTotals: CountTotals): Promise<StoredAccount> {
    const query = this.#hasTfa() ? this.#queries.withTfa : this.#queries.withoutTfa
    const { rows } = await db.executeQuery(query(address))
    const row = rows[0]
    if (row === undefined) throw new MailpassdError('store_failed', 'the account statement gave no row')
    const account = toAccount(row, address)
    if (account.mailbox === undefined) {
      const making = await this.#loadMaking(db, row, address, countTotals)
      return { ...account, appPasswords: [], making }
    }
    const hasAppPasswords = Number(row.app_passwords) > 0
    if (!hasAppPasswords) return { ...account, appPasswords: [], making: undefined }
    const ours = await db.executeQuery(this.#queries.ownAppPasswords(address))
    const others = await db.executeQuery(this.#queries.otherAppPasswords(address))
    return { ...account, ...toAppPasswords(ours.rows, others.rows, address.full), making: undefined }
  }

  async #loadMaking(
    db: Reader,
    row: AccountRow,
    address: Wanted,
    countTotals: CountTotals,
  ): Promise<MakingFacts> {
    const count = async () => toTotals((await db.executeQuery(this.#queries.totals(address))).rows[0])
    const isHosted = row.domain_key === address.domain
    const { rows } = await db.executeQuery(this.#queries.making(address))
    const totals = isHosted ? await countTotals(count) : toTotals(undefined)
    return toMaking(row, rows, totals, this.#parseTemplates(rows), address)
  }

  #parseTemplates(rows: readonly MakingRow[]): readonly MailboxTemplate[] {
    const templates: MailboxTemplate[] = []
    for (const { template_name: name, template_type: type, template_attributes: raw } of rows) {
      // A template of type `Mailbox ` is none, whatever the collation thinks.
      if (name === null || type !== 'mailbox') continue
      const template = this.#parse(name, raw)
      if (template !== undefined) templates.push(template)
    }
    return templates
  }

  #parse(name: string, raw: string | null): MailboxTemplate | undefined {
    const key = `${name}\u0000${raw ?? ''}`
    if (this.#templates.has(key)) return this.#templates.get(key)
    const parsed = parseTemplate(name, raw)
    if (parsed.kind === 'unreadable') {
      this.#logger.warn({ template: name }, `mailbox template cannot be used: ${parsed.reason}`)
    }
    if (this.#templates.size >= MAX_PARSED_TEMPLATES) this.#templates.clear()
    const template = parsed.kind === 'template' ? parsed.template : undefined
    this.#templates.set(key, template)
    return template
  }
}
