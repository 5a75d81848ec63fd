/** What an operator sees of the records of the directory, and may do to them. */
import type { MassChangeGuard } from './mass-change.ts'
import type { RecordBook } from './record-book.ts'
import type { Accepted, DirectoryState, MassChangeBody } from '../telemetry/directory-state.ts'

export interface Keeping {
  state(): DirectoryState
  /** Ends a mass change: what the directory says counts, for `openMs` of everybody. */
  accept(openMs: number): Accepted
}

/** Of those who are held so many are named. */
const NAMED = 100

export function createKeeping(parts: {
  readonly where: string
  readonly book: RecordBook
  readonly guard: MassChangeGuard
}): Keeping {
  const { where, book, guard } = parts
  return {
    state: () => ({
      where,
      records: { count: book.size, max: book.max },
      mass_change: massChange(guard),
    }),
    accept(openMs) {
      const accepted = guard.accept(openMs)
      return { accepted, mass_change: massChange(guard) }
    },
  }
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
