/** Rows of app passwords as values: mailcow's row, what we know of it beside that, and its last use. */
import type { OwnAppPassword, StoredAccount, StoredAppPassword } from '../account/stored.ts'
import { MailpassdError } from '../errors.ts'
import type { ListedAppPassword } from '../credential/app-passwords.ts'
import { FLAGGED_SERVICES, type FlaggedService } from '../login/service.ts'
import type { AppPasswordRow } from './account-query.ts'

/** As APP_PASSWORD_COLUMNS has it. */
export type ReadAppPasswordRow = Omit<AppPasswordRow, 'others' | 'created_ms'> & {
  readonly created_ms: number | string | null
}

type ListedRow = ReadAppPasswordRow & {
  readonly name: string
  readonly last_service: string | null
  readonly last_network: string | null
}

/** Of app_passwd as p, mailpassd_app_password as op, mailpassd_app_password_use as u. */
export const APP_PASSWORD_COLUMNS = [
  'p.id as id',
  'p.mailbox as mailbox',
  'p.password as password',
  'p.active as active',
  'p.imap_access as imap',
  'p.pop3_access as pop3',
  'p.smtp_access as smtp',
  'p.sieve_access as sieve',
  'p.eas_access as eas',
  'p.dav_access as dav',
  'op.mailbox as own_mailbox',
  'op.hash as own_hash',
  'op.tag as tag',
  'op.directory_id as directory_id',
  'op.networks as networks',
  'op.created_ms as created_ms',
  'op.expires_ms as expires_ms',
  'op.unused_days as unused_days',
  'op.revoked_ms as revoked_ms',
  'u.mailbox as use_mailbox',
  'u.last_ms as last_ms',
] as const

/** The same and what only a list shows. */
export const LISTED_COLUMNS = [
  ...APP_PASSWORD_COLUMNS,
  'p.name as name',
  'u.last_service as last_service',
  'u.last_network as last_network',
] as const

/**
 * App passwords whose mailbox is exactly this one, newest first: ours and those made elsewhere, which say how many of
 * them there are. Throws MailpassdError store_failed.
 */
export function toAppPasswords(
  ours: readonly ReadAppPasswordRow[],
  others: readonly AppPasswordRow[],
  full: string,
): Pick<StoredAccount, 'appPasswords' | 'othersLeftOut'> {
  const appPasswords = [...ours, ...others].flatMap((row): readonly StoredAppPassword[] => {
    if (row.mailbox !== full) return []
    const own = toOwn(row)
    const isActive = row.active === 1
    // Not ours any more (its hash was replaced), and switched off: nobody's to explain.
    if (!isActive && own === undefined) return []
    return [
      {
        id: row.id,
        hash: row.password,
        services: new Set(servicesOf(row)),
        active: isActive,
        own,
        lastUsedMs: lastUsedMs(row, own, full),
      },
    ]
  })
  appPasswords.sort((a, b) => b.id - a.id)
  return { appPasswords, othersLeftOut: Number(others[0]?.others ?? 0) - others.length }
}

/** One row for a list, inactive ones too; none where its mailbox is another one's. Throws MailpassdError store_failed. */
export function listedOf(row: ListedRow, full: string): readonly ListedAppPassword[] {
  if (row.mailbox !== full) return []
  const own = toOwn(row)
  const atMs = lastUsedMs(row, own, full)
  return [
    {
      id: row.id,
      name: row.name,
      services: servicesOf(row),
      active: row.active === 1,
      own,
      lastUse:
        atMs === undefined
          ? undefined
          : { atMs, service: row.last_service ?? '', network: row.last_network ?? '' },
    },
  ]
}

function servicesOf(row: Pick<AppPasswordRow, FlaggedService>): readonly FlaggedService[] {
  return FLAGGED_SERVICES.filter((service) => row[service] === 1)
}

/** The id may have been another mailbox's; ours may have been used under the name that the mailbox had. */
function lastUsedMs(
  row: ReadAppPasswordRow,
  own: OwnAppPassword | undefined,
  full: string,
): number | undefined {
  const isOfThis = row.use_mailbox === full || (own !== undefined && row.use_mailbox === row.own_mailbox)
  return isOfThis ? numberOf(row.last_ms) : undefined
}

/**
 * The hash, which has a salt of its own, says that it is our password, whatever its mailbox was called when it was
 * made: mailcow renames mailboxes, and an expiry or a network that was lost with the old name would open it for good.
 */
function toOwn(row: ReadAppPasswordRow): OwnAppPassword | undefined {
  if (row.own_hash !== row.password) return undefined
  return {
    tag: row.tag ?? '',
    directoryId: row.directory_id ?? undefined,
    networks: parseNetworks(row.id, row.networks),
    createdMs: Number(row.created_ms ?? 0),
    expiresMs: numberOf(row.expires_ms),
    unusedDays: row.unused_days ?? undefined,
    revokedMs: numberOf(row.revoked_ms),
  }
}

const EVERYWHERE: readonly string[] = Object.freeze([])

/** Where nobody can say from which networks a password may come, it comes from none: the login fails for now. */
function parseNetworks(id: number, text: string | null): readonly string[] {
  if (text === '[]') return EVERYWHERE
  let parsed: unknown
  try {
    parsed = JSON.parse(text ?? '')
  } catch {
    parsed = undefined
  }
  if (Array.isArray(parsed) && parsed.every((each) => typeof each === 'string')) return parsed
  throw new MailpassdError(
    'store_failed',
    `app password ${id}: mailpassd_app_password.networks is not a JSON list; revoke it and make another`,
  )
}

function numberOf(value: number | string | null): number | undefined {
  return value === null ? undefined : Number(value)
}
