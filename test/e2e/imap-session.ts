/** An IMAP session that waits in IDLE until somebody ends it. */
import { LineClient, plainResponse } from '../servers/lines.ts'

export interface ImapSession {
  /** When the server said goodbye or hung up; rejects where it does neither for two minutes. */
  readonly ended: Promise<number>
  hasEnded(): boolean
  close(): void
}

/** Waits of 30 s each. */
const WAITS = 4

/** Logs in, selects INBOX and goes to IDLE. Throws with the answer where the login fails. */
export async function openSession(port: number, user: string, password: string): Promise<ImapSession> {
  const client = await LineClient.open(port)
  await client.line(/^\* OK/)
  const answer = await client.ask(`a AUTHENTICATE PLAIN ${plainResponse(user, password)}`, /^a /)
  if (!answer.startsWith('a OK')) throw new Error(`${user}: ${answer}`)
  await client.ask('b SELECT INBOX', /^b OK/)
  client.write('c IDLE\r\n')
  await client.line(/^\+/)
  let hasEnded = false

  async function untilEnd(): Promise<number> {
    for (let waits = 1; ; waits++)
      try {
        await client.line(/^\* BYE/)
        break
      } catch (error) {
        if (String(error).includes('connection ended')) break
        if (waits === WAITS) throw error
      }
    hasEnded = true
    return Date.now()
  }

  const ended = untilEnd()
  // Whoever never asks for it has closed it.
  ended.catch(() => {})
  return { ended, hasEnded: () => hasEnded, close: () => client.close() }
}
