/**
 * `mailpassd log --follow`: looks each second for lines that came or grew. Other nodes write theirs a little later,
 * so each look goes back some seconds and shows what is new in it. Goes on while daemon or database restart, and after
 * that looks back to its beginning for as long as the nodes may still be writing what waited.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '../clock.ts'
import { toMailpassdError } from '../errors.ts'
import type { LoginLine } from '../login-log/line.ts'
import type { LoginQuery } from '../login-log/query.ts'
import type { Io } from './command.ts'
import { newest, type LogPages } from './log-source.ts'
import { LOG_HEAD, logLineText, type LogStyle } from './log-text.ts'

const LOOK_EVERY_MS = 1000
const LOOK_BACK_MS = 10_000
/** A node tries its database again after at most a minute (login-log/flusher.ts), and writes then what waited. */
const LATE_WRITE_MS = 75_000
/** Lines of one look; what is more is left out, and said. */
const MAX_LINES_A_LOOK = 3000
/** Lines whose number of logins is remembered, to show what is new. */
const MAX_SEEN = 20_000
const HOUR_MS = 3_600_000

export interface Following {
  readonly pages: LogPages
  readonly query: LoginQuery
  /** Lines shown at the beginning. */
  readonly limit: number
  readonly style: LogStyle
  readonly io: Io
}

/** Until SIGINT or SIGTERM, or nobody reads the output any more. Throws MailpassdError where the first look fails. */
export async function followLog({ pages, query, limit, style, io }: Following): Promise<void> {
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  io.outputEnded?.addEventListener('abort', onSignal)
  const seen = new Map<string, number>()
  let isFailing = false
  let isCut = false
  let catchUpUntilMs = Number.NEGATIVE_INFINITY
  let fromMs = systemClock.nowMs()
  try {
    const { lines } = await newest(pages, query, limit)
    for (const line of await growing(pages, query, fromMs)) countNew(seen, line)
    for (const line of lines.toReversed()) countNew(seen, line)
    if (seen.size >= MAX_SEEN)
      io.err(
        `mailpassd: this hour has more than ${MAX_SEEN} lines; the number of logins of others is that of the hour\n`,
      )
    if (!style.isJson) io.out(LOG_HEAD)
    for (const line of lines.toReversed()) io.out(logLineText(line, style))
    while (!stop.signal.aborted) {
      await wait(LOOK_EVERY_MS, undefined, { signal: stop.signal }).catch(() => undefined)
      if (stop.signal.aborted) return
      const lookedMs = systemClock.nowMs()
      try {
        const lines = await recent(pages, query, fromMs)
        for (const line of lines.toReversed()) {
          const count = countNew(seen, line)
          if (count > 0) io.out(logLineText({ ...line, count }, style))
        }
        const wasCut = isCut
        isCut = lines.length >= MAX_LINES_A_LOOK
        if (isCut && !wasCut)
          io.err(`mailpassd: more than ${MAX_LINES_A_LOOK} lines came at once; some are left out\n`)
        if (isFailing) {
          io.err('mailpassd: the login log is read again\n')
          catchUpUntilMs = systemClock.monotonicMs() + LATE_WRITE_MS
        }
        isFailing = false
        if (systemClock.monotonicMs() >= catchUpUntilMs) fromMs = lookedMs
      } catch (thrown) {
        if (!isFailing) io.err(`mailpassd: ${toMailpassdError(thrown).message}; trying again each second\n`)
        isFailing = true
      }
    }
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    io.outputEnded?.removeEventListener('abort', onSignal)
  }
}

/** Lines with a login since shortly before `fromMs`, newest first. */
async function recent(pages: LogPages, query: LoginQuery, fromMs: number): Promise<readonly LoginLine[]> {
  const since = new Date(fromMs - LOOK_BACK_MS).toISOString()
  return (await newest(pages, { ...query, since }, MAX_LINES_A_LOOK)).lines
}

/**
 * Lines that may still grow, which is news then, while what they hold now is none: those of this hour, and what the
 * first look will go back to. Oldest first.
 */
async function growing(pages: LogPages, query: LoginQuery, nowMs: number): Promise<readonly LoginLine[]> {
  const sinceMs = Math.min(nowMs - (nowMs % HOUR_MS), nowMs - LOOK_BACK_MS)
  const since = new Date(sinceMs).toISOString()
  return (await newest(pages, { ...query, since }, MAX_SEEN)).lines.toReversed()
}

/** How many logins of a line were not shown yet. */
function countNew(seen: Map<string, number>, line: LoginLine): number {
  const { mailbox, network, service, credential, verdict, why, first } = line
  // Its hour: the line of the next one is another.
  const key = [mailbox, network, service, credential, verdict, why, first.slice(0, 13)].join('\n')
  const before = seen.get(key) ?? 0
  seen.delete(key)
  seen.set(key, line.count)
  if (seen.size > MAX_SEEN) {
    const oldest = seen.keys().next()
    if (oldest.done !== true) seen.delete(oldest.value)
  }
  return line.count - before
}
