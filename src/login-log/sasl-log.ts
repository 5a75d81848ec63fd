/**
 * mailcow's `sasl_log` between two flushes: the last good login per (service, ip, mailbox). A key is written at once
 * when it is new, then at most once a minute: mail clients reconnect all the time and the row is replaced each time.
 *
 *     record -> fresh -> written -> resting (a minute) -> dirty? written again : forgotten
 */
import type { SaslLogEntry } from './event.ts'

const REST_MS = 60_000

type Growing = { -readonly [K in keyof SaslLogEntry]: SaslLogEntry[K] }

interface Resting {
  readonly entry: Growing
  readonly dueMs: number
  dirty: boolean
}

export interface SaslLogBuffer {
  /** Notes a good login. False when it is a new key and the buffer is full: it is then not kept. */
  add(login: SaslLogEntry): boolean
  /** Takes at most `limit` entries that are due at `nowMs` (monotonic); with `all`, also those that rest. */
  take(limit: number, nowMs: number, all?: boolean): SaslLogEntry[]
  /** The entries were written at `nowMs` (monotonic): they rest. */
  written(entries: readonly SaslLogEntry[], nowMs: number): void
  /** The entries could not be written: they are due again. Gives the number that found no place. */
  putBack(entries: readonly SaslLogEntry[]): number
  /** Entries not yet written. */
  readonly size: number
}

/** See merge.ts: a copy that shares no memory with a line. */
function own(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8')
}

export function createSaslLogBuffer(maxKeys: number): SaslLogBuffer {
  const fresh = new Map<string, Growing>()
  // Entered when written, with one length of rest: the order of insertion is the order in which they are due.
  const resting = new Map<string, Resting>()

  const keyOf = (entry: SaslLogEntry) => `${entry.service}\n${entry.remoteIp}\n${entry.mailbox}`

  function renew(entry: Growing, login: SaslLogEntry) {
    if (login.atMs < entry.atMs) return
    entry.atMs = login.atMs
    entry.appPasswordId = login.appPasswordId
  }

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
    add(login) {
      const key = keyOf(login)
      const rest = resting.get(key)
      if (rest !== undefined) {
        renew(rest.entry, login)
        rest.dirty = true
        return true
      }
      const entry = fresh.get(key)
      if (entry !== undefined) {
        renew(entry, login)
        return true
      }
      if (!hasRoom()) return false
      fresh.set(key, { ...login, mailbox: own(login.mailbox), remoteIp: own(login.remoteIp) })
      return true
    },
    take(limit, nowMs, all = false) {
      const taken: SaslLogEntry[] = []
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
          entry: { ...entry, ...again },
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
        if (hasRoom()) fresh.set(key, { ...old })
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
