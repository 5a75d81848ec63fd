/** A line of the login log as the API tells it. Names are its own. */
import { Type, type Static } from 'typebox'
import { isWhy, REASONS } from '../login/why.ts'
import type { LoginLogEntry } from './event.ts'

export const LoginLine = Type.Object(
  {
    first: Type.String({ description: 'The first of its logins; ISO 8601, UTC.' }),
    last: Type.String({ description: 'The last of its logins; ISO 8601, UTC.' }),
    count: Type.Number({ description: 'Logins of one hour that came out alike.' }),
    mailbox: Type.String({ description: "'' for names that have no mailbox: these are counted by network." }),
    network: Type.String({ description: '/24, IPv6 /64, or unknown.' }),
    service: Type.String(),
    credential: Type.String({ description: "`main`, `app:` and an id, `sogo`; '' where nothing matched." }),
    verdict: Type.String(),
    why: Type.String({ description: 'docs/errors.md lists them.' }),
    meaning: Type.String({ description: "The reason in words; '' for one that another version wrote." }),
  },
  { description: 'A line of the login log.' },
)
export type LoginLine = Static<typeof LoginLine>

export function loginLine(entry: LoginLogEntry): LoginLine {
  const { count, mailbox, network, service, credential, verdict, why } = entry
  return {
    first: isoTime(entry.firstMs),
    last: isoTime(entry.lastMs),
    count,
    mailbox,
    network,
    service,
    credential,
    verdict,
    why,
    meaning: isWhy(why) ? REASONS[why].meaning : '',
  }
}

/** '' for what is no time. */
function isoTime(atMs: number): string {
  return Math.abs(atMs) > 8.64e15 ? '' : new Date(atMs).toISOString()
}
