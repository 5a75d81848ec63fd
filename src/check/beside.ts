/** Steps over what mailpassd tells others beside the database. No login needs them: what is amiss is a warning. */
import type { Config } from '../config/schema.ts'
import { targetOf } from '../dovecot/doveadm.ts'
import { reachedDovecots } from '../dovecot/open.ts'
import { toMailpassdError } from '../errors.ts'
import { besideOf } from '../mailcow/consumers.ts'
import { askVersion } from '../mailcow/memcached.ts'
import { openRedis } from '../mailcow/redis.ts'
import { NOBODY } from './lookup.ts'
import { ok, warning, type Step } from './step.ts'

/** Beyond the longest `timeout_ms`. */
const ENDPOINT_WITHIN_MS = 10_000

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

/**
 * Whether each Dovecot ends sessions when it is told to: a wrong key is better found now than when an account is
 * stolen. Asked for those of an address that nobody can have.
 */
export async function checkDovecotEndpoints(config: Config): Promise<Step[]> {
  const name = 'doveadm'
  const target = targetOf(NOBODY)
  const hint = 'a lock stops new logins all the same, but open sessions go on (docs/incident.md)'
  if (target === undefined) return []
  try {
    return await Promise.all(
      reachedDovecots(config).map(async (doveadm) => {
        try {
          await doveadm.run('kick', target, AbortSignal.timeout(ENDPOINT_WITHIN_MS))
          return ok(name, `${doveadm.name}: ends sessions when told to`)
        } catch (error) {
          return warning(name, textOf(error), hint)
        }
      }),
    )
  } catch (error) {
    return [warning(name, textOf(error), hint)]
  }
}
