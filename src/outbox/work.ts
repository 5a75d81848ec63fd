/** All of a process's work on the outbox: a drain for each consumer, and figures of what waits. */
import type { Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { startDrain } from './drain.ts'
import { watchOutbox, type WatchedOutbox } from './figures.ts'
import type { OutboxSource } from './outbox.ts'
import type { Consume, DrainLimits } from './run-row.ts'

export interface Consumer {
  readonly consumer: string
  readonly consume: Consume
  readonly limits?: Partial<DrainLimits>
}

export interface OutboxWork {
  /** Something was written: all look at once. */
  wake(): void
  /** What waited at the last look, 15 s ago at most. */
  waiting(): readonly { readonly consumer: string; readonly count: number; readonly oldestSeconds: number }[]
  /** Resolves when what runs has ended. */
  close(): Promise<void>
}

export function startOutboxWork(parts: {
  readonly consumers: readonly Consumer[]
  readonly source: OutboxSource & WatchedOutbox
  /** Whether rows of this consumer are done neither here nor by another node. */
  readonly isAbandoned: (consumer: string) => boolean
  readonly clock: Clock
  readonly logger: Logger
}): OutboxWork {
  const { consumers, source, isAbandoned, clock, logger } = parts
  const drains = consumers.map((consumer) => startDrain({ ...consumer, source, clock, logger }))
  const figures = watchOutbox(source, isAbandoned, { clock, logger })
  return {
    wake() {
      for (const drain of drains) drain.wake()
    },
    waiting() {
      const nowMs = clock.nowMs()
      return figures.latest().map(({ consumer, count, oldestMs }) => ({
        consumer,
        count,
        oldestSeconds: Math.max(0, (nowMs - oldestMs) / 1000),
      }))
    },
    async close() {
      figures.close()
      await Promise.all(drains.map((drain) => drain.close()))
    },
  }
}
