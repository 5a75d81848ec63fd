/** What the login log keeps of one login. No secret is in it, and the name is already cleaned for printing. */
import type { LoginRequest } from '../login/request.ts'
import type { Outcome } from '../login/outcome.ts'

export interface LoginLog {
  /** Records one finished login. Never awaited, never throws. */
  record(request: LoginRequest, outcome: Outcome): void
}

/** One merged line of our own log: a key with its first and last time and how often it came. */
export interface LoginLogEntry {
  /** '' for names that have no mailbox: unknown names are kept under their network only. */
  readonly mailbox: string
  readonly network: string
  readonly service: string
  readonly credential: string
  readonly verdict: string
  readonly why: string
  /** Start of the hour, milliseconds since the epoch. */
  readonly hourMs: number
  readonly firstMs: number
  readonly lastMs: number
  readonly count: number
}

/** One row of mailcow's sasl_log: the last good login by (service, ip, mailbox). */
export interface SaslLogEntry {
  readonly service: string
  readonly appPasswordId: number
  readonly mailbox: string
  readonly remoteIp: string
  readonly atMs: number
}

/** The last good login with an app password, whoever made it. */
export interface AppPasswordUse {
  /** app_passwd.id */
  readonly id: number
  readonly mailbox: string
  readonly service: string
  readonly network: string
  readonly atMs: number
}

/** The store as the login log needs it. Throws MailpassdError store_*; the log keeps what was not written. */
export interface LoginLogWriter {
  writeSaslLog(entries: readonly SaslLogEntry[]): Promise<void>
  /** A later use stays, whichever node wrote it. */
  writeAppPasswordUses(entries: readonly AppPasswordUse[]): Promise<void>
  writeLogins(entries: readonly LoginLogEntry[]): Promise<void>
  deleteLoginsBefore(atMs: number): Promise<number>
}

/** Which rows of the log are wanted, by what the database has an index for; the rest is the reader's to choose. */
export interface LoginRange {
  readonly mailbox?: string | undefined
  /** As `networkOf` writes it. Only one of mailbox and network is used as an index. */
  readonly network?: string | undefined
  /** Rows whose last login came at this time or later. */
  readonly sinceMs?: number | undefined
  /** Rows whose last login came before this time. */
  readonly beforeMs?: number | undefined
  /** The last row of the page before: the page begins behind it. */
  readonly after?: LoginLogEntry | undefined
  /** At most 500. */
  readonly limit: number
}

/** The store as whoever reads the log needs it. Throws MailpassdError store_*. */
export interface LoginLogSource {
  /** Rows by the time of their last login, newest first. */
  readLogins(range: LoginRange): Promise<readonly LoginLogEntry[]>
}
