/** The last logins of a mailbox, as the log has them merged, with those it has not written yet. */
import type { LoginLogEntry, LoginLogSource } from '../login-log/event.ts'
import { loginLine, type LoginLine } from '../login-log/line.ts'

const SHOWN = 10

/** Newest first. Throws MailpassdError store_*. */
export async function lastAttempts(
  mailbox: string,
  parts: { readonly log: LoginLogSource; readonly pendingOf: (mailbox: string) => readonly LoginLogEntry[] },
): Promise<LoginLine[]> {
  // Read first: what is written in between is in both then, and not missing in both.
  const pending = parts.pendingOf(mailbox)
  const rows = await parts.log.readLogins({ mailbox, limit: SHOWN })
  return merged(rows, pending)
    .sort((a, b) => b.lastMs - a.lastMs)
    .slice(0, SHOWN)
    .map(loginLine)
}

/** One line for each key of the log. A row that is as late as what was pending has it in its count already. */
function merged(rows: readonly LoginLogEntry[], pending: readonly LoginLogEntry[]): LoginLogEntry[] {
  const byKey = new Map(rows.map((row) => [keyOf(row), row]))
  for (const entry of pending) {
    const known = byKey.get(keyOf(entry))
    if (known === undefined) byKey.set(keyOf(entry), entry)
    else if (entry.lastMs > known.lastMs)
      byKey.set(keyOf(entry), { ...known, lastMs: entry.lastMs, count: known.count + entry.count })
  }
  return [...byKey.values()]
}

function keyOf({ network, service, credential, verdict, why, hourMs }: LoginLogEntry): string {
  return [network, service, credential, verdict, why, hourMs].join('\n')
}
