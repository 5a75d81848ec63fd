/** What is done for a row of the outbox that ends the live sessions of a mailbox at one Dovecot. */
import { causeOf, END_SESSIONS, type EndCause } from '../outbox/end-sessions.ts'
import type { Consume } from '../outbox/run-row.ts'
import type { Logger } from '../telemetry/logger.ts'
import { targetOf, type Doveadm } from './doveadm.ts'

export interface EndSessionsParts {
  readonly doveadm: Doveadm
  readonly flushesAuthCache: boolean
  /** Whether what the row was written for still holds: a lock that was lifted ends nobody's sessions. */
  readonly isWanted: (address: string, cause: EndCause) => Promise<boolean>
  readonly logger: Logger
}

export function createEndSessions({
  doveadm,
  flushesAuthCache,
  isWanted,
  logger,
}: EndSessionsParts): Consume {
  return async (row, signal) => {
    const target = targetOf(row.address)
    const cause = causeOf(row.body)
    if (target === undefined || cause === undefined || row.action !== END_SESSIONS) {
      // It would be no better later.
      logger.error(
        { id: row.id, consumer: row.consumer, action: row.action },
        'a row of the outbox is malformed',
      )
      return 'moot'
    }
    if (!(await isWanted(target, cause))) return 'moot'
    let failure: unknown
    if (flushesAuthCache) {
      try {
        // Before the sessions end: clients come back at once, and must not find the old answer.
        await doveadm.run('flush_auth_cache', target, signal)
      } catch (error) {
        failure = error
      }
    }
    await doveadm.run('kick', target, signal)
    if (failure !== undefined) throw failure
    return 'done'
  }
}
