/** What an operator does and sees when an account may be stolen: the lock, and who used the mailbox lately. */

export interface Lock {
  readonly sinceMs: number
  /** Wall clock; absent: until it is unlocked. */
  readonly untilMs: number | undefined
  /** '' where none was given. */
  readonly reason: string
}

export interface LockTerms {
  /** Wall clock; absent: until it is unlocked. */
  readonly untilMs: number | undefined
  /** At most 255 characters, without control characters. Absent: that of an earlier lock stays. */
  readonly reason: string | undefined
}

/** Good logins of one credential from one network over one protocol, as far back as the login log goes. */
export interface CredentialUse {
  /** `main` or `app:<id>`. */
  readonly credential: string
  readonly network: string
  readonly service: string
  readonly firstMs: number
  readonly lastMs: number
  readonly count: number
}

/** The last good login from one address over one protocol (sasl_log, which others write to as well). */
export interface AddressUse {
  readonly remoteIp: string
  readonly service: string
  readonly credential: string
  readonly lastMs: number
}

export interface AppPasswordUse {
  readonly id: number
  readonly name: string
  readonly active: boolean
  readonly lastMs: number | undefined
  readonly lastService: string | undefined
  readonly lastNetwork: string | undefined
}

/** Each newest first, and bounded. */
export interface RecentUse {
  readonly credentials: readonly CredentialUse[]
  readonly addresses: readonly AddressUse[]
  readonly appPasswords: readonly AppPasswordUse[]
}

export interface LockState {
  readonly address: string
  /** Whether there is such a mailbox, or what the address is instead. */
  readonly mailbox: 'present' | 'absent' | 'alias' | 'alias_domain'
  /** The lock as it is now, also where its time is over. */
  readonly lock: Lock | undefined
  readonly isLocked: boolean
  /** Undefined where it could not be read; the lock stands nevertheless. */
  readonly use: RecentUse | undefined
}

export interface Locked extends LockState {
  /** What ends live sessions now: a row of the outbox for each Dovecot. */
  readonly ending: readonly Ending[]
}

export interface Ending {
  readonly dovecot: string
  /** The row's id. */
  readonly id: number
}

/** The store as whoever locks needs it. Addresses are canonical. Throws MailpassdError store_*. */
export interface Locks {
  /** Counts from now on, on every node within 2 s; locking again changes time and reason. Ends live sessions. */
  lock(address: LockAddress, terms: LockTerms): Promise<Locked>
  /** Gives the state afterwards, and the lock that there was. */
  unlock(address: LockAddress): Promise<LockState & { readonly before: Lock | undefined }>
  show(address: LockAddress): Promise<LockState>
}

export interface LockAddress {
  readonly local: string
  readonly domain: string
  readonly full: string
}
