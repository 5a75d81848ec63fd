/** Prints who used a mailbox lately, as columns. Times are UTC. */
import type { RecentUse } from '../incident/incident.ts'
import type { Io } from './command.ts'

/** `2027-01-31 18:00 UTC` */
export function shortTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** Names that people chose are shown without what would move the cursor. */
function printable(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}/gu, '?')
}

function printTable(
  io: Io,
  title: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  io.out(`\n${title}:${rows.length === 0 ? ' none' : ''}\n`)
  if (rows.length === 0) return
  const lines = [head, ...rows.map((row) => row.map(printable))]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  for (const line of lines) {
    const cells = line.map((cell, column) => cell.padEnd(widths[column] ?? 0))
    io.out(`  ${cells.join('  ').trimEnd()}\n`)
  }
}

export function printRecentUse(io: Io, { credentials, addresses, appPasswords }: RecentUse): void {
  const names = new Map(appPasswords.map(({ id, name }) => [`app:${id}`, name]))
  printTable(
    io,
    'Good logins by password and network, last first',
    ['last', 'password', 'name', 'network', 'protocol', 'logins'],
    credentials.map(({ lastMs, credential, network, service, count }) => [
      shortTime(lastMs),
      credential,
      names.get(credential) ?? '',
      network === '' ? '(unknown)' : network,
      service,
      String(count),
    ]),
  )
  printTable(
    io,
    'Addresses, last login of each',
    ['last', 'address', 'protocol', 'password'],
    addresses.map(({ lastMs, remoteIp, service, credential }) => [
      shortTime(lastMs),
      remoteIp,
      service,
      credential,
    ]),
  )
  printTable(
    io,
    'App passwords',
    ['id', 'name', 'active', 'last use'],
    appPasswords.map(({ id, name, active, lastMs, lastService, lastNetwork }) => [
      String(id),
      name,
      active ? 'yes' : 'no',
      lastMs === undefined ? '(not known)' : `${shortTime(lastMs)} ${lastService ?? ''} ${lastNetwork ?? ''}`,
    ]),
  )
}
