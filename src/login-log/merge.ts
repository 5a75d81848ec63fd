/**
 * Our own log between two flushes: logins merged per (mailbox, network, service, credential, verdict, why, hour).
 * Each entry holds what came since the last flush; the writer adds it to the row of that key.
 */
import type { LoginLogEntry } from './event.ts'
import { mergedKey, type MergeKey } from './keys.ts'
import { own } from './own.ts'

const HOUR_MS = 3_600_000

/** The start of the hour, milliseconds since the epoch. */
export function hourOf(nowMs: number): number {
  return nowMs - (nowMs % HOUR_MS)
}

type Growing = { -readonly [K in keyof LoginLogEntry]: LoginLogEntry[K] }

export interface MergeBuffer {
  /** Counts one login; `id` is its mergedKey. False when it is a new one and the buffer is full: it is then not kept. */
  add(key: MergeKey, id: string, nowMs: number): boolean
  /** Takes at most `limit` entries out, oldest first. */
  take(limit: number): LoginLogEntry[]
  /** Puts entries back that could not be written. Gives the number of logins that found no place. */
  putBack(entries: readonly LoginLogEntry[]): number
  /** What waits, as it is now. */
  waiting(): IterableIterator<LoginLogEntry>
  readonly size: number
}

export function createMergeBuffer(maxKeys: number): MergeBuffer {
  const entries = new Map<string, Growing>()

  return {
    add(key, id, nowMs) {
      const entry = entries.get(id)
      if (entry !== undefined) {
        entry.count += 1
        entry.lastMs = nowMs
        return true
      }
      if (entries.size >= maxKeys) return false
      const { service, verdict, why } = key
      const [mailbox, network, credential] = [own(key.mailbox), own(key.network), own(key.credential)]
      entries.set(id, {
        mailbox,
        network,
        service,
        credential,
        verdict,
        why,
        hourMs: hourOf(nowMs),
        firstMs: nowMs,
        lastMs: nowMs,
        count: 1,
      })
      return true
    },
    take(limit) {
      const taken: LoginLogEntry[] = []
      for (const [id, entry] of entries) {
        if (taken.length >= limit) break
        entries.delete(id)
        taken.push(entry)
      }
      return taken
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
        } else if (entries.size >= maxKeys) lost += old.count
        else entries.set(id, { ...old })
      }
      return lost
    },
    waiting: () => entries.values(),
    get size() {
      return entries.size
    },
  }
}
