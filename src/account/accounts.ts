/**
 * The memory of accounts. It holds records with their age, never "password ok", and is the only place that decides
 * how old a record may be (design §3: rules 1, 2, 7's memory of unknown users, 12). `changed` is the only way to
 * invalidate anything.
 *
 *   get ──> stored rows fresh? ──no──> one query for all waiters
 *             │                          (past half their time: re-read in the background)
 *             └─> directory needed? ──> record fresh? ──no──> one look-up for all waiters, at most 2 s of waiting
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import type { SettingsSource } from '../config/settings.ts'
import type { Address } from '../login/address.ts'
import type { Logger } from '../telemetry/logger.ts'
import { NOT_NEEDED, type Account, type DirectoryPart } from './account.ts'
import { DirectoryRecord, type DirectorySource, type RecordLimits } from './directory-record.ts'
import { Horizon } from './horizon.ts'
import { RecordBook } from './record-book.ts'
import { isHosted, needsDirectory } from './needs-directory.ts'
import { StoredPart, type Stored } from './stored-part.ts'
import type { AccountSource, StoredAccount } from './stored.ts'

/** What somebody learned that may make a remembered account wrong. */
export type AccountEvent =
  | { readonly kind: 'mailbox'; readonly address: string }
  | { readonly kind: 'domain' }
  | { readonly kind: 'directory'; readonly address: string }
  /** The directory user with this id was changed in any way; an id that is not known is none of ours. */
  | { readonly kind: 'directory_user'; readonly id: string }
  /** Somebody may have an address now that nobody had. */
  | { readonly kind: 'directory_newcomer' }
  | { readonly kind: 'everything' }

export interface Accounts {
  /** The account, at once where all parts are fresh. Rejects with MailpassdError store_*. */
  get(address: Address): Account | Promise<Account>
  changed(event: AccountEvent): void
}

export interface AccountLimits extends RecordLimits {
  readonly maxAccounts: number
  readonly storeFreshMs: number
}

interface Entry {
  readonly stored: StoredPart
  readonly record: DirectoryRecord
  /** The value handed out last; reused while its parts are the same ones. */
  account: Account | undefined
}

export class AccountMemory implements Accounts {
  readonly #source: AccountSource
  readonly #directory: DirectorySource
  readonly #settings: SettingsSource
  readonly #limits: AccountLimits
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #book: RecordBook
  readonly #rowsHorizon = new Horizon()
  readonly #recordsHorizon = new Horizon()
  readonly #absentHorizon = new Horizon()
  readonly #known: LRUCache<string, Entry>
  /** Names nobody has: kept apart, so that a flood of made-up names cannot push out real accounts. */
  readonly #strangers: LRUCache<string, Entry>

  constructor(parts: {
    readonly source: AccountSource
    readonly directory: DirectorySource
    readonly settings: SettingsSource
    readonly limits: AccountLimits
    readonly clock: Clock
    readonly logger: Logger
    /** Absent: an empty one. */
    readonly book?: RecordBook
  }) {
    this.#source = parts.source
    this.#directory = parts.directory
    this.#settings = parts.settings
    this.#limits = parts.limits
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#book = parts.book ?? new RecordBook(parts.limits.maxAccounts)
    this.#known = new LRUCache({ max: parts.limits.maxAccounts })
    this.#strangers = new LRUCache({ max: Math.max(1000, Math.floor(parts.limits.maxAccounts / 10)) })
  }

  get size(): number {
    return this.#known.size + this.#strangers.size
  }

