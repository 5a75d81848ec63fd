/** The names that people gave their app passwords: for whoever shows them. No login needs one. */
import type { Border } from './border.ts'
import { MAX_APP_PASSWORDS } from './account-query.ts'

export class AppPasswordNames {
  readonly #border: Border

  constructor(border: Border) {
    this.#border = border
  }

  /** Name by id, of one mailbox's newest. Throws MailpassdError store_*. */
  async appPasswordNames(address: { readonly full: string }): Promise<ReadonlyMap<number, string>> {
    const rows = await this.#border.read((db) =>
      db
        .selectFrom('app_passwd')
        .select(['id', 'name', 'mailbox'])
        .where('mailbox', '=', address.full)
        .orderBy('id', 'desc')
        .limit(MAX_APP_PASSWORDS)
        .execute(),
    )
    // The collation finds other mailboxes, too.
    return new Map(rows.flatMap((row) => (row.mailbox === address.full ? [[row.id, row.name]] : [])))
  }
}
