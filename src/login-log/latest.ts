/**
 * The last good login by some key, between two flushes: mailcow's `sasl_log` by (service, ip, mailbox), and the last use
 * of an app password. A key is written at once when it is new, then at most once a minute: mail clients reconnect all
 * the time and the row is replaced each time.
 *
 *     record -> fresh -> written -> resting (a minute) -> dirty? written again : forgotten
 */
const REST_MS = 60_000

/** What is kept by key: all of it is that of the last login. */
export interface Latest {
  readonly atMs: number
}

interface Resting<E> {
  entry: E
  readonly dueMs: number
  dirty: boolean
}

export interface LatestBuffer<E extends Latest> {
  /** Notes a good login under its `keyOf`. False when it is a new key and the buffer is full: it is then not kept. */
  add(login: E, key: string): boolean
  /** Takes at most `limit` entries that are due at `nowMs` (monotonic); with `all`, also those that rest. */
  take(limit: number, nowMs: number, all?: boolean): E[]
  /** The entries were written at `nowMs` (monotonic): they rest. */
  written(entries: readonly E[], nowMs: number): void
  /** The entries could not be written: they are due again. Gives the number that found no place. */
  putBack(entries: readonly E[]): number
  /** Entries not yet written. */
  readonly size: number
}

/**
 * `own`: a copy that shares no memory with a line (merge.ts). `renew`: what a later login of the same key makes of what
 * is kept.
 */
export function createLatestBuffer<E extends Latest>(options: {
  readonly maxKeys: number
  readonly keyOf: (login: E) => string
  readonly own: (login: E) => E
  readonly renew: (kept: E, login: E) => E
}): LatestBuffer<E> {
  const { maxKeys, keyOf, own, renew } = options
  const fresh = new Map<string, E>()
  // Entered when written, with one length of rest: the order of insertion is the order in which they are due.
  const resting = new Map<string, Resting<E>>()

  const later = (kept: E, login: E): E => (login.atMs < kept.atMs ? kept : renew(kept, login))

  /** Room for a new key: what rests unchanged is only remembered to save a write, and goes first. */
  function hasRoom(): boolean {
    if (fresh.size + resting.size < maxKeys) return true
    for (const [key, rest] of resting) {
      if (rest.dirty) break
      resting.delete(key)
      return true
    }
    return false
  }

  return {
    add(login, key) {
      const rest = resting.get(key)
      if (rest !== undefined) {
        rest.entry = later(rest.entry, login)
        rest.dirty = true
        return true
      }
      const entry = fresh.get(key)
      if (entry !== undefined) {
        fresh.set(key, later(entry, login))
        return true
      }
      if (!hasRoom()) return false
      fresh.set(key, own(login))
      return true
    },
    take(limit, nowMs, all = false) {
      const taken: E[] = []
      for (const [key, rest] of resting) {
        if (taken.length >= limit || (!all && rest.dueMs > nowMs)) break
        resting.delete(key)
        if (rest.dirty) taken.push(rest.entry)
      }
      for (const [key, entry] of fresh) {
        if (taken.length >= limit) break
        fresh.delete(key)
        taken.push(entry)
      }
      return taken
    },
    written(entries, nowMs) {
      for (const entry of entries) {
        const key = keyOf(entry)
        // Came again while it was being written: its time is newer than the row's.
        const again = fresh.get(key)
        fresh.delete(key)
        resting.set(key, {
          entry: again ?? entry,
          dueMs: nowMs + REST_MS,
          dirty: again !== undefined,
        })
      }
    },
    putBack(failed) {
      let lost = 0
      for (const old of failed) {
        const key = keyOf(old)
        const entry = fresh.get(key)
        if (entry !== undefined) continue
        if (hasRoom()) fresh.set(key, old)
        else lost += 1
      }
      return lost
    },
    get size() {
      let dirty = fresh.size
      for (const rest of resting.values()) if (rest.dirty) dirty += 1
      return dirty
    },
  }
}
