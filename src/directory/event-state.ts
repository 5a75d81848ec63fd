/** How the reading of events goes, for status and log. */
import type { ErrorCode } from '../errors.ts'
import type { ChangeSettings } from './changes.ts'

export interface EventsState {
  readonly state: 'starting' | 'reading' | 'failing' | 'not_kept' | 'hidden'
  /** What is not kept of what should be. */
  readonly missing: readonly string[]
  readonly error: ErrorCode | undefined
  /** Monotonic: when the last window that was read was asked for; all that was reported before it counts. */
  readonly readAtMs: number | undefined
  /** Since the start. */
  readonly changes: number
  /** Users that are to be looked up again. */
  readonly pending: number
}

export function stateOf(
  settings: ChangeSettings | 'hidden' | undefined,
  error: ErrorCode | undefined,
  readAtMs: number | undefined,
): EventsState['state'] {
  if (settings === 'hidden') return 'hidden'
  if (error !== undefined) return 'failing'
  if (settings !== undefined && settings.missing.length > 0) return 'not_kept'
  return readAtMs === undefined ? 'starting' : 'reading'
}

/** What of the events does not reach us, in words; '' where all do. */
export function missingWords(settings: ChangeSettings | 'hidden' | undefined): string {
  if (settings === undefined) return 'not known'
  return settings === 'hidden' ? 'all: our client has no role view-events' : settings.missing.join(', ')
}
