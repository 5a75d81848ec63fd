/**
 * The outbox as rooms see it: work for others (Dovecot, Redis, Keycloak) that is written in the transaction of its
 * cause and done afterwards, at least once, by whichever node takes it. What a row asks for must bear being done twice.
 */

/** Work that is written now. */
export interface OutboxEntry {
  /** Who does it: `redis`, or `dovecot:<endpoint>`. At most 64 characters; never what a stranger chose. */
  readonly consumer: string
  /** What to do, a word of the consumer's; at most 32 characters. */
  readonly action: string
  /** The mailbox it is about, '' where it is about none. */
  readonly address: string
  /** Whatever the consumer needs beside it; kept as JSON. No secrets. */
  readonly body: unknown
  /** Not before this, wall clock. */
  readonly dueMs: number
}

/** A row that this process alone works on until its lease ends. */
export interface OutboxRow {
  readonly id: number
  readonly consumer: string
  readonly action: string
  readonly address: string
  /** Parsed; undefined where it is no JSON. */
  readonly body: unknown
  readonly createdMs: number
  /** How often it was taken, this time included. */
  readonly tries: number
  /** Wall clock; also what tells our claim from a later one. */
  readonly leaseUntilMs: number
}

/** The store as a drain needs it. Throws MailpassdError store_*. */
export interface OutboxSource {
  /** At most `limit` rows of this consumer that are due and nobody works on; nobody else gets them for `leaseMs`. */
  claim(consumer: string, limit: number, leaseMs: number): Promise<readonly OutboxRow[]>
  /** The row's work is done or moot: it goes. */
  done(row: OutboxRow): Promise<void>
  /** The row's work failed: it is due again at `dueMs`, unless somebody else took it meanwhile. */
  postpone(row: OutboxRow, error: string, dueMs: number): Promise<void>
}

/** What waits for one consumer. */
export interface OutboxPending {
  readonly consumer: string
  readonly count: number
  /** When the oldest of them was written, wall clock. */
  readonly oldestMs: number
}

/** A row that was not done yet, as whoever wrote it sees it. */
export interface OutboxState {
  readonly id: number
  readonly consumer: string
  readonly tries: number
  /** '' where nothing failed so far. */
  readonly lastError: string
}
