/** How a failure of an endpoint is told: which one, where, and what, in one short line. */
import { MailpassdError } from '../errors.ts'

const MAX_LENGTH = 200

export type EndpointFault = (what: string, cause?: unknown) => MailpassdError

/** `where` is shown: an origin, or a program's name. */
export function faultOf(name: string, where: string): EndpointFault {
  return (what, cause) =>
    new MailpassdError('consumer_failed', `Dovecot ${name} (${where}): ${what}`, { cause })
}

/** The first line of foreign text, without control characters, cut. */
export function oneLine(text: string): string {
  const [line = ''] = text.trim().split(/[\r\n]/, 1)
  return line.replace(/\p{Cc}|\p{Cf}/gu, '?').slice(0, MAX_LENGTH)
}

export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
