/** mailcow's F2B channel as the configuration has it. */
import type { Clock } from '../clock.ts'
import type { Config } from '../config/schema.ts'
import type { Logger } from '../telemetry/logger.ts'
import { besideOf } from './consumers.ts'
import { createF2b, type F2b } from './f2b.ts'
import { openRedis } from './redis.ts'

/** Undefined where there is no mailcow with its Redis, or it is switched off. Connects to nothing. */
export async function openF2b(config: Config, clock: Clock, logger: Logger): Promise<F2b | undefined> {
  const { f2b: mode } = config.mailcow
  if (mode === 'off' || config.store.schema !== 'mailcow' || !besideOf(config).redis) return undefined
  return createF2b({ mode, publisher: await openRedis(config.redis), clock, logger })
}
