/**
 * Writes the login log's buffers once a second. A writer that fails keeps them where they are, and is asked again
 * after 1, 2, 4 … 60 s; logins go on and merge into what waits.
 */
import type { Cancel, Clock } from '../clock.ts'
import { toMailpassdError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { LoginMetrics } from '../telemetry/metrics.ts'
import type { AppPasswordUse, LoginLogEntry, LoginLogWriter, SaslLogEntry } from './event.ts'
import type { LatestBuffer } from './latest.ts'
import type { LineRule } from './lines.ts'
import type { MergeBuffer } from './merge.ts'

const FLUSH_EVERY_MS = 1000
const MAX_PAUSE_MS = 60_000
const DELETE_EVERY_MS = 3_600_000
const DAY_MS = 86_400_000
/** SQLite's bound for one transaction on the main thread (2 us a row); MariaDB takes it as one statement. */
const ROWS_PER_WRITE = 500
/** So that one flush of a full buffer does not write for minutes; the rest follows a second later. */
const WRITES_PER_FLUSH = 20

export interface FlusherOptions {
  readonly writer: LoginLogWriter
  readonly metrics: LoginMetrics
  readonly logger: Logger
  readonly clock: Clock
  readonly retentionDays: number
  readonly merged: MergeBuffer
  readonly saslLog: LatestBuffer<SaslLogEntry>
  readonly uses: LatestBuffer<AppPasswordUse>
  readonly lines: LineRule
}

export interface Flusher {
  /** Logins on their way to the database; whether they are there yet is not known. */
  writing(): readonly LoginLogEntry[]
  start(): void
  flush(): Promise<void>
  close(): Promise<void>
}

export function createFlusher(options: FlusherOptions): Flusher {
  const { writer, metrics, logger, clock, merged, saslLog, uses, lines } = options
  let cancel: Cancel = () => {}
  let isClosed = false
  let failures = 0
  let nextDeleteMs = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined
  let writing: readonly LoginLogEntry[] = []

  /** Writes batch by batch until nothing is due. What failed is put back; the first error goes up. */
  async function writeAll(all: boolean) {
    const maxWrites = all ? Number.POSITIVE_INFINITY : WRITES_PER_FLUSH
    for (let writes = 0; writes < maxWrites; writes += 1) {
      const logins = merged.take(ROWS_PER_WRITE)
      writing = logins
      const rows = saslLog.take(ROWS_PER_WRITE, clock.monotonicMs(), all)
      const used = uses.take(ROWS_PER_WRITE, clock.monotonicMs(), all)
      if (logins.length === 0 && rows.length === 0 && used.length === 0) return
      // All are tried: one table that is locked or missing must not cost the other's rows.
      const faults = [
        await writeBatch(
          logins,
          (batch) => writer.writeLogins(batch),
          (batch) => merged.putBack(batch),
        ).finally(() => {
          writing = []
        }),
        await writeBatch(
          rows,
          (batch) => writer.writeSaslLog(batch),
          (batch) => saslLog.putBack(batch),
        ),
        await writeBatch(
          used,
          (batch) => writer.writeAppPasswordUses(batch),
          (batch) => uses.putBack(batch),
        ),
      ]
      if (!all && faults[1] === undefined) saslLog.written(rows, clock.monotonicMs())
      if (!all && faults[2] === undefined) uses.written(used, clock.monotonicMs())
      const fault = faults.find((one) => one !== undefined)
      if (fault !== undefined) throw toMailpassdError(fault.error)
    }
  }

  async function writeBatch<T>(
    batch: readonly T[],
    send: (batch: readonly T[]) => Promise<void>,
    putBack: (batch: readonly T[]) => number,
  ): Promise<{ readonly error: unknown } | undefined> {
    if (batch.length === 0) return undefined
    try {
      await send(batch)
      return undefined
    } catch (error) {
      const lost = putBack(batch)
      if (lost > 0) metrics.recordLoginLogOverflow(lost)
      return { error }
    }
  }

  async function deleteOld() {
    const nowMs = clock.monotonicMs()
    if (nowMs < nextDeleteMs) return
    nextDeleteMs = nowMs + DELETE_EVERY_MS
    const deleted = await writer.deleteLoginsBefore(clock.nowMs() - options.retentionDays * DAY_MS)
    if (deleted > 0) logger.debug({ deleted }, 'old login log entries deleted')
  }

  async function flushOnce(all: boolean) {
    lines.sweep(clock.monotonicMs(), all)
    try {
      await writeAll(all)
      if (!all) await deleteOld()
      if (failures > 0) logger.info({ failures }, 'login log written again')
      failures = 0
    } catch (error) {
      failures += 1
      metrics.recordLoginLogWriteError()
      // Once per outage, not once per try.
      if (failures === 1)
        logger.warn({ err: error }, 'login log cannot be written; it is kept and tried again')
    }
  }

  /** One flush at a time: a slow writer must not get the same rows in two orders. */
  function flush(all: boolean): Promise<void> {
    const next = (running ?? Promise.resolve()).then(() => flushOnce(all))
    running = next
    return next
  }

  function schedule() {
    if (isClosed) return
    const pauseMs = Math.min(FLUSH_EVERY_MS * 2 ** Math.min(failures, 10), MAX_PAUSE_MS)
    cancel = clock.after(pauseMs, () => void flush(false).then(schedule))
  }

  return {
    start: schedule,
    writing: () => writing,
    flush: () => flush(false),
    async close() {
      isClosed = true
      cancel()
      await flush(true)
      const lost = merged.size + saslLog.size + uses.size
      if (lost > 0) logger.error({ lost }, 'login log entries lost: they could not be written before the end')
    },
  }
}
