/**
 * Reads the change table every second, so that what another node, a command or this daemon's own writer changed
 * counts here within 2 s (design §3). When the table cannot be read, nothing remembered is trusted beyond its own age.
 */
import type { Cancel, Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { AccountEvent } from './accounts.ts'

export interface ChangeRow {
  readonly id: number
  readonly address: string
  readonly kind: 'mailbox' | 'domain'
}

/** The store as this room needs it. Throws MailpassdError store_*. */
export interface ChangeSource {
  lastChangeId(): Promise<number>
  /** At most 1000 rows after this id, and such before it that were committed late. */
  readChanges(afterId: number): Promise<readonly ChangeRow[]>
  /** Deletes what every node has read. */
  pruneChanges(): Promise<number>
}

const EVERY_MS = 1000
/** What one read gives at most: there may be more. */
const FULL_READ = 1000
const PRUNE_EVERY_MS = 10 * 60 * 1000

export interface ChangeFollower {
  state(): {
    /** The greatest id that was read. */
    readonly lastId: number | undefined
    /** When the table was last read, monotonic. */
    readonly readAtMs: number | undefined
    readonly isFailing: boolean
  }
  stop(): void
}

export function followChanges(parts: {
  readonly source: ChangeSource
  readonly changed: (event: AccountEvent) => void
  readonly clock: Clock
  readonly logger: Logger
}): ChangeFollower {
  let highest: number | undefined
  let prunedAtMs = parts.clock.monotonicMs()
  let isStopped = false
  let isFailing = false
  let readAtMs: number | undefined
  let cancel: Cancel = () => {}

  // Set while we waited.
  const wasStopped = () => isStopped

  async function read(): Promise<void> {
    if (highest === undefined) {
      highest = await parts.source.lastChangeId()
      // What was loaded before the first look may be older than the rows that are skipped by starting here.
      parts.changed({ kind: 'everything' })
      return
    }
    // An import of thousands must not put off the lock that was written behind it.
    for (let isMore = true; isMore;) {
      const rows = await parts.source.readChanges(highest)
      isMore = rows.length >= FULL_READ && !wasStopped()
      for (const row of rows) {
        highest = Math.max(highest, row.id)
        if (row.kind === 'mailbox') parts.changed({ kind: 'mailbox', address: row.address })
      }
      // Once for all of them.
      if (rows.some((row) => row.kind === 'domain')) parts.changed({ kind: 'domain' })
    }
    const nowMs = parts.clock.monotonicMs()
    if (nowMs - prunedAtMs < PRUNE_EVERY_MS) return
    prunedAtMs = nowMs
    await parts.source.pruneChanges()
  }

  async function turn(): Promise<void> {
    try {
      await read()
      readAtMs = parts.clock.monotonicMs()
      if (isFailing) parts.logger.info({}, 'the change table is read again')
      isFailing = false
    } catch (error) {
      if (!isFailing) parts.logger.warn({ err: error }, 'the change table cannot be read')
      isFailing = true
    }
    if (!isStopped) cancel = parts.clock.after(EVERY_MS, () => void turn())
  }

  void turn()
  return {
    state: () => ({ lastId: highest, readAtMs, isFailing }),
    stop() {
      isStopped = true
      cancel()
    },
  }
}
