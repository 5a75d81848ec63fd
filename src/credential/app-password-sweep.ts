/**
 * Switches app passwords off whose time is over, so that no other program that reads the table accepts them either
 * (we refuse them by the clock, from the first millisecond on), and forgets what is known of rows that others deleted.
 * Every node does it; what one has done the next finds done. It walks the table in small steps: a scan of it all
 * would hold SQLite, and with it the event loop.
 */
import { lifeOf } from '../account/app-password-life.ts'
import type { OwnAppPassword } from '../account/stored.ts'
import type { Cancel, Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'

export type SweptAppPassword = Pick<
  OwnAppPassword,
  'createdMs' | 'expiresMs' | 'unusedDays' | 'revokedMs'
> & {
  readonly lastUsedMs: number | undefined
}

/** The store as this room needs it. Throws MailpassdError store_*. */
export interface SweptRows {
  /**
   * Looks at `limit` of ours after this id: switches off the active ones that have ended, deletes what is known of
   * rows that are gone. `lastId`: where to go on; undefined at the end.
   */
  sweep(
    afterId: number,
    limit: number,
    hasEnded: (row: SweptAppPassword) => boolean,
  ): Promise<{ readonly lastId: number | undefined; readonly ended: number }>
  /** The same for last uses: deletes those of rows that are gone. Gives where to go on. */
  sweepUses(afterId: number, limit: number): Promise<number | undefined>
}

const EVERY_MS = 60_000
const ROWS_AT_ONCE = 200
const PAUSE_MS = 20

export interface Sweep {
  /** One complete pass, at once. Rejects with what the store throws. */
  pass(): Promise<number>
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>
}

export function startAppPasswordSweep(parts: {
  readonly rows: SweptRows
  readonly clock: Clock
  readonly logger: Logger
  /** Nodes that were started together do not all look at once. */
  readonly firstAfterMs?: number
}): Sweep {
  const { rows, clock, logger, firstAfterMs = Math.random() * EVERY_MS } = parts
  let isStopped = false
  let isFailing = false
  let cancel: Cancel = () => {}
  let running: Promise<unknown> = Promise.resolve()
  let wake: () => void = () => {}
  const wasStopped = () => isStopped

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve
      cancel = clock.after(PAUSE_MS, resolve)
    })
  }

  /** Calls `step` with where to begin until it has come to the end, or the sweep is stopped. */
  async function walk(step: (afterId: number) => Promise<number | undefined>): Promise<void> {
    let afterId = await step(0)
    while (afterId !== undefined) {
      await pause()
      // Set while we waited.
      if (wasStopped()) return
      afterId = await step(afterId)
    }
  }

  async function pass(): Promise<number> {
    const nowMs = clock.nowMs()
    const hasEnded = (row: SweptAppPassword) => lifeOf(row, true, row.lastUsedMs, nowMs) !== 'active'
    let ended = 0
    await walk(async (afterId) => {
      const step = await rows.sweep(afterId, ROWS_AT_ONCE, hasEnded)
      ended += step.ended
      return step.lastId
    })
    if (!wasStopped()) await walk((afterId) => rows.sweepUses(afterId, ROWS_AT_ONCE))
    return ended
  }

  async function turn(): Promise<void> {
    try {
      const ended = await pass()
      if (ended > 0) logger.info({ ended }, 'app passwords past their time were switched off')
      if (isFailing) logger.info({}, 'app passwords are looked through again')
      isFailing = false
    } catch (error) {
      if (!isFailing && !isStopped) logger.warn({ err: error }, 'app passwords cannot be looked through')
      isFailing = true
    }
    schedule(EVERY_MS)
  }

  function schedule(afterMs: number): void {
    if (isStopped) return
    cancel = clock.after(afterMs, () => {
      running = turn()
    })
  }

  schedule(firstAfterMs)
  return {
    pass,
    async stop() {
      isStopped = true
      cancel()
      wake()
      await running
    },
  }
}
