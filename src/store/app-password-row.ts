/** Rows of app passwords as values: mailcow's row, what we know of it beside that, and its last use. */
import type { OwnAppPassword, StoredAppPassword } from '../account/stored.ts'
import { MailpassdError } from '../errors.ts'
import { FLAGGED_SERVICES } from '../login/service.ts'
import type { AppPasswordRow } from './account-query.ts'

/** App passwords whose mailbox is exactly this one, newest first. Throws MailpassdError store_failed. */
export function toAppPasswords(rows: readonly AppPasswordRow[], full: string): readonly StoredAppPassword[] {
  return rows.flatMap((row) => {
    if (row.mailbox !== full) return []
    const own = toOwn(row, full)
    const isActive = row.active === 1
    // Not ours any more (its hash was replaced), and switched off: nobody's to explain.
    if (!isActive && own === undefined) return []
    return [
      {
        id: row.id,
        hash: row.password,
        services: new Set(FLAGGED_SERVICES.filter((service) => row[service] === 1)),
        active: isActive,
        own,
        lastUsedMs: row.use_mailbox === full ? numberOf(row.last_ms) : undefined,
      },
    ]
  })
}

function toOwn(row: AppPasswordRow, full: string): OwnAppPassword | undefined {
  if (row.own_mailbox !== full || row.own_hash !== row.password) return undefined
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

/** Where nobody can say from which networks a password may come, it comes from none: the login fails for now. */
function parseNetworks(id: number, text: string | null): readonly string[] {
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
