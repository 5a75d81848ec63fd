/** The users of a benchmark: made up, one password for all, which is hashed once. */
import bcrypt from 'bcryptjs'
import type { Credential } from './load.ts'
import { makeHash } from '../src/password/make.ts'
import { Secret } from '../src/secret.ts'

export const DOMAIN = 'example.org'
export const PASSWORD = 'the right password'

export type Scheme = 'bcrypt 5' | 'bcrypt 10' | 'SSHA512'

/** PASSWORD's hash, as it stands in the directory. */
export async function hashBy(scheme: Scheme): Promise<string> {
  if (scheme === 'SSHA512') return makeHash('SSHA512', Secret.fromText(PASSWORD))
  return `{BLF-CRYPT}$2y$${bcrypt.hashSync(PASSWORD, scheme === 'bcrypt 5' ? 5 : 10).slice(4)}`
}

/** `user0@example.org` and so on; `prefix` keeps sets of them apart. */
export function addresses(count: number, prefix = 'user'): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}@${DOMAIN}`)
}

/** A /24 network for each number below 2^16. */
export function addressInNetwork(network: number): string {
  return `10.${(network >> 8) & 255}.${network & 255}.7`
}

/** Each from a network of its own, unless they are told to share some. */
export function credentialsOf(
  usernames: readonly string[],
  password = PASSWORD,
  networks = usernames.length,
): Credential[] {
  return usernames.map((username, at) => ({ username, password, remoteIp: addressInNetwork(at % networks) }))
}
