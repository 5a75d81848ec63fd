/**
 * One copy of what many accounts have in common: a domain's row is read again with each of its mailboxes, and as many
 * copies of it and of the same few flags and texts were a third of what an account takes. Values are immutable, so that
 * nobody can tell.
 */
import type { AuthSource, StoredAccount, StoredAppPassword, StoredDomain, StoredMailbox } from './stored.ts'

/** Of each kind; an installation has some domains, and of the rest a handful. */
const MAX_KEPT = 1000

/** The latest values of one kind, by a text that is the same for equal ones. */
class Shared<Value> {
  readonly #values = new Map<string, Value>()
  readonly #keyOf: (value: Value) => string

  constructor(keyOf: (value: Value) => string) {
    this.#keyOf = keyOf
  }

  /** The value like this one that came first. */
  of(value: Value): Value {
    const key = this.#keyOf(value)
    const first = this.#values.get(key)
    if (first !== undefined) return first
    if (this.#values.size >= MAX_KEPT) this.#values.clear()
    this.#values.set(key, value)
    return value
  }
}

export class Sharing {
  readonly #domains = new Shared<StoredDomain>((domain) => JSON.stringify(domain))
  readonly #services = new Shared<StoredMailbox['services']>((services) => JSON.stringify(services))
  readonly #missing = new Shared<StoredMailbox['missing']>((missing) => JSON.stringify(missing))
  readonly #sources = new Shared<AuthSource>((source) => source)
  readonly #texts = new Shared<string>((text) => text)

  #noAppPasswords: readonly StoredAppPassword[] | undefined

  /** The same account. `full` is its address, in the one copy that is kept. */
  ofAccount(account: StoredAccount, full: string): StoredAccount {
    const domain = account.domain === undefined ? undefined : this.#domains.of(account.domain)
    const mailbox = account.mailbox === undefined ? undefined : this.#ofMailbox(account.mailbox, full)
    const appPasswords =
      account.appPasswords.length === 0
        ? (this.#noAppPasswords ??= account.appPasswords)
        : account.appPasswords
    return domain === account.domain && mailbox === account.mailbox && appPasswords === account.appPasswords
      ? account
      : { ...account, domain, mailbox, appPasswords }
  }

  #ofMailbox(mailbox: StoredMailbox, full: string): StoredMailbox {
    const services = this.#services.of(mailbox.services)
    const missing = this.#missing.of(mailbox.missing)
    if (services === mailbox.services && missing === mailbox.missing) return mailbox
    return {
      ...mailbox,
      username: mailbox.username === full ? full : mailbox.username,
      authsource: this.#sources.of(mailbox.authsource),
      kind: this.#texts.of(mailbox.kind),
      services,
      missing,
      mailboxFormat: this.#texts.of(mailbox.mailboxFormat),
      pathPrefix: this.#texts.of(mailbox.pathPrefix),
    }
  }
}
