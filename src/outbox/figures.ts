/** How much waits in the outbox: looked at now and then, told at once, for metrics; and whether it is stuck. */
import type { Cancel, Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { OutboxPending } from './outbox.ts'

/** The oldest row is older than this: whoever should have done it has not for a long time. */
const STUCK_MS = 5 * 60 * 1000
const EVERY_MS = 15_000
const ABANDONED_MS = 60 * 60 * 1000

export function isStuck(pending: readonly OutboxPending[], nowMs: number): boolean {
  return pending.some(({ oldestMs }) => nowMs - oldestMs > STUCK_MS)
}

export interface OutboxFigures {
  /** As of the last look; those of a look that failed are those before. */
  latest(): readonly OutboxPending[]
  close(): void
}

export interface WatchedOutbox {
  pending(): Promise<readonly OutboxPending[]>
  /** Deletes rows of a consumer that are older than this; gives how many. */
  forget(consumer: string, beforeMs: number): Promise<number>
}

/**
 * Looks every 15 s. What waits for a consumer that `isAbandoned` says nobody is any more, such as a Dovecot that was
 * taken out of the configuration, is deleted when it is an hour old.
 */
export function watchOutbox(
  outbox: WatchedOutbox,
  isAbandoned: (consumer: string) => boolean,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): OutboxFigures {
  let latest: readonly OutboxPending[] = []
  let isClosed = false
  let cancel: Cancel = () => {}

  async function look(): Promise<void> {
    try {
      latest = await outbox.pending()
      for (const { consumer } of latest) if (isAbandoned(consumer)) await forget(consumer)
    } catch {
      // The drains and /readyz say that the store is down.
    }
    if (!isClosed) cancel = clock.after(EVERY_MS, () => void look())
  }

  async function forget(consumer: string): Promise<void> {
    const rows = await outbox.forget(consumer, clock.nowMs() - ABANDONED_MS)
    if (rows > 0) logger.error({ consumer, rows }, 'outbox: given up, nobody does this any more')
  }

  void look()
  return {
    latest: () => latest,
    close() {
      isClosed = true
      cancel()
    },
  }
}
