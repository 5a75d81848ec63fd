/**
 * Which logins become a line of the log. A mail client logs in every few minutes and a flood of wrong passwords is
 * the same line over and over; a line costs more than the login itself (8 us).
 */
import { LRUCache } from 'lru-cache'

export type LoginLines = 'new' | 'failures' | 'all'

/** The same success is news again after this long. */
const OK_QUIET_MS = 5 * 60_000
const FAILURE_WINDOW_MS = 10 * 60_000
const FAILURE_LINES_PER_WINDOW = 20
const MAX_OK_KEYS = 100_000
const MAX_FAILURE_SOURCES = 50_000

interface FailureWindow {
  readonly startMs: number
  lines: number
  suppressed: number
}

export interface LineRule {
  /** Whether the success under this key (mailbox, service, network, credential) gets a line. Times are monotonic. */
  allowsOk(key: string, nowMs: number): boolean
  /** Whether a failure from this client gets a line; `source` is its address, for IPv6 its network. */
  allowsFailure(source: string, nowMs: number): boolean
  /** Ends windows that are over, and says how many lines each of them kept back. `all` ends those that are not. */
  sweep(nowMs: number, all?: boolean): void
}

/** The rule for a mode. `onSuppressed` is called once per window that kept lines back. */
export function createLineRule(
  mode: LoginLines,
  onSuppressed: (source: string, suppressed: number) => void,
): LineRule {
  const lastOkMs = new LRUCache<string, number>({ max: MAX_OK_KEYS })
  // All windows are of one length, so the order of insertion is the order in which they end.
  const windows = new Map<string, FailureWindow>()

  function end(source: string, window: FailureWindow) {
    windows.delete(source)
    if (window.suppressed > 0) onSuppressed(source, window.suppressed)
  }

  function open(source: string, nowMs: number): FailureWindow {
    const oldest = windows.size >= MAX_FAILURE_SOURCES ? windows.entries().next().value : undefined
    if (oldest !== undefined) end(...oldest)
    const window = { startMs: nowMs, lines: 0, suppressed: 0 }
    windows.set(source, window)
    return window
  }

  return {
    allowsOk(key, nowMs) {
      if (mode !== 'new') return mode === 'all'
      const last = lastOkMs.get(key)
      if (last !== undefined && nowMs - last < OK_QUIET_MS) return false
      lastOkMs.set(key, nowMs)
      return true
    },
    allowsFailure(source, nowMs) {
      if (mode === 'all') return true
      let window = windows.get(source)
      if (window !== undefined && nowMs - window.startMs >= FAILURE_WINDOW_MS) {
        end(source, window)
        window = undefined
      }
      window ??= open(source, nowMs)
      if (window.lines >= FAILURE_LINES_PER_WINDOW) {
        window.suppressed += 1
        return false
      }
      window.lines += 1
      return true
    },
    sweep(nowMs, all = false) {
      for (const [source, window] of windows) {
        if (!all && nowMs - window.startMs < FAILURE_WINDOW_MS) return
        end(source, window)
      }
    },
  }
}
