/**
 * Whether an app password of ours may still be used, by its own rows: one question for the login, the list, and the
 * sweep that switches ended ones off for other programs.
 */
import type { OwnAppPassword } from './stored.ts'

/** `off`: switched off by somebody else, in mailcow's web interface. The others say who ended it, or that nobody did. */
export type AppPasswordLife = 'active' | 'revoked' | 'expired' | 'unused' | 'off'

const DAY_MS = 86_400_000

/** Times are wall-clock. A revoked one stays so, and an expired one too, whoever sets active again. */
export function lifeOf(
  own: Pick<OwnAppPassword, 'createdMs' | 'expiresMs' | 'unusedDays' | 'revokedMs'>,
  isActive: boolean,
  lastUsedMs: number | undefined,
  nowMs: number,
): AppPasswordLife {
  if (own.revokedMs !== undefined) return 'revoked'
  if (own.expiresMs !== undefined && nowMs >= own.expiresMs) return 'expired'
  if (own.unusedDays !== undefined) {
    const usedMs = Math.max(own.createdMs, lastUsedMs ?? 0)
    if (nowMs >= usedMs + own.unusedDays * DAY_MS) return 'unused'
  }
  return isActive ? 'active' : 'off'
}
