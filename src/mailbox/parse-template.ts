/**
 * A row of mailcow's `templates` as a MailboxTemplate. Rows are JSON written by several generations of PHP: numbers
 * or strings, keys missing in older ones. What cannot be read is told, never guessed.
 */
import { FLAGGED_SERVICES, type FlaggedService } from '../login/service.ts'
import { USER_ACL, type MailboxTemplate, type UserAclColumn } from './template.ts'

export type ParsedTemplate =
  | { readonly kind: 'template'; readonly template: MailboxTemplate }
  | { readonly kind: 'unreadable'; readonly reason: string }

/** mailcow's own bound: it stops at the 26th tag. */
const MAX_TAGS = 26
/** tags_mailbox.tag_name is VARCHAR(255). */
const MAX_TAG_LENGTH = 255

/** Mailbox attributes beside the protocol flags, with mailcow's value where a template lacks the key. */
const ATTRIBUTE_DEFAULTS = {
  force_pw_update: '0',
  force_tfa: '0',
  tls_enforce_in: '0',
  tls_enforce_out: '0',
  sogo_access: '1',
  relayhost: '0',
  quarantine_notification: 'hourly',
  quarantine_category: 'reject',
  mailbox_format: 'maildir:',
} as const

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  quarantine_notification: ['never', 'hourly', 'daily', 'weekly'],
  quarantine_category: ['add_header', 'reject', 'all'],
}

type Row = Readonly<Record<string, unknown>>

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A scalar as the text that PHP would make of it; undefined where there is none. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (typeof value === 'boolean') return value ? '1' : '0'
  return undefined
}

/** A flag: on unless absent, empty or zero; `absent` where there is no such key. */
function flag(row: Row, key: string, absent: boolean): boolean {
  const text = textOf(row[key])
  return text === undefined ? absent : text !== '' && Number(text) !== 0
}

/** Whole bytes, 0 (unlimited) where absent; undefined for what is no quota. */
function quotaOf(row: Row): number | undefined {
  const quota = Number(textOf(row['quota']) ?? 0)
  return Number.isSafeInteger(quota) && quota >= 0 ? quota : undefined
}

function activeOf(row: Row): 0 | 1 | 2 | undefined {
  switch (textOf(row['active']) ?? '1') {
    case '0':
      return 0
    case '1':
      return 1
    case '2':
      return 2
    default:
      return undefined
  }
}

function tagsOf(row: Row): readonly string[] {
  const tags: unknown = row['tags']
  if (!Array.isArray(tags)) return []
  const texts = tags
    .filter((tag) => typeof tag === 'string')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '' && tag.length <= MAX_TAG_LENGTH)
  return [...new Set(texts)].slice(0, MAX_TAGS)
}

function servicesOf(row: Row): Readonly<Record<FlaggedService, boolean>> {
  const services = { imap: true, pop3: true, smtp: true, sieve: true, eas: true, dav: true }
  for (const service of FLAGGED_SERVICES) services[service] = flag(row, `${service}_access`, true)
  return services
}

/** Where a template names any right, those that it does not name are off; one that names none has the defaults. */
function aclOf(row: Row): Readonly<Record<UserAclColumn, boolean>> {
  const namesAny = Object.keys(row).some((key) => key.startsWith('acl_'))
  const value = (column: UserAclColumn): boolean =>
    flag(row, `acl_${column}`, namesAny ? false : USER_ACL[column] === 1)
  return {
    spam_alias: value('spam_alias'),
    tls_policy: value('tls_policy'),
    spam_score: value('spam_score'),
    spam_policy: value('spam_policy'),
    delimiter_action: value('delimiter_action'),
    syncjobs: value('syncjobs'),
    eas_reset: value('eas_reset'),
    sogo_profile_reset: value('sogo_profile_reset'),
    pushover: value('pushover'),
    quarantine: value('quarantine'),
    quarantine_attachments: value('quarantine_attachments'),
    quarantine_notification: value('quarantine_notification'),
    quarantine_category: value('quarantine_category'),
    app_passwds: value('app_passwds'),
    pw_reset: value('pw_reset'),
  }
}

function attributesOf(row: Row): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {}
  for (const [key, absent] of Object.entries(ATTRIBUTE_DEFAULTS)) {
    const text = textOf(row[key])
    const allowed = ALLOWED[key]
    const isUsable = text !== undefined && text !== '' && (allowed === undefined || allowed.includes(text))
    attributes[key] = isUsable ? text : absent
  }
  return attributes
}

/**
 * Reads `templates.attributes` of the template `name`. Quota is in bytes there.
 * `unreadable` with a reason for the log where the text is not a JSON object, or its quota or active is nonsense.
 */
export function parseTemplate(name: string, raw: string | null): ParsedTemplate {
  const unreadable = (reason: string): ParsedTemplate => ({ kind: 'unreadable', reason })
  let row: unknown
  try {
    row = JSON.parse(raw ?? '')
  } catch {
    return unreadable('its attributes are not JSON')
  }
  if (!isRow(row)) return unreadable('its attributes are not a JSON object')
  const quotaBytes = quotaOf(row)
  if (quotaBytes === undefined) return unreadable('its quota is not a number of bytes')
  const active = activeOf(row)
  if (active === undefined) return unreadable('its active is none of 0, 1, 2')
  return {
    kind: 'template',
    template: {
      name,
      raw: raw ?? '',
      quotaBytes,
      active,
      tags: tagsOf(row),
      services: servicesOf(row),
      acl: aclOf(row),
      attributes: attributesOf(row),
    },
  }
}
