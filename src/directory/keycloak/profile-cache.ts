/** The realm's profile, read at most once a minute; while it cannot be read, the last one serves ten minutes more. */
import type { Clock } from '../../clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { singleFlight } from '../single-flight.ts'
import type { DirectoryProfile } from '../user.ts'

const FRESH_MS = 60_000
const KEPT_MS = 600_000
/** After a failed reading; the last one answers meanwhile. */
const PAUSE_MS = 5000

export interface ProfileCache {
  /** Throws what `read` threw where there is no reading younger than ten minutes. */
  get(): Promise<DirectoryProfile>
  /** The realm's rules were changed: the next `get` reads them anew. */
  expire(): void
}

export function cacheProfile(
  read: () => Promise<DirectoryProfile>,
  clock: Clock,
  logger: Logger,
): ProfileCache {
  let last: { readonly profile: DirectoryProfile; readonly atMs: number } | undefined
  let failedAtMs = Number.NEGATIVE_INFINITY
  /** What was asked for at or before this time does not count. */
  let expiredAtMs = Number.NEGATIVE_INFINITY

  const refresh = singleFlight(async () => {
    const startedAtMs = clock.monotonicMs()
    try {
      const profile = await read()
      last = { profile, atMs: startedAtMs }
      return profile
    } catch (error) {
      failedAtMs = clock.monotonicMs()
      if (last === undefined || failedAtMs - last.atMs > KEPT_MS) throw error
      const why = error instanceof Error ? error.message : ''
      logger.warn({ why }, "the realm's user profile cannot be read; the last reading serves")
      return last.profile
    }
  })

  async function get(): Promise<DirectoryProfile> {
    const nowMs = clock.monotonicMs()
    if (last !== undefined) {
      const ageMs = nowMs - last.atMs
      const isFresh = ageMs < FRESH_MS && last.atMs > expiredAtMs
      if (isFresh || (ageMs <= KEPT_MS && nowMs - failedAtMs < PAUSE_MS)) return last.profile
    }
    return refresh()
  }

  return {
    get,
    expire() {
      expiredAtMs = clock.monotonicMs()
    },
  }
}