  get(address: Address): Account | Promise<Account> {
    const entry = this.#find(address)
    const nowMs = this.#clock.monotonicMs()
    const stored = entry.stored.fresh(nowMs)
    if (stored === undefined) return this.#load(entry, address)
    if (!needsDirectory(stored.value, this.#settings()))
      return this.#account(entry, address, stored, NOT_NEEDED)
    const part = entry.record.fresh(nowMs)
    return part === undefined ? this.#load(entry, address) : this.#account(entry, address, stored, part)
  }

  /** The rows alone, fresh; costs no look-up in the directory. Rejects with MailpassdError store_*. */
  async stored(address: Address): Promise<StoredAccount> {
    const entry = this.#find(address)
    const { value } = await entry.stored.get()
    this.#settle(entry, address)
    return value
  }

  /** The addresses whose record speaks of the directory user with this id. */
  addressesOf(id: string): readonly string[] {
    return this.#book.emailsOf(id)
  }

  changed(event: AccountEvent): void {
    const nowMs = this.#clock.monotonicMs()
    switch (event.kind) {
      case 'mailbox':
        this.#entry(event.address)?.stored.invalidate(nowMs)
        return
      case 'directory':
        this.#book.invalidate(event.address, nowMs)
        this.#entry(event.address)?.record.invalidate(nowMs)
        return
      case 'directory_user':
        for (const email of this.#book.emailsOf(event.id)) this.#book.invalidate(email, nowMs)
        return
      case 'directory_newcomer':
        this.#absentHorizon.move(nowMs)
        return
      case 'domain':
        this.#rowsHorizon.move(nowMs)
        return
      case 'everything':
        this.#rowsHorizon.move(nowMs)
        this.#recordsHorizon.move(nowMs)
    }
  }

  async #load(entry: Entry, address: Address): Promise<Account> {
    // Concurrent callers share the query and the look-up inside the parts; each waits at most their limits.
    const stored = await entry.stored.get()
    if (!needsDirectory(stored.value, this.#settings()))
      return this.#account(entry, address, stored, NOT_NEEDED)
    const part = await entry.record.get()
    this.#settle(entry, address)
    return this.#account(entry, address, stored, part)
  }

  /** `stored` are the rows by which it was decided whether the directory is needed; newer ones may say otherwise. */
  #account(entry: Entry, address: Address, stored: Stored, directory: DirectoryPart): Account {
    const last = entry.account
    if (
      last !== undefined &&
      last.stored === stored.value &&
      last.storedAtMs === stored.atMs &&
      last.directory === directory
    )
      return last
    const account: Account = Object.freeze({
      address,
      stored: stored.value,
      storedAtMs: stored.atMs,
      directory,
    })
    entry.account = account
    this.#settle(entry, address)
    return account
  }

  #find(address: Address): Entry {
    return this.#known.get(address.full) ?? this.#strangers.get(address.full) ?? this.#open(address)
  }

  #open(address: Address): Entry {
    const parts = { clock: this.#clock, logger: this.#logger, limits: this.#limits }
    const entry: Entry = {
      stored: new StoredPart(() => this.#source.loadAccount(address), {
        ...parts,
        horizon: this.#rowsHorizon,
      }),
      record: new DirectoryRecord(address.full, this.#directory, {
        ...parts,
        horizon: this.#recordsHorizon,
        absentHorizon: this.#absentHorizon,
        book: this.#book,
      }),
      account: undefined,
    }
    // From the first caller on, so that all that come meanwhile share its query and look-up.
    this.#strangers.set(address.full, entry)
    return entry
  }

  /** Moves an entry to where it belongs now that its parts are known. */
  #settle(entry: Entry, address: Address): void {
    const stored = entry.stored.latest()?.value
    if (stored === undefined) return
    const isKnown = stored.mailbox !== undefined || entry.record.isPresent
    if (isKnown) {
      if (this.#known.peek(address.full) === entry) return
      this.#strangers.delete(address.full)
      this.#known.set(address.full, entry)
    } else if (!isHosted(stored)) {
      // Nothing about it is worth remembering: one indexed query says the same again.
      this.#strangers.delete(address.full)
    }
  }

  #entry(address: string): Entry | undefined {
    return this.#known.peek(address) ?? this.#strangers.peek(address)
  }
}
