/**
 * Rows of the account statements as values. Keys are compared byte for byte: mailcow's collation folds case,
 * accents and trailing blanks, so that `bób@example.org` is found under `bob@example.org`.
 */
import type {
  AuthSource,
  MakingFacts,
  StoredAccount,
  StoredDomain,
  StoredLock,
  StoredMailbox,
} from '../account/stored.ts'
import { MailpassdError } from '../errors.ts'
import { FLAGGED_SERVICES, type FlaggedService } from '../login/service.ts'
import type { MailboxTemplate } from '../mailbox/template.ts'
import type { AccountRow, MakingRow, TotalsRow } from './account-query.ts'
import type { Totals } from './domain-totals.ts'

export const BYTES_PER_MIB = 1024 * 1024

interface Wanted {
  readonly full: string
  readonly domain: string
}

function toDomain(row: AccountRow, domain: string): StoredDomain | undefined {
  if (row.domain_key !== domain) return undefined
  const isOurs = row.own_domain_key === domain
  return {
    name: domain,
    active: row.domain_active === 1,
    maxMailboxes: row.domain_mailboxes ?? 0,
    maxMailboxQuotaBytes: Number(row.domain_maxquota ?? 0) * BYTES_PER_MIB,
    quotaBytes: Number(row.domain_quota ?? 0) * BYTES_PER_MIB,
    autojoin: isOurs && row.autojoin !== null ? row.autojoin !== 0 : undefined,
    template: isOurs && row.domain_template !== null ? row.domain_template : undefined,
  }
}

function aliasTarget(row: AccountRow, domain: string): string | undefined {
  if (row.alias_domain_key !== domain || row.alias_domain_active !== 1) return undefined
  return row.target_domain ?? undefined
}

/** Where nobody can say which protocols are open, none is: the login fails for now and the log names the mailbox. */
function parseAttributes(username: string, text: string | null): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text ?? '')
  } catch {
    parsed = undefined
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new MailpassdError(
      'store_failed',
      `mailbox ${username}: its attributes are not a JSON object; save it again in mailcow, or correct mailbox.attributes`,
    )
  }
  return { ...parsed }
}

/** PHP wrote strings, other hands numbers; absent is open. */
function isOpen(value: unknown): boolean {
  return value === '1' || value === 1 || value === true
}

function toServices(attributes: Readonly<Record<string, unknown>>): Partial<Record<FlaggedService, boolean>> {
  const services: Partial<Record<FlaggedService, boolean>> = {}
  for (const service of FLAGGED_SERVICES) {
    const value = attributes[`${service}_access`]
    if (value !== undefined) services[service] = isOpen(value)
  }
  return services
}

function toAuthSource(username: string, value: string | null): AuthSource {
  switch (value) {
    case 'mailcow':
    case 'keycloak':
    case 'ldap':
    case 'generic-oidc':
      return value
    case null:
      return 'mailcow'
    default:
      throw new MailpassdError('store_failed', `mailbox ${username}: unknown authsource`)
  }
}

function toActive(value: number | null): 0 | 1 | 2 {
  return value === 1 || value === 2 ? value : 0
}

function toMailbox(row: AccountRow, { full }: Wanted): StoredMailbox | undefined {
  if (row.mailbox_key !== full) return undefined
  const attributes = parseAttributes(full, row.attributes)
  const format = attributes['mailbox_format']
  return {
    username: full,
    hash: row.password ?? '',
    authsource: toAuthSource(full, row.authsource),
    active: toActive(row.active),
    kind: row.kind ?? '',
    services: toServices(attributes),
    tfaActive: Number(row.tfa) > 0,
    directoryId: row.own_mailbox_key === full ? (row.directory_id ?? undefined) : undefined,
    // What the collation finds in the place of a missing row keeps it from being made: it does not count as missing.
    missing: {
      alias: row.alias_key === null,
      quota2: row.quota2_key === null,
      quota2replica: row.quota2replica_key === null,
      userAcl: row.user_acl_key === null,
    },
    name: row.name ?? '',
    quotaBytes: Number(row.quota ?? 0),
    mailboxFormat: typeof format === 'string' && format !== '' ? format : 'maildir:',
    pathPrefix: row.path_prefix ?? '/var/vmail/',
  }
}

function toLock(row: AccountRow, full: string): StoredLock | undefined {
  if (row.lock_key !== full) return undefined
  return { untilMs: numberOf(row.lock_until_ms) }
}

function numberOf(value: number | string | null): number | undefined {
  return value === null ? undefined : Number(value)
}

function isOther(key: string | null, wanted: string): boolean {
  return key !== null && key !== wanted
}

export function toTotals(row: TotalsRow | undefined): Totals {
  return {
    mailboxCount: Number(row?.mailbox_count ?? 0),
    quotaSumBytes: Number(row?.quota_sum ?? 0),
  }
}

/** The facts of making, from the account's row, the making rows and the domain's totals. */
export function toMaking(
  row: AccountRow,
  making: readonly MakingRow[],
  totals: Totals,
  templates: readonly MailboxTemplate[],
  { full }: Wanted,
): MakingFacts {
  const spamAlias = making[0]?.spamalias_key ?? null
  return {
    ...totals,
    isAlias: row.alias_key === full,
    isSpamAlias: spamAlias === full,
    collides: isOther(row.mailbox_key, full) || isOther(row.alias_key, full) || isOther(spamAlias, full),
    templates,
  }
}

/** The account without its app passwords and making facts, which are further statements where needed. */
export function toAccount(
  row: AccountRow,
  wanted: Wanted,
): Pick<StoredAccount, 'domain' | 'aliasDomainOf' | 'mailbox' | 'lock'> {
  const domain = toDomain(row, wanted.domain)
  return {
    domain,
    aliasDomainOf: domain === undefined ? aliasTarget(row, wanted.domain) : undefined,
    mailbox: toMailbox(row, wanted),
    lock: toLock(row, wanted.full),
  }
}
