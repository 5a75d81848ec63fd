/** What is asked of the login log, as texts of a command line or a URL, checked. */
import { MailpassdError } from '../errors.ts'
import { parseAddress } from '../login/address.ts'
import { parseService, SERVICES } from '../login/service.ts'
import { VERDICTS } from '../login/why.ts'
import type { LoginFilter } from './find.ts'
import { parseNetworkFilter } from './network-filter.ts'
import { PAST_EXPECTED, parsePast } from './past.ts'

export interface LoginQuery {
  readonly address?: string | undefined
  readonly ip?: string | undefined
  readonly credential?: string | undefined
  readonly service?: string | undefined
  readonly verdict?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
}

const CREDENTIAL = /^(?:main|sogo|app:\d{1,10})$/

/**
 * The filter that the texts stand for. Throws MailpassdError input_invalid that names the field and what it takes;
 * never the value.
 */
export function parseLoginQuery(query: LoginQuery, nowMs: number): LoginFilter {
  return {
    mailbox: read('address', query.address, 'a mailbox address', (text) => parseAddress(text)?.full),
    network: read(
      'ip',
      query.ip,
      'an IP address, a network such as 192.0.2.0/24, or unknown',
      parseNetworkFilter,
    ),
    credential: read('credential', query.credential, 'main, sogo, or app: and an id', (text) =>
      CREDENTIAL.test(text) ? text : undefined,
    ),
    service: read('service', query.service, `one of ${SERVICES.join(', ')}`, parseLoggedService),
    verdict: read('verdict', query.verdict, `one of ${VERDICTS.join(', ')}`, (text) =>
      VERDICTS.find((verdict) => verdict === text),
    ),
    sinceMs: read('since', query.since, PAST_EXPECTED, (text) => parsePast(text, nowMs)),
    untilMs: read('until', query.until, PAST_EXPECTED, (text) => parsePast(text, nowMs)),
  }
}

function read<T>(
  field: string,
  text: string | undefined,
  expected: string,
  parse: (text: string) => T | undefined,
): T | undefined {
  if (text === undefined) return undefined
  const value = parse(text)
  if (value !== undefined) return value
  throw new MailpassdError('input_invalid', `${field}: expected ${expected}`)
}

/** The log has our own words; those of mail servers are turned into them. */
function parseLoggedService(text: string): string | undefined {
  const service = parseService(text)
  return service === 'other' ? SERVICES.find((known) => known === text) : service
}
