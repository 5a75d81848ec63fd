/**
 * Raises alarms: a line in the log, a number in the metrics, and a row in the outbox for the webhook, from which it is
 * tried until it arrives. Called inside a login: nothing here waits for anything, and what cannot be written yet waits in
 * memory, bounded.
 */
import type { Cancel, Clock } from '../clock.ts'
import type { OutboxEntry } from '../outbox/outbox.ts'
import type { LoginAlarm } from '../policy/alarm-rules.ts'
import type { Logger } from '../telemetry/logger.ts'
import { alarmBody, type AlarmBody, type AlarmKind } from './alarm.ts'
import { ALARM, WEBHOOK } from './consume.ts'

/** Beyond it the oldest is given up: somebody has been told by then that there is something to look at. */
const MAX_WAITING = 1000
const RETRY_MS = 5000

export interface AlarmMetrics {
  recordAlarm(kind: AlarmKind): void
}

export interface AlarmParts {
  /** Absent where there is no webhook. Throws MailpassdError store_*. */
  readonly outbox: { add(entry: OutboxEntry): Promise<unknown> } | undefined
  readonly metrics: AlarmMetrics
  readonly logger: Logger
  readonly clock: Clock
}

export interface Alarms {
  /** Never throws, never waits. */
  raise(alarm: LoginAlarm): void
  /** Called when a row was written: whoever drains the outbox looks at once. */
  onWritten(wake: () => void): void
  /** Writes what waits, once, and stops. Never throws. */
  close(): Promise<void>
}

export function createAlarms({ outbox, metrics, logger, clock }: AlarmParts): Alarms {
  const waiting: AlarmBody[] = []
  let writing: Promise<void> | undefined
  let cancelRetry: Cancel | undefined
  let isClosed = false
  let wake: () => void = () => {}

  async function writeAll(queue: NonNullable<AlarmParts['outbox']>): Promise<void> {
    for (let body = waiting[0]; body !== undefined; body = waiting[0]) {
      const dueMs = clock.nowMs()
      await queue.add({ consumer: WEBHOOK, action: ALARM, address: body.mailbox ?? '', body, dueMs })
      // Not another one: a full queue may have given up what was being written.
      if (waiting[0] === body) waiting.shift()
    }
  }

  /** True where all was written. */
  async function attempt(queue: NonNullable<AlarmParts['outbox']>): Promise<boolean> {
    try {
      await writeAll(queue)
      wake()
      return true
    } catch (error) {
      logger.warn({ err: error, waiting: waiting.length }, 'alarms cannot be kept yet, it is tried again')
      if (!isClosed) cancelRetry = clock.after(RETRY_MS, retry)
      return false
    }
  }

  function retry(): void {
    cancelRetry = undefined
    write()
  }

  function write(): void {
    if (outbox === undefined || writing !== undefined || cancelRetry !== undefined) return
    writing = attempt(outbox).then((isWritten) => {
      writing = undefined
      // Raised when the last was just written.
      if (isWritten && waiting.length > 0) write()
    })
  }

  return {
    raise(alarm) {
      try {
        const body = alarmBody(alarm, clock.nowMs())
        const { text, ...fields } = body
        logger.warn(fields, text)
        metrics.recordAlarm(alarm.kind)
        if (outbox === undefined) return
        if (waiting.length >= MAX_WAITING) {
          const lost = waiting.shift()
          logger.error({ id: lost?.id }, 'an alarm is given up: too many wait to be kept')
        }
        waiting.push(body)
        write()
      } catch (error) {
        logger.error({ err: error }, 'an alarm could not be raised')
      }
    },
    onWritten(then) {
      wake = then
    },
    async close() {
      await writing
      isClosed = true
      cancelRetry?.()
      cancelRetry = undefined
      write()
      await writing
      if (waiting.length > 0)
        logger.error({ alarms: waiting.length }, 'alarms are lost: they could not be kept before the end')
    },
  }
}
