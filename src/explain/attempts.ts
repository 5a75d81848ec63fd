/** The last logins of a mailbox, as the log has them merged, with those it has not written yet. */
import type { LoginLogEntry, LoginLogSource } from '../login-log/event.ts'
import { loginLine, type LoginLine } from '../login-log/line.ts'

const SHOWN = 10

/** Newest first. Throws MailpassdError store_*. */
export async function lastAttempts(
  mailbox: string,
  parts: { readonly log: LoginLogSource; readonly pendingOf: (mailbox: string) => readonly LoginLogEntry[] },
): Promise<LoginLine[]> {
  // Read first: what is written in between is shown once, by the rows.
  const pending = parts.pendingOf(mailbox)
  const rows = await parts.log.readLogins({ mailbox, limit: SHOWN })
  return merged([...rows, ...pending])
    .sort((a, b) => b.lastMs - a.lastMs)
    .slice(0, SHOWN)
    .map(loginLine)
}

/** One line for each key of the log. */
function merged(entries: readonly LoginLogEntry[]): LoginLogEntry[] {
  const byKey = new Map<string, LoginLogEntry>()
  for (const entry of entries) {
    const { network, service, credential, verdict, why, hourMs } = entry
    const key = [network, service, credential, verdict, why, hourMs].join('\n')
    const known = byKey.get(key)
    byKey.set(
      key,
      known === undefined
        ? entry
        : {
            ...known,
            firstMs: Math.min(known.firstMs, entry.firstMs),
            lastMs: Math.max(known.lastMs, entry.lastMs),
            count: known.count + entry.count,
          },
    )
  }
  return [...byKey.values()]
}
