/** Puts the end of live sessions into the outbox, in the transaction of what ends them. */
import type { Ending } from '../incident/incident.ts'
import { dovecotConsumer, END_SESSIONS, type EndCause, type SessionEnding } from '../outbox/end-sessions.ts'
import type { Writer } from './dialect/dialect.ts'
import { enqueue } from './outbox.ts'

/**
 * Adds a row for each Dovecot now, and one for later. Gives those for now. `trx` is the transaction that
 * locks the mailbox, revokes its app password and so on.
 */
export async function endSessions(
  trx: Writer,
  about: { readonly address: string; readonly cause: EndCause; readonly nowMs: number },
  { dovecots, againAfterMs }: SessionEnding,
): Promise<readonly Ending[]> {
  const { address, cause, nowMs } = about
  const ending: Ending[] = []
  for (const dovecot of dovecots) {
    const consumer = dovecotConsumer(dovecot)
    const entry = { consumer, action: END_SESSIONS, address, body: { cause }, nowMs }
    ending.push({ dovecot, id: await enqueue(trx, { ...entry, dueMs: nowMs }) })
    await enqueue(trx, { ...entry, dueMs: nowMs + againAfterMs })
  }
  return ending
}
