/** The record book with all that fills and keeps it, as the configuration says: guard, passes, snapshot. */
import { MassChangeGuard } from '../account/mass-change.ts'
import { RecordBook } from '../account/record-book.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/schema.ts'
import { createPace } from '../directory/pace.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createKeeping } from './keeping.ts'
import { Mirror, type MirrorSource } from './mirror.ts'
import { parseRecordKey, RecordKey } from './record-key.ts'
import { Snapshot, type SnapshotRows } from './snapshot.ts'

/** Design §3 rule 11: 300,000 mailboxes every 15 minutes cost no more. */
const CALLS_PER_SECOND = 20
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

export interface RecordsParts {
  readonly config: Config
  /** Where the directory is, for messages. */
  readonly where: string
  readonly directory: MirrorSource
  readonly rows: SnapshotRows
  /** Throws MailpassdError store_*. */
  readonly hostedDomains: () => Promise<readonly string[]>
  readonly areEventsOnTime?: () => boolean
  readonly clock: Clock
  readonly logger: Logger
}

export type Records = ReturnType<typeof openRecords>

/** Reads and writes nothing before `start`. */
export function openRecords(parts: RecordsParts) {
  const { config, where, directory, rows, hostedDomains, clock, logger } = parts
  const {
    max_change_percent: maxPercent,
    mode,
    mirror_minutes,
    outage_hours,
    snapshot_key,
  } = config.directory
  const guard = new MassChangeGuard({ clock, logger, maxPercent })
  const book = new RecordBook(config.memory.accounts, guard)
  const mirror = new Mirror({
    directory,
    book,
    hostedDomains,
    everyMs: mode === 'mirror' ? mirror_minutes * MINUTE_MS : undefined,
    ...(parts.areEventsOnTime === undefined ? {} : { areEventsOnTime: parts.areEventsOnTime }),
    pace: createPace(clock, CALLS_PER_SECOND),
    clock,
    logger,
  })
  const key = snapshot_key === undefined ? undefined : parseRecordKey(snapshot_key)
  const snapshot =
    key === undefined || outage_hours === 0
      ? undefined
      : new Snapshot({
          rows,
          key: new RecordKey(key),
          book,
          hostedDomains,
          outageMs: outage_hours * HOUR_MS,
          clock,
          logger,
        })
  return {
    book,
    guard,
    passes: mirror,
    keeping: createKeeping({ where, book, guard, mirror, snapshot }),
    figures: () => ({ pass: mirror.state(), snapshot: snapshot?.state() }),
    start() {
      snapshot?.start()
      mirror.start()
    },
    async stop() {
      mirror.stop()
      await snapshot?.stop()
    },
  }
}
