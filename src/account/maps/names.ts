/**
 * The names under which rows may speak of an address. Postfix asks a socketmap for the whole address only: it tries
 * neither the address without its extension nor `@domain`, as it does with tables of its own. So both are done here.
 */
import { isMakeable, type Address } from '../../login/address.ts'

export interface AddressNames {
  /** The address itself, and the same local part in the domain that its domain is an alias of. */
  readonly exact: readonly string[]
  /** The same without the extension; empty where there is none. */
  readonly base: readonly string[]
  /** `@domain`, for rows that stand for every address of it. */
  readonly domains: readonly string[]
  /** With its delimiter: `+tag`; '' where there is none. */
  readonly extension: string
  /**
   * A local part that needs no quoting anywhere. Others (quotes, UTF-8) count only by a row of exactly their name,
   * not by a catch-all or without their extension.
   */
  readonly isPlain: boolean
}

/** `target` is the domain that the address's domain is an alias of, `delimiters` are recipient_delimiter's. */
export function namesOf(address: Address, target: string | undefined, delimiters: string): AddressNames {
  const { local, domain } = address
  const domains = target === undefined ? [domain] : [domain, target]
  const isPlain = isMakeable(address)
  const base = isPlain ? withoutExtension(local, delimiters) : local
  return {
    exact: domains.map((name) => `${local}@${name}`),
    base: base === local ? [] : domains.map((name) => `${base}@${name}`),
    domains: domains.map((name) => `@${name}`),
    extension: local.slice(base.length),
    isPlain,
  }
}

/** The first delimiter that is not the first character ends the base, as Postfix splits (recipient_delimiter). */
function withoutExtension(local: string, delimiters: string): string {
  for (let at = 1; at < local.length; at += 1) {
    if (delimiters.includes(local.charAt(at))) return local.slice(0, at)
  }
  return local
}
