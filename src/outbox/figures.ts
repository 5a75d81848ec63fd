/** How much waits in the outbox: looked at now and then, told at once, for metrics; and whether it is stuck. */
import type { Cancel, Clock } from '../clock.ts'
import type { OutboxPending } from './outbox.ts'

/** The oldest row is older than this: whoever should have done it has not for a long time. */
const STUCK_MS = 5 * 60 * 1000
const EVERY_MS = 15_000

export function isStuck(pending: readonly OutboxPending[], nowMs: number): boolean {
  return pending.some(({ oldestMs }) => nowMs - oldestMs > STUCK_MS)
}

export interface OutboxFigures {
  /** As of the last look; those of a look that failed are those before. */
  latest(): readonly OutboxPending[]
  close(): void
}

/** Looks every 15 s. */
export function watchOutbox(pending: () => Promise<readonly OutboxPending[]>, clock: Clock): OutboxFigures {
  let latest: readonly OutboxPending[] = []
  let isClosed = false
  let cancel: Cancel = () => {}

  async function look(): Promise<void> {
    try {
      latest = await pending()
    } catch {
      // The drains and /readyz say that the store is down.
    }
    if (!isClosed) cancel = clock.after(EVERY_MS, () => void look())
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
