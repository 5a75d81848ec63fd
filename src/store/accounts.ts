/** Loads accounts: the store as the account room needs it (account/stored.ts). */
import type { AccountSource, StoredAccount } from '../account/stored.ts'
import { MailpassdError } from '../errors.ts'
import { parseTemplate } from '../mailbox/parse-template.ts'
import type { MailboxTemplate } from '../mailbox/template.ts'
import type { Logger } from '../telemetry/logger.ts'
import {
  accountQuery,
  appPasswordQuery,
  makingQuery,
  type AccountRow,
  type AddressedQuery,
  type AppPasswordRow,
  type MakingRow,
} from './account-query.ts'
import { toAccount, toAppPasswords, toMaking } from './account-row.ts'
import type { Border } from './border.ts'
import type { Reader } from './dialect/dialect.ts'

interface Wanted {
  readonly full: string
  readonly domain: string
}

/** Parsed templates are remembered by their text; more than this are never of one database. */
const MAX_PARSED_TEMPLATES = 2000

export class Accounts implements AccountSource {
  readonly #border: Border
  readonly #logger: Logger
  readonly #appPasswords: AddressedQuery<AppPasswordRow>
  readonly #making: AddressedQuery<MakingRow>
  readonly #withTfa: AddressedQuery<AccountRow>
  readonly #withoutTfa: AddressedQuery<AccountRow>
  readonly #hasTfa: () => boolean
  readonly #templates = new Map<string, MailboxTemplate | undefined>()

  /** `hasTfa` tells, once the tables were looked at, whether mailcow's table `tfa` is among them. */
  constructor(border: Border, logger: Logger, hasTfa: () => boolean) {
    const { reader } = border.dialect
    this.#border = border
    this.#logger = logger
    this.#hasTfa = hasTfa
    this.#withTfa = accountQuery(reader, true)
    this.#withoutTfa = accountQuery(reader, false)
    this.#appPasswords = appPasswordQuery(reader)
    this.#making = makingQuery(reader)
  }

  loadAccount(address: Wanted): Promise<StoredAccount> {
    return this.#border.read((db) => this.loadIn(db, address))
  }

  /** The same within a transaction: what it sees is what its writes meet. */
  async loadIn(db: Reader, address: Wanted): Promise<StoredAccount> {
    const query = this.#hasTfa() ? this.#withTfa : this.#withoutTfa
    const { rows } = await db.executeQuery(query(address))
    const row = rows[0]
    if (row === undefined) throw new MailpassdError('store_failed', 'the account statement gave no row')
    const account = toAccount(row, address)
    if (account.mailbox === undefined) {
      const making = await db.executeQuery(this.#making(address))
      const templates = this.#parseTemplates(making.rows)
      return { ...account, appPasswords: [], making: toMaking(row, making.rows, address, templates) }
    }
    const hasAppPasswords = Number(row.app_passwords) > 0
    const appPasswords = hasAppPasswords ? await db.executeQuery(this.#appPasswords(address)) : { rows: [] }
    return {
      ...account,
      appPasswords: toAppPasswords(appPasswords.rows, address.full),
      making: undefined,
    }
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
