/** What an operator sees of the records of the directory, and may do to them. */
import type { MassChangeGuard } from '../account/mass-change.ts'
import type { RecordBook } from '../account/record-book.ts'
import type { Accepted, DirectoryState, MassChangeBody, PassBody } from '../telemetry/directory-state.ts'
import type { Mirror } from './mirror.ts'
import type { Snapshot } from './snapshot.ts'

export interface Keeping {
  state(): DirectoryState
  /** Ends a mass change: what the directory says counts, for `openMs` of everybody. */
  accept(openMs: number): Accepted
  /** Begins a pass; false where one runs already. */
  pass(): boolean
}

/** Of those who are held so many are named. */
const NAMED = 100

export function createKeeping(parts: {
  readonly where: string
  readonly book: RecordBook
  readonly guard: MassChangeGuard
  readonly mirror: Mirror
  /** Absent: no key. */
  readonly snapshot: Snapshot | undefined
}): Keeping {
  const { where, book, guard, mirror, snapshot } = parts
  return {
    state: () => ({
      where,
      records: { count: book.size, max: book.max },
      ...passes(mirror),
      snapshot: snapshot === undefined ? null : snapshotBody(snapshot),
      mass_change: massChange(guard),
    }),
    accept(openMs) {
      const accepted = guard.accept(openMs)
      return { accepted, mass_change: massChange(guard) }
    },
    pass: () => mirror.passNow(),
  }
}

function passes(mirror: Mirror): Pick<DirectoryState, 'mode' | 'pass'> {
  const { mode, running, last, completeAgeMs, isOnTime, isActive } = mirror.state()
  const pass: PassBody = {
    active: isActive,
    running:
      running === undefined
        ? null
        : {
            users: running.seen,
            expected: running.expected,
            per_second: Math.round(running.perSecond),
            remaining_ms: Math.round(running.remainingMs),
          },
    last:
      last === undefined
        ? null
        : {
            ended_at: new Date(last.endedAtMs).toISOString(),
            result: last.result,
            duration_ms: last.durationMs,
            users: last.users,
            kept: last.kept,
            faults: last.faults,
            calls: last.calls,
          },
    complete_age_ms: completeAgeMs === undefined ? null : Math.round(completeAgeMs),
    on_time: isOnTime,
  }
  return { mode, pass }
}

function snapshotBody(snapshot: Snapshot): NonNullable<DirectoryState['snapshot']> {
  const { isLoading, loaded, written, pending, unreadable, isFailing } = snapshot.state()
  return { loading: isLoading, loaded, written, pending, unreadable, failing: isFailing }
}

function massChange(guard: MassChangeGuard): MassChangeBody {
  const { state, turned, limit, sinceMs, openUntilMs } = guard.state()
  return {
    state,
    turned,
    limit,
    since: timeText(sinceMs),
    open_until: timeText(openUntilMs),
    users: guard.held(NAMED).map(({ email, turn }) => ({ address: email, turn })),
  }
}

function timeText(atMs: number | undefined): string | null {
  return atMs === undefined ? null : new Date(atMs).toISOString()
}
