/**
 * Logins by verdict, service and door. Counted here and handed to the registry when somebody reads it: the library's
 * counter hashes its labels each time, which costs as much as all else that a warm login is recorded by.
 */
import type { Door } from '../login/request.ts'
import type { Verdict } from '../login/outcome.ts'
import { isFlagged, type FlaggedService, type Service } from '../login/service.ts'

export interface LoginCount {
  readonly verdict: Verdict
  readonly service: FlaggedService | 'other'
  readonly door: Door
  count: number
}

export interface LoginCounts {
  add(verdict: Verdict, service: Service, door: Door): void
  /** Every combination that has occurred: 8 x 7 x 4 at most. */
  all(): readonly LoginCount[]
}

export function createLoginCounts(): LoginCounts {
  const all: LoginCount[] = []
  const byDoor = new Map<Door, Map<Verdict, Map<Service, LoginCount>>>()

  /** The count for labels that come for the first time. What has no flag is one: mail servers may invent names. */
  function countFor(verdict: Verdict, named: Service, door: Door): LoginCount {
    const service = isFlagged(named) ? named : 'other'
    const known = all.find((one) => one.verdict === verdict && one.service === service && one.door === door)
    const count = known ?? { verdict, service, door, count: 0 }
    if (known === undefined) all.push(count)
    const byVerdict = byDoor.get(door) ?? new Map<Verdict, Map<Service, LoginCount>>()
    const byService = byVerdict.get(verdict) ?? new Map<Service, LoginCount>()
    byDoor.set(door, byVerdict.set(verdict, byService.set(named, count)))
    return count
  }

  return {
    add(verdict, service, door) {
      const count = byDoor.get(door)?.get(verdict)?.get(service) ?? countFor(verdict, service, door)
      count.count += 1
    },
    all: () => all,
  }
}
