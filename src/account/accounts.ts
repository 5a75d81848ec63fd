/**
 * The memory of accounts, one class over what is remembered and hence over 300 lines. It holds records with their age, never "password ok", and is the only place that decides
 * how old a record may be (design §3: rules 1 to 4, 7, 8, 12 and 13). `changed` is the only way to invalidate anything.
 *
 *   get ──> stored rows fresh? ──no──> one query for all waiters; the database down: rows a while longer
 *             │                          (past three quarters of it: re-read in the background)
 *             └─> directory needed? ──> record fresh? ──no──> one look-up for all waiters, at most 2 s of waiting;
 *                                                             directory down: old records, and nobody waits
 *   reread ──> after a password that did not match: the same, with a record of now
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import type { SettingsSource } from '../config/settings.ts'
import type { Address } from '../login/address.ts'
import { MailpassdError } from '../errors.ts'
import type { Why } from '../login/outcome.ts'
import type { Logger } from '../telemetry/logger.ts'
import { NOT_NEEDED, type Account, type DirectoryPart } from './account.ts'
import {
  DirectoryRecord,
  type RecordHouse,
  type DirectorySource,
  type RecordLimits,
  type ServedOld,
} from './directory-record.ts'
import { Horizon } from './horizon.ts'
import { LookupBudget, type Asker } from './lookup-budget.ts'
import { NO_PASSES, type Passes } from './passes.ts'
import { RecordBook } from './record-book.ts'
import { Sharing } from './sharing.ts'
import { isHosted, needsDirectory } from './needs-directory.ts'
import { StoreOutage } from './store-outage.ts'
import { StoredPart, type Stored, type StoredHouse, type StoredLimits } from './stored-part.ts'
import type { AccountSource, StoredAccount } from './stored.ts'
import { Unproven, type Guess } from './unproven.ts'

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
  /**
   * The account, at once where all parts are fresh. `asker` pays for a look-up of a name that nobody is known to have.
   * Rejects with MailpassdError store_*.
   */
  get(address: Address, asker?: Asker): Account | Promise<Account>
  /**
   * After a password that did not match: the account by which to judge it. Whatever is not found out makes the same
   * answer for every name, known or not. Rejects with MailpassdError store_*.
   */
  reread(address: Address, guess: Guess): Reread | Promise<Reread>
  /** Why `reread` would refuse now, whatever the directory says; undefined where it would not. Nothing is asked or spent. */
  putOff(address: Address, guess: Guess): Why | undefined
  changed(event: AccountEvent): void
}

/** What is told of answers that rest on old parts, or are not given. */
export interface AccountWatch {
  readonly servedOldRecord: ServedOld
  servedOldRows(): void
  refused(why: Why): void
}

const NOBODY_WATCHES: AccountWatch = { servedOldRecord() {}, servedOldRows() {}, refused() {} }

export type Reread =
  /** Its directory record is of now, or was read after an attempt in the last 30 s. */
  | { readonly kind: 'account'; readonly account: Account }
  /** Not found out, by the same reason whoever has the name: temp_fail. */
  | { readonly kind: 'refused'; readonly why: Why }

export interface AccountLimits extends RecordLimits, StoredLimits {
  readonly maxAccounts: number
}

interface Entry {
  readonly stored: StoredPart
  readonly record: DirectoryRecord
  /** The value handed out last; reused while its parts are the same ones. */
  account: Account | undefined
}

