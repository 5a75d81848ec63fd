/** Where operators see penalties and lift them. */
import type { Clock } from '../clock.ts'
import { concerns, penaltyOf, type Penalty, type Target } from './lifting.ts'
import type { GuessRates } from './rate.ts'
import { addressScope, networkScope, type Scopes } from './scope.ts'
import type { GuessSharing } from './sharing.ts'

export interface PenaltyDesk {
  /** At most `limit`: who is held up first, then by number of guesses. */
  list(target: Target | undefined, limit: number): readonly Penalty[]
  /** Here at once, on other nodes within 3 s; gives what counted. Throws MailpassdError where others cannot be told. */
  clear(target: Target): Promise<readonly Penalty[]>
}

export function createPenaltyDesk(parts: {
  readonly rates: GuessRates
  readonly scopes: Scopes
  /** Absent: there are no others. */
  readonly sharing: Pick<GuessSharing, 'clear'> | undefined
  readonly clock: Clock
}): PenaltyDesk {
  const { rates, scopes, sharing, clock } = parts

  function find(target: Target | undefined): Penalty[] {
    const found: Penalty[] = []
    for (const counted of rates.counted(clock.nowMs()))
      if (target === undefined || concerns(target, counted.scope))
        found.push(penaltyOf(counted, scopes.limitOf(counted.scope)))
    return found.sort((a, b) => Number(b.isThrottled) - Number(a.isThrottled) || b.guesses - a.guesses)
  }

  return {
    list: (target, limit) => find(target).slice(0, limit),
    async clear(target) {
      const found = find(target)
      // Itself in any case: another node may have counted in this second.
      const own = target.kind === 'mailbox' ? addressScope(target.mailbox) : networkScope(target.network)
      const cleared = [...new Set([own, ...found.map(({ scope }) => scope)])]
      if (sharing === undefined) for (const scope of cleared) rates.clear(scope)
      else await sharing.clear(cleared)
      return found
    },
  }
}
