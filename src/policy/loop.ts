/** A turn every second, one at a time; after a failure 1, 2, 4 … 30 s later. What fails is said once. */
import type { Cancel, Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'

const EVERY_MS = 1000
const MAX_PAUSE_MS = 30_000

export interface Loop {
  /** Resolves after the first turn, whatever came of it. */
  start(): Promise<void>
  /** One last turn, then none. Never rejects. */
  stop(): Promise<void>
}

export function startLoop(parts: {
  readonly turn: () => Promise<void>
  /** What cannot be shared while turns fail. */
  readonly what: string
  readonly clock: Clock
  readonly logger: Logger
}): Loop {
  const { turn, what, clock, logger } = parts
  let cancel: Cancel = () => {}
  let running: Promise<void> = Promise.resolve()
  let failures = 0
  let isStarted = false
  let isStopped = false

  async function once(): Promise<void> {
    try {
      await turn()
      if (failures > 0) logger.info({ failures }, `${what} are shared again`)
      failures = 0
    } catch (error) {
      failures += 1
      if (failures === 1) logger.warn({ err: error }, `${what} cannot be shared; they count here meanwhile`)
    }
  }

  function runTurn(): Promise<void> {
    running = running.then(once).then(() => {
      if (isStopped) return
      const pauseMs = Math.min(EVERY_MS * 2 ** Math.min(failures, 10), MAX_PAUSE_MS)
      cancel = clock.after(failures === 0 ? EVERY_MS : pauseMs, () => void runTurn())
    })
    return running
  }

  return {
    start() {
      isStarted = true
      return runTurn()
    },
    async stop() {
      if (isStopped) return
      isStopped = true
      cancel()
      await running
      if (isStarted) await once()
    },
  }
}
