/**
 * Warnings about what is out of order for everybody. During an outage each login would say the same of the database
 * or the directory; a line costs more than the login itself (8 us), and thousands a second hide all others.
 */
import type { Clock } from '../clock.ts'
import type { Logger } from './logger.ts'

/** The same warning again after this. */
const EVERY_MS = 10_000
/** Different warnings that are told apart; beyond it all are forgotten and begin anew. */
const MAX_KINDS = 1000

interface Kind {
  saidAtMs: number
  suppressed: number
}

/**
 * The same logger, but a warning of the same text about the same error comes once in ten seconds, with the number of
 * those that were kept back since. Other levels go through.
 */
export function sparing(logger: Logger, clock: Clock): Logger {
  const kinds = new Map<string, Kind>()
  return {
    trace: (fields, text) => logger.trace(fields, text),
    debug: (fields, text) => logger.debug(fields, text),
    info: (fields, text) => logger.info(fields, text),
    error: (fields, text) => logger.error(fields, text),
    warn(fields, text) {
      const error = 'err' in fields ? fields.err : undefined
      const key = error instanceof Error ? `${text}\n${error.message}` : text
      const nowMs = clock.monotonicMs()
      const kind = kinds.get(key)
      if (kind !== undefined && nowMs - kind.saidAtMs < EVERY_MS) {
        kind.suppressed += 1
        return
      }
      if (kinds.size >= MAX_KINDS) kinds.clear()
      kinds.set(key, { saidAtMs: nowMs, suppressed: 0 })
      const suppressed = kind?.suppressed ?? 0
      logger.warn(suppressed === 0 ? fields : { ...fields, suppressed }, text)
    },
  }
}
