/**
 * The realm's profile, read once a minute; while it cannot be read, the last one serves ten minutes more. Who must know
 * how it is now gets a reading out of turn, again one a minute.
 */
import type { Clock } from '../../clock.ts'
import { MailpassdError } from '../../errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { singleFlight } from '../single-flight.ts'
import type { DirectoryProfile } from '../user.ts'

const FRESH_MS = 60_000
const KEPT_MS = 600_000
/** After a failed reading; the last one answers meanwhile. */
const PAUSE_MS = 5000

export interface ProfileCache {
  /** Throws what `read` threw where there is no reading younger than ten minutes. */
  get(sinceMs?: number): Promise<DirectoryProfile>
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
  let outOfTurnAtMs = Number.NEGATIVE_INFINITY
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

  async function readSince(sinceMs: number): Promise<DirectoryProfile> {
    const nowMs = clock.monotonicMs()
    if (last !== undefined && last.atMs >= sinceMs) return last.profile
    if (nowMs - outOfTurnAtMs >= FRESH_MS) {
      outOfTurnAtMs = nowMs
      await refresh()
      // A flight that was under way may have left before; one that failed gave the last reading.
      if (failedAtMs < nowMs && (last === undefined || last.atMs < sinceMs)) await refresh()
      if (last !== undefined && last.atMs >= sinceMs) return last.profile
    }
    throw new MailpassdError('directory_unavailable', "the realm's user profile is not read again so soon")
  }

  async function get(sinceMs?: number): Promise<DirectoryProfile> {
    if (sinceMs !== undefined) return readSince(sinceMs)
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
