/**
 * Finds lines of the login log. The database is asked page by page for what it has an index for, and the rest is
 * chosen here: a rare verdict among millions of rows costs neither it nor us more than the bound.
 */
import { setImmediate } from 'node:timers/promises'
import type { LoginLogEntry, LoginLogSource } from './event.ts'
import { isMeant, type NetworkFilter } from './network-filter.ts'

export interface LoginFilter {
  /** A canonical address. */
  readonly mailbox?: string | undefined
  readonly network?: NetworkFilter | undefined
  /** `main`, `app:7`, `sogo`. */
  readonly credential?: string | undefined
  readonly service?: string | undefined
  readonly verdict?: string | undefined
  /** Lines with a login at this time or later. */
  readonly sinceMs?: number | undefined
  /** Lines with a login before this time. */
  readonly untilMs?: number | undefined
}

export interface FoundLogins {
  /** By the time of their last login, newest first. */
  readonly logins: readonly LoginLogEntry[]
  /** Where the search goes on; undefined where there is nothing more. */
  readonly next: LoginLogEntry | undefined
}

/** A line holds the logins of one hour. */
const HOUR_MS = 3_600_000
const PAGE_ROWS = 500
/** Rows looked at by one search; the next one goes on behind them. */
export const MAX_LOOKED_AT = 100_000

/** At most `limit` lines behind `after`. Throws MailpassdError store_*. */
export async function findLogins(
  source: LoginLogSource,
  filter: LoginFilter,
  { limit, after }: { readonly limit: number; readonly after?: LoginLogEntry | undefined },
): Promise<FoundLogins> {
  const logins: LoginLogEntry[] = []
  let last = after
  for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT;) {
    const pageRows = isSelective(filter) ? PAGE_ROWS : Math.min(PAGE_ROWS, limit - logins.length + 1)
    const page = await source.readLogins({ ...rangeOf(filter), after: last, limit: pageRows })
    for (const entry of page) {
      if (logins.length === limit) return { logins, next: last }
      last = entry
      if (isWanted(entry, filter)) logins.push(entry)
    }
    if (page.length < pageRows) return { logins, next: undefined }
    lookedAt += page.length
    // SQLite reads on this thread: logins come in between.
    await setImmediate()
  }
  return { logins, next: last }
}

/** What the database chooses by itself. */
function rangeOf({ mailbox, network, sinceMs, untilMs }: LoginFilter) {
  return {
    mailbox,
    network: network?.kind === 'one' ? network.network : undefined,
    sinceMs,
    // A line's last login may be later than one of its logins before that time, by less than its hour.
    beforeMs: untilMs === undefined ? undefined : untilMs + HOUR_MS,
  }
}

/** Whether rows are chosen here. */
function isSelective({ network, credential, service, verdict, untilMs }: LoginFilter): boolean {
  const more = [credential, service, verdict, untilMs].some((part) => part !== undefined)
  return more || network?.kind === 'within'
}

function isWanted(entry: LoginLogEntry, filter: LoginFilter): boolean {
  const { credential, service, verdict, network, untilMs } = filter
  return (
    (credential === undefined || entry.credential === credential) &&
    (service === undefined || entry.service === service) &&
    (verdict === undefined || entry.verdict === verdict) &&
    (network === undefined || isMeant(network, entry.network)) &&
    (untilMs === undefined || entry.firstMs < untilMs)
  )
}
