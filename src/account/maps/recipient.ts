/**
 * Where mail for an address goes. Pure: rows in, addresses out. The first name that has a row decides, the most exact
 * first, so that a catch-all takes nothing from a mailbox, whether that has an alias row of its own or not.
 */
import type { AddressNames } from './names.ts'
import type { AddressRows } from './source.ts'

/** Where mailcow sends mail for rooms and things: nobody reads it. */
const NOBODY = 'null@localhost'
const LOCALHOST = '@localhost'

/** The addresses that mail for these names goes to, or none. `nowMs` is wall-clock time. */
export function targetsOf(names: AddressNames, rows: AddressRows, nowMs: number): readonly string[] {
  for (const name of names.exact) {
    const targets = targetsOfName(name, rows, nowMs)
    if (targets.length > 0) return targets
  }
  for (const name of names.base) {
    const targets = targetsOfName(name, rows, nowMs)
    // As Postfix does for other tables (propagate_unmatched_extensions): the tag goes on to whom it was meant for.
    if (targets.length > 0) return targets.map((target) => extended(target, names.extension))
  }
  if (!names.isPlain) return []
  for (const name of names.domains) {
    const alias = rows.aliases.get(name)
    if (alias !== undefined) return addressesIn(alias.goto)
  }
  return []
}

/** The mailbox that mail for these names is delivered to once no alias leads further, or undefined. */
export function mailboxOf(names: AddressNames, rows: AddressRows): string | undefined {
  const [own] = names.exact
  const [base] = names.base
  return [own, base].find((name) => name !== undefined && rows.mailboxes.has(name))
}

function targetsOfName(name: string, rows: AddressRows, nowMs: number): readonly string[] {
  const kind = rows.mailboxes.get(name)
  if (kind === 'location' || kind === 'thing' || kind === 'group') return [NOBODY]
  const alias = rows.aliases.get(name)
  // Every mailbox has an alias to itself; where the mailbox does not receive any more, it leads nowhere.
  const targets = (alias === undefined ? [] : addressesIn(alias.goto)).filter(
    (target) => kind !== undefined || target !== name,
  )
  if (targets.length > 0) return targets
  if (kind !== undefined) return [name]
  const temporary = rows.spamAliases.get(name)
  if (temporary === undefined || !(temporary.isPermanent || nowMs < temporary.validUntilMs)) return []
  return addressesIn(temporary.goto)
}

/** The addresses of a goto column; nothing in it may look like a second entry or line to whom it is told. */
export function addressesIn(goto: string): readonly string[] {
  return goto.split(/[\s,\u0000-\u001f\u007f]+/).filter((address) => address !== '')
}

function extended(target: string, extension: string): string {
  const at = target.lastIndexOf('@')
  // `@example.net` keeps the whole local part anyway; names at localhost are mailcow's own.
  return at <= 0 || target.endsWith(LOCALHOST) ? target : target.slice(0, at) + extension + target.slice(at)
}