export class AccountMemory implements Accounts {
  readonly #directory: DirectorySource
  readonly #settings: SettingsSource
  readonly #limits: AccountLimits
  readonly #clock: Clock
  readonly #book: RecordBook
  readonly #unproven: Unproven
  readonly #storeOutage = new StoreOutage()
  readonly #watch: AccountWatch
  readonly #passes: Passes | undefined
  readonly #rowsHorizon = new Horizon()
  readonly #recordsHorizon = new Horizon()
  readonly #absentHorizon = new Horizon()
  readonly #storedHouse: StoredHouse
  readonly #recordHouse: RecordHouse
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
    /** Absent: as much as by default, and no network is known. */
    readonly budget?: LookupBudget
    readonly watch?: AccountWatch
    /** Absent: none are made. */
    readonly passes?: Passes
  }) {
    this.#directory = parts.directory
    this.#settings = parts.settings
    this.#limits = parts.limits
    this.#clock = parts.clock
    this.#book = parts.book ?? new RecordBook(parts.limits.maxAccounts)
    const budget = parts.budget ?? new LookupBudget(20, { isKnownNetwork: () => false })
    this.#unproven = new Unproven(budget, parts.limits.unknownMs)
    this.#watch = parts.watch ?? NOBODY_WATCHES
    this.#passes = parts.passes
    const { source, clock, logger, limits } = parts
    const sharing = new Sharing()
    this.#storedHouse = {
      load: async (address) => sharing.ofAccount(await source.loadAccount(address), address.full),
      clock,
      logger,
      limits,
      rowsHorizon: this.#rowsHorizon,
      outage: this.#storeOutage,
    }
    this.#recordHouse = {
      source: parts.directory,
      clock,
      logger,
      limits,
      recordsHorizon: this.#recordsHorizon,
      absentHorizon: this.#absentHorizon,
      book: this.#book,
      servedOld: this.#watch.servedOldRecord,
      passes: parts.passes ?? NO_PASSES,
    }
    this.#known = new LRUCache({ max: parts.limits.maxAccounts })
    this.#strangers = new LRUCache({ max: Math.max(1000, Math.floor(parts.limits.maxAccounts / 10)) })
  }

  get size(): number {
    return this.#known.size + this.#strangers.size
  }

  /** Whether known users may log in though the database does not answer. */
  servesOldRows(): boolean {
    const { answeredAtMs } = this.#storeOutage
    return (
      answeredAtMs !== undefined && this.#clock.monotonicMs() - answeredAtMs <= this.#limits.storeOutageMs
    )
  }

  get(address: Address, asker?: Asker): Account | Promise<Account> {
    const entry = this.#find(address)
    const nowMs = this.#clock.monotonicMs()
    const stored = entry.stored.now(nowMs)
    if (stored === undefined) return this.#load(entry, address, asker)
    if (!needsDirectory(stored.value, this.#settings()))
      return this.#account(entry, address, stored, NOT_NEEDED)
    const part = entry.record.now(nowMs)
    return part === undefined
      ? this.#load(entry, address, asker)
      : this.#account(entry, address, stored, part)
  }

  /**
   * The rows alone, fresh; costs no look-up in the directory. Rejects with MailpassdError store_*, also where the database
   * is down and old rows know no mailbox that receives: what asks here would bounce mail for it.
   */
  async stored(address: Address): Promise<StoredAccount> {
    const entry = this.#find(address)
    const { value, isOld } = await entry.stored.get()
    if (isOld && (value.mailbox?.active ?? 0) === 0)
      throw new MailpassdError('store_unavailable', 'the database is down, and old rows have no such mailbox')
    this.#settle(entry, address)
    return value
  }

  /** The addresses whose record speaks of the directory user with this id. */
  addressesOf(id: string): readonly string[] {
    return this.#book.emailsOf(id)
  }

  reread(address: Address, guess: Guess): Reread | Promise<Reread> {
    const entry = this.#find(address)
    const stored = entry.stored.now(this.#clock.monotonicMs())
    return stored === undefined
      ? entry.stored.get().then((read) => this.#reread(entry, address, read, guess))
      : this.#reread(entry, address, stored, guess)
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
        this.#passes?.userChanged(event.id)
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

  putOff(address: Address, guess: Guess): Why | undefined {
    const nowMs = this.#clock.monotonicMs()
    const stored = this.#find(address).stored.now(nowMs)
    return stored === undefined ? undefined : this.#whyPutOff(stored, guess, nowMs)
  }

  async #load(entry: Entry, address: Address, asker: Asker): Promise<Account> {
    // Concurrent callers share the query and the look-up inside the parts; each waits at most their limits.
    const stored = await entry.stored.get()
    if (!needsDirectory(stored.value, this.#settings()))
      return this.#account(entry, address, stored, NOT_NEEDED)
    const isKnown = stored.value.mailbox !== undefined || entry.record.isPresent
    const part = await entry.record.get(
      () => isKnown || this.#unproven.pay(address.full, asker, this.#clock.monotonicMs()),
    )
    if (part.kind === 'failed' && part.why === 'lookups_spent') this.#watch.refused(part.why)
    this.#settle(entry, address)
    return this.#account(entry, address, stored, part)
  }

  #reread(entry: Entry, address: Address, stored: Stored, guess: Guess): Reread | Promise<Reread> {
    const nowMs = this.#clock.monotonicMs()
    const why = this.#whyPutOff(stored, guess, nowMs)
    if (why !== undefined) return this.#refused(why)
    const asks = guess.isMain && this.#directoryDecides(stored.value)
    const sinceMs = asks
      ? this.#unproven.begin(address.full, guess.asker, entry.record.atMs, nowMs)
      : Number.NEGATIVE_INFINITY
    if (!needsDirectory(stored.value, this.#settings()))
      return { kind: 'account', account: this.#account(entry, address, stored, NOT_NEEDED) }
    const part = entry.record.since(sinceMs, sinceMs === nowMs)
    return part instanceof Promise
      ? part.then((later) => this.#rereadWith(entry, address, stored, later))
      : this.#rereadWith(entry, address, stored, part)
  }

  #rereadWith(entry: Entry, address: Address, stored: Stored, part: DirectoryPart): Reread {
    if (part.kind === 'failed') return this.#refused('reread_failed')
    this.#settle(entry, address)
    return { kind: 'account', account: this.#account(entry, address, stored, part) }
  }

  #refused(why: Why): Reread {
    this.#watch.refused(why)
    return { kind: 'refused', why }
  }

  /** The same whoever has the name: also where its rows or its record would do. */
  #whyPutOff(stored: Stored, { asker, isMain }: Guess, nowMs: number): Why | undefined {
    if (stored.isOld) return 'store_down'
    if (!this.#directoryDecides(stored.value)) return undefined
    if (this.#directory.downBy() !== undefined) return 'reread_failed'
    return isMain ? this.#unproven.whySpent(asker, nowMs) : undefined
  }

  /** Whether names like this one are the directory's to know; not whether this one needs it. */
  #directoryDecides(stored: StoredAccount): boolean {
    return this.#settings().mailpasswordFlow && isHosted(stored)
  }

  /** `stored` are the rows by which it was decided whether the directory is needed; newer ones may say otherwise. */
  #account(entry: Entry, address: Address, stored: Stored, directory: DirectoryPart): Account {
    if (stored.isOld) this.#watch.servedOldRows()
    const last = entry.account
    if (
      last !== undefined &&
      last.stored === stored.value &&
      last.storedAtMs === stored.atMs &&
      last.directory === directory &&
      (last.rowsAreOld ?? false) === stored.isOld
    )
      return last
    const account: Account = Object.freeze({
      // The entry's own: each login brings another object with the same texts.
      address: entry.stored.address,
      stored: stored.value,
      storedAtMs: stored.atMs,
      ...(stored.isOld ? { rowsAreOld: true as const } : {}),
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
    const entry: Entry = {
      stored: new StoredPart(address, this.#storedHouse),
      record: new DirectoryRecord(address.full, this.#recordHouse),
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
