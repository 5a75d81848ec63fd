/**
 * Our own log between two flushes: logins merged per (mailbox, network, service, credential, verdict, why, hour).
 * Each entry holds what came since the last flush; the writer adds it to the row of that key.
 */
import type { LoginLogEntry } from './event.ts'

const HOUR_MS = 3_600_000

/** What a login is merged by, without its hour. */
export interface MergeKey {
  readonly mailbox: string
  readonly network: string
  readonly service: string
  readonly credential: string
  readonly verdict: string
  readonly why: string
}

type Growing = { -readonly [K in keyof LoginLogEntry]: LoginLogEntry[K] }

export interface MergeBuffer {
  /** Counts one login. False when it is a new key and the buffer is full: it is then not kept. */
  add(key: MergeKey, nowMs: number): boolean
  /** Takes at most `limit` entries out, oldest first. */
  take(limit: number): LoginLogEntry[]
  /** Puts entries back that could not be written. Gives the number of logins that found no place. */
  putBack(entries: readonly LoginLogEntry[]): number
  /** What waits, as it is now. */
  waiting(): IterableIterator<LoginLogEntry>
  readonly size: number
}

/** A copy that shares no memory: a text cut from a line would keep the line alive, and a password may stand in it. */
export function own(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8')
}

export function createMergeBuffer(maxKeys: number): MergeBuffer {
  const entries = new Map<string, Growing>()

  // No part can hold a line feed: mailboxes and credentials are canonical, the others are from closed lists.
  const keyOf = (key: MergeKey, hour: string) =>
    `${key.mailbox}\n${key.network}\n${key.service}\n${key.credential}\n${key.verdict}\n${key.why}\n${hour}`
  // Printing a number costs as much as the rest of the key, and it changes once an hour.
  let currentHourMs = -1
  let currentHour = ''

  return {
    add(key, nowMs) {
      const hourMs = nowMs - (nowMs % HOUR_MS)
      if (hourMs !== currentHourMs) {
        currentHourMs = hourMs
        currentHour = String(hourMs)
      }
      const id = keyOf(key, currentHour)
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
        hourMs,
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
        const id = keyOf(old, String(old.hourMs))
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
