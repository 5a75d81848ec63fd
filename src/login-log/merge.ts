/**
 * Our own log between two flushes: logins merged per (mailbox, network, service, credential, verdict, why, hour).
 * Each entry holds what came since it was written last; the writer adds it to the row of that key.
 *
 * A good login that comes again and again is written at once when it is new, then at most once a minute: each row costs
 * more than the login that it counts. Refusals are written with each flush, for whoever looks into an attack.
 */
import type { LoginLogEntry } from './event.ts'
import { mergedKey, type MergeKey } from './keys.ts'
import { own } from './own.ts'

const HOUR_MS = 3_600_000
const REST_MS = 60_000

/** The start of the hour, milliseconds since the epoch. */
export function hourOf(nowMs: number): number {
  return nowMs - (nowMs % HOUR_MS)
}

type Growing = { -readonly [K in keyof LoginLogEntry]: LoginLogEntry[K] }

/** Was written; what comes meanwhile grows here. */
interface Resting {
  entry: Growing | undefined
  readonly dueMs: number
}

export interface MergeBuffer {
  /** Counts one login; `id` is its mergedKey. False when it is a new one and the buffer is full: it is then not kept. */
  add(key: MergeKey, id: string, nowMs: number): boolean
  /** Takes at most `limit` entries out that are due at `nowMs` (monotonic), oldest first; with `all`, also what rests. */
  take(limit: number, nowMs: number, all?: boolean): LoginLogEntry[]
  /** The entries were written at `nowMs` (monotonic): good logins rest. */
  written(entries: readonly LoginLogEntry[], nowMs: number): void
  /** Puts entries back that could not be written. Gives the number of logins that found no place. */
  putBack(entries: readonly LoginLogEntry[]): number
  /** What waits, as it is now. */
  waiting(): IterableIterator<LoginLogEntry>
  readonly size: number
}

export function createMergeBuffer(maxKeys: number): MergeBuffer {
  const entries = new Map<string, Growing>()
  // Entered when written, with one length of rest: the order of insertion is the order in which they are due.
  const resting = new Map<string, Resting>()

  /** Room for a new key: what rests with nothing new is only remembered to save a write, and goes first. */
  function hasRoom(): boolean {
    if (entries.size + resting.size < maxKeys) return true
    for (const [id, { entry }] of resting) {
      if (entry !== undefined) break
      resting.delete(id)
      return true
    }
    return false
  }

  function* waiting(): Generator<LoginLogEntry> {
    yield* entries.values()
    for (const { entry } of resting.values()) if (entry !== undefined) yield entry
  }

  return {
    add(key, id, nowMs) {
      const rest = resting.get(id)
      const entry = rest === undefined ? entries.get(id) : rest.entry
      if (entry !== undefined) {
        entry.count += 1
        entry.lastMs = nowMs
        return true
      }
      if (rest !== undefined) {
        rest.entry = begin(key, nowMs)
        return true
      }
      if (!hasRoom()) return false
      entries.set(id, begin(key, nowMs))
      return true
    },
    take(limit, nowMs, all = false) {
      const taken: LoginLogEntry[] = []
      for (const [id, rest] of resting) {
        if (taken.length >= limit || (!all && rest.dueMs > nowMs)) break
        resting.delete(id)
        if (rest.entry !== undefined) taken.push(rest.entry)
      }
      for (const [id, entry] of entries) {
        if (taken.length >= limit) break
        entries.delete(id)
        taken.push(entry)
      }
      return taken
    },
    written(done, nowMs) {
      for (const { verdict, hourMs, ...key } of done) {
        if (verdict !== 'ok') continue
        const id = mergedKey({ ...key, verdict }, hourMs)
        // Came again while it was being written.
        const entry = entries.get(id)
        entries.delete(id)
        resting.set(id, { entry, dueMs: nowMs + REST_MS })
      }
    },
    putBack(failed) {
      let lost = 0
      for (const old of failed) {
        const id = mergedKey(old, old.hourMs)
        const entry = entries.get(id)
        if (entry !== undefined) {
          entry.count += old.count
          entry.firstMs = Math.min(entry.firstMs, old.firstMs)
          entry.lastMs = Math.max(entry.lastMs, old.lastMs)
        } else if (!hasRoom()) lost += old.count
        else entries.set(id, { ...old })
      }
      return lost
    },
    waiting,
    get size() {
      let size = entries.size
      for (const { entry } of resting.values()) if (entry !== undefined) size += 1
      return size
    },
  }
}

function begin(key: MergeKey, nowMs: number): Growing {
  const { service, verdict, why } = key
  return {
    mailbox: own(key.mailbox),
    network: own(key.network),
    service,
    credential: own(key.credential),
    verdict,
    why,
    hourMs: hourOf(nowMs),
    firstMs: nowMs,
    lastMs: nowMs,
    count: 1,
  }
}
