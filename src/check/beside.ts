/** Steps over what is told of new mailboxes beside the database. No login needs either: what is amiss is a warning. */
import type { Config } from '../config/schema.ts'
import { toMailpassdError } from '../errors.ts'
import { besideOf } from '../mailcow/consumers.ts'
import { askVersion } from '../mailcow/memcached.ts'
import { openRedis } from '../mailcow/redis.ts'
import { ok, warning, type Step } from './step.ts'

const textOf = (thrown: unknown) => toMailpassdError(thrown).message

/** Whether the rate limits of templates can be written; no step where no Redis is configured. */
export async function checkRedis(config: Config): Promise<Step[]> {
  const name = 'Redis'
  if (!besideOf(config).redis) return []
  try {
    const redis = await openRedis(config.redis)
    await redis.probe()
    return [ok(name, `${redis.where}, database ${config.redis.database}: rate limits can be written`)]
  } catch (error) {
    const hint = 'logins go on without it; rate limits of new mailboxes wait for a week'
    return [warning(name, textOf(error), hint)]
  }
}

/** Whether SOGo's memcached answers; nothing is flushed. */
export async function checkMemcached(config: Config): Promise<Step[]> {
  const name = 'memcached'
  const { memcached } = config.mailcow
  if (memcached === undefined || !besideOf(config).memcached) return []
  try {
    return [ok(name, `${memcached}, version ${await askVersion(memcached)}`)]
  } catch (error) {
    const hint = 'logins go on without it; SOGo may not know a new user for some minutes'
    return [warning(name, textOf(error), hint)]
  }
}
