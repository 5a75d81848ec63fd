/** What may be asked of a new app password, checked once for command line and HTTP interface. */
import { MailpassdError } from '../errors.ts'
import { FLAGGED_SERVICES, type FlaggedService } from '../login/service.ts'
import { normaliseCidr } from '../policy/cidr.ts'

/** As it was asked for: nothing is checked yet. Names in messages are those of the HTTP interface. */
export interface AppPasswordWish {
  readonly name: string
  /** All of them where it is not said. */
  readonly protocols?: readonly string[] | undefined
  /** Wall clock. */
  readonly expiresMs?: number | undefined
  readonly unusedDays?: number | undefined
  /** CIDR or single addresses; everywhere where it is not said. */
  readonly networks?: readonly string[] | undefined
}

export interface CheckedWish {
  readonly name: string
  readonly services: readonly FlaggedService[]
  readonly expiresMs: number | undefined
  readonly unusedDays: number | undefined
  readonly networks: readonly string[]
}

/** app_passwd.name is VARCHAR(255). */
const MAX_NAME_BYTES = 255
export const MAX_NETWORKS = 50
/** Ten years: who wants more wants none. */
export const MAX_UNUSED_DAYS = 3650
const MAX_EXPIRES_MS = 100 * 365 * 86_400_000

/** Control characters, separators of lines, and what turns the direction of a line: the name is shown in lists. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/u

/** Throws MailpassdError input_invalid that names the field. Messages hold no value. */
export function checkWish(wish: AppPasswordWish, nowMs: number): CheckedWish {
  return {
    name: checkName(wish.name),
    services: checkProtocols(wish.protocols),
    expiresMs: checkExpiry(wish.expiresMs, nowMs),
    unusedDays: checkDays(wish.unusedDays),
    networks: checkNetworks(wish.networks ?? []),
  }
}

function refused(field: string, text: string): MailpassdError {
  return new MailpassdError('input_invalid', `${field}: ${text}`)
}

function checkName(text: string): string {
  const name = text.trim()
  if (name === '') throw refused('name', 'is empty; say what uses the password, such as a device')
  if (UNPRINTABLE.test(name)) throw refused('name', 'has a character that cannot be printed')
  if (Buffer.byteLength(name) > MAX_NAME_BYTES)
    throw refused('name', `is longer than ${MAX_NAME_BYTES} bytes`)
  return name
}

function checkProtocols(given: readonly string[] | undefined): readonly FlaggedService[] {
  if (given === undefined) return FLAGGED_SERVICES
  const unknown = given.some((word) => !FLAGGED_SERVICES.some((service) => service === word))
  if (given.length === 0 || unknown)
    throw refused('protocols', `takes some of ${FLAGGED_SERVICES.join(', ')}`)
  return FLAGGED_SERVICES.filter((service) => given.includes(service))
}

function checkExpiry(expiresMs: number | undefined, nowMs: number): number | undefined {
  if (expiresMs === undefined) return undefined
  if (!Number.isFinite(expiresMs)) throw refused('expires_at', 'is no time')
  if (expiresMs <= nowMs) throw refused('expires_at', 'has passed already')
  if (expiresMs > nowMs + MAX_EXPIRES_MS)
    throw refused('expires_at', 'is more than 100 years away; leave it out')
  return Math.floor(expiresMs)
}

function checkDays(days: number | undefined): number | undefined {
  if (days === undefined) return undefined
  if (Number.isInteger(days) && days >= 1 && days <= MAX_UNUSED_DAYS) return days
  throw refused('unused_days', `takes a whole number of days from 1 to ${MAX_UNUSED_DAYS}`)
}

function checkNetworks(given: readonly string[]): readonly string[] {
  if (given.length > MAX_NETWORKS) throw refused('allowed_networks', `takes at most ${MAX_NETWORKS} networks`)
  const networks = given.map((text, at) => {
    const network = normaliseCidr(text)
    if (network !== undefined) return network
    throw refused(
      'allowed_networks',
      `number ${at + 1} is no network; write 192.0.2.0/24, 2001:db8::/32 or an address, without bits beyond the length`,
    )
  })
  return [...new Set(networks)]
}
