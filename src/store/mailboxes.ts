/** The only writer of mailbox rows (mailbox/change.ts), and of what binds a mailbox to its directory user. */
import type { Clock } from '../clock.ts'
import type { StoredAccount } from '../account/stored.ts'
import { MailpassdError } from '../errors.ts'
import type { Address } from '../login/address.ts'
import type { Applied, MailboxWriter, Plan } from '../mailbox/change.ts'
import type { Accounts } from './accounts.ts'
import type { Border } from './border.ts'
import { writeChangeRow } from './changes.ts'
import type { Writer } from './dialect/dialect.ts'
import type { DomainTotals } from './domain-totals.ts'
import { writeChange, type Beside } from './mailbox-rows.ts'

/** What the store knows of a mailbox's tie to the directory. */
export interface Binding {
  readonly directoryId: string | undefined
  /** '' where no template of ours made the mailbox. */
  readonly template: string
  readonly applied: Readonly<Record<string, unknown>>
  readonly createdMs: number
}

export interface MailboxesOptions {
  readonly border: Border
  readonly accounts: Accounts
  readonly totals: DomainTotals
  readonly clock: Clock
  /** Once the tables were looked at. */
  readonly beside: () => Beside
}

export class Mailboxes implements MailboxWriter {
  readonly #border: Border
  readonly #accounts: Accounts
  readonly #totals: DomainTotals
  readonly #clock: Clock
  readonly #beside: () => Beside

  constructor({ border, accounts, totals, clock, beside }: MailboxesOptions) {
    this.#border = border
    this.#accounts = accounts
    this.#totals = totals
    this.#clock = clock
    this.#beside = beside
  }

  async apply(address: Address, plan: (stored: StoredAccount) => Plan): Promise<Applied> {
    const { dialect } = this.#border
    const applied = await this.#border.write(async (trx): Promise<Applied> => {
      await dialect.lockDomain(trx, address.domain)
      const planned = plan(await this.#accounts.loadIn(trx, address))
      if (planned.kind === 'refused') return { kind: 'refused', why: planned.why }
      if (planned.changes.length === 0) return { kind: 'done', made: false }
      const nowMs = this.#clock.nowMs()
      const context = { trx, dialect, address, nowMs, beside: this.#beside() }
      for (const change of planned.changes) await writeChange(context, change)
      await writeChangeRow(trx, { address: address.full, kind: 'mailbox', atMs: nowMs })
      return { kind: 'done', made: planned.changes.some((change) => change.kind === 'make_mailbox') }
    })
    if (applied.kind === 'done' && applied.made) this.#totals.forget(address.domain)
    return applied
  }

  /** The binding of this mailbox, absent where none was ever made. */
  async lookupBinding(address: Address): Promise<Binding | undefined> {
    const row = await this.#border.read((db) =>
      db
        .selectFrom('mailpassd_mailbox')
        .select(['username', 'directory_id', 'template', 'applied', 'created_ms'])
        .where('username', '=', address.full)
        .executeTakeFirst(),
    )
    if (row === undefined || row.username !== address.full) return undefined
    return {
      directoryId: row.directory_id ?? undefined,
      template: row.template,
      applied: parseApplied(row.applied),
      createdMs: Number(row.created_ms),
    }
  }

  /**
   * Ties the mailbox to the directory user `directoryId`, or with undefined to whoever logs in next with a right
   * password. App passwords that were made before the mailbox was tied to anybody stay with the user whose it was.
   * Gives the id it was tied to. Throws MailpassdError not_found where there is no such mailbox.
   */
  async rebind(address: Address, directoryId: string | undefined): Promise<string | undefined> {
    const { dialect } = this.#border
    return this.#border.write(async (trx) => {
      await dialect.lockDomain(trx, address.domain)
      const { mailbox } = await this.#accounts.loadIn(trx, address)
      if (mailbox === undefined) throw new MailpassdError('not_found', `there is no mailbox ${address.full}`)
      const nowMs = this.#clock.nowMs()
      const updated = await trx
        .updateTable('mailpassd_mailbox')
        .set({ directory_id: directoryId ?? null })
        .where('username', '=', address.full)
        .executeTakeFirst()
      const isKnown = updated.numUpdatedRows > 0n || mailbox.directoryId !== undefined
      if (!isKnown && directoryId !== undefined) {
        const bind = { kind: 'bind_identity', directoryId, template: '', applied: {} } as const
        await writeChange({ trx, dialect, address, nowMs, beside: this.#beside() }, bind)
      }
      if (mailbox.directoryId !== undefined) await tieAppPasswords(trx, address, mailbox.directoryId)
      await writeChangeRow(trx, { address: address.full, kind: 'mailbox', atMs: nowMs })
      return mailbox.directoryId
    })
  }
}

/** Those of ours that name nobody: whose the mailbox was had them. */
async function tieAppPasswords(trx: Writer, { full }: Address, directoryId: string): Promise<void> {
  await trx
    .updateTable('mailpassd_app_password')
    .set({ directory_id: directoryId })
    .where('directory_id', 'is', null)
    .where('id', 'in', (eb) => eb.selectFrom('app_passwd').select('id').where('mailbox', '=', full))
    .execute()
}

function parseApplied(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null) return { ...parsed }
  } catch {
    // Ours alone and only shown: what cannot be read is shown as nothing.
  }
  return {}
}
