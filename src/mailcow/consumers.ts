/** What the outbox asks of a mailcow beside its database: rate limits in Redis, and a flush of SOGo's cache. */
import type { Clock } from '../clock.ts'
import type { Config } from '../config/schema.ts'
import type { Consume, DrainLimits } from '../outbox/run-row.ts'
import { createMemcached, type Memcached } from './memcached.ts'
import { openRedis, type RateLimitWriter } from './redis.ts'

/** Longer than any Redis is away; whoever runs mailcow without it has more to put right than a limit. */
const RATE_LIMIT_AGE_MS = 7 * 24 * 60 * 60 * 1000
const RATE_LIMIT_RETRY_MS = 5 * 60 * 1000
/** Commands of one row, the connect among them, each with the time that redis.timeout_ms gives. */
const REDIS_STEPS = 4
/** Rows that one flush may be for. */
const FLUSHES_AT_ONCE = 100

export interface Consumer {
  readonly consumer: 'redis' | 'memcached'
  readonly consume: Consume
  readonly limits: Partial<DrainLimits>
}

/** Whether rows are written for these consumers, as the configuration has them. SOGo and its cache are mailcow's. */
export function besideOf({ mailcow, redis, store }: Config) {
  const sogo = store.schema === 'mailcow' && mailcow.sogo
  return {
    sogo,
    redis: redis.host !== undefined || redis.socket !== undefined,
    memcached: sogo && mailcow.memcached !== undefined,
  }
}

/** The consumers that are configured. Loads a client where one is needed, and connects to nothing. */
export async function openConsumers(config: Config, clock: Clock): Promise<readonly Consumer[]> {
  const consumers: Consumer[] = []
  const beside = besideOf(config)
  if (beside.redis) {
    const consume = consumeRateLimit(await openRedis(config.redis))
    const runMs = (REDIS_STEPS + 1) * config.redis.timeout_ms
    const limits = { runMs, maxAgeMs: RATE_LIMIT_AGE_MS, maxRetryMs: RATE_LIMIT_RETRY_MS }
    consumers.push({ consumer: 'redis', consume, limits })
  }
  const { memcached } = config.mailcow
  if (beside.memcached && memcached !== undefined) {
    const consume = consumeFlush(createMemcached(memcached, clock))
    consumers.push({ consumer: 'memcached', consume, limits: { atOnce: FLUSHES_AT_ONCE } })
  }
  return consumers
}

/** What formatRateLimit writes. */
const VALUE = /^\d{1,10} \/ 1[smhd]$/

/** `value` of a row's body: absent is no limit; `unreadable` is none of ours. */
function valueOf(body: unknown): string | undefined | { readonly kind: 'unreadable' } {
  const value: unknown = typeof body === 'object' && body !== null && 'value' in body ? body.value : undefined
  if (value === undefined) return undefined
  return typeof value === 'string' && VALUE.test(value) ? value : { kind: 'unreadable' }
}

/** Consumer `redis`: its one action is `rate_limit`. May be done twice. */
export function consumeRateLimit(limits: RateLimitWriter): Consume {
  return async ({ action, address, body }) => {
    const value = valueOf(body)
    if (action !== 'rate_limit' || typeof value === 'object') return 'moot'
    await limits.write(address, value)
    return 'done'
  }
}

/** Consumer `memcached`: its one action is `flush`. */
export function consumeFlush(memcached: Memcached): Consume {
  return async ({ action }) => {
    if (action !== 'flush') return 'moot'
    await memcached.flush()
    return 'done'
  }
}
