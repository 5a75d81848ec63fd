/**
 * A row of mailcow's `templates` as a MailboxTemplate. Rows are JSON written by several generations of PHP: numbers
 * or strings, keys missing in older ones. What cannot be read is told, never guessed.
 */
import { FLAGGED_SERVICES, type FlaggedService } from '../login/service.ts'
import { parseRateLimit, type RateLimit } from '../mailcow/rate-limit.ts'
import { USER_ACL, type MailboxTemplate, type UserAclColumn } from './template.ts'

export type ParsedTemplate =
  | { readonly kind: 'template'; readonly template: MailboxTemplate }
  | { readonly kind: 'unreadable'; readonly reason: string }

/** mailcow's own bound: it looks at no more than the first 26 of the list, whatever they are. */
const MAX_TAGS = 26
/** tags_mailbox.tag_name is VARCHAR(255). */
const MAX_TAG_CHARACTERS = 255
const BYTES_PER_MIB = 1024 * 1024

/** Attributes that are on or off, with mailcow's value where a template lacks the key. */
const FLAG_DEFAULTS = {
  force_pw_update: false,
  force_tfa: false,
  tls_enforce_in: false,
  tls_enforce_out: false,
  sogo_access: true,
} as const

/** Attributes of other kinds: mailcow's value where a template lacks the key or has nonsense, and what it may be. */
const TEXT_DEFAULTS = {
  relayhost: ['0', /^\d{1,10}$/],
  quarantine_notification: ['hourly', /^(?:never|hourly|daily|weekly)$/],
  quarantine_category: ['reject', /^(?:add_header|reject|all)$/],
  // Dovecot and Postfix make paths of it: a template never says it, so its values are not taken from one.
  mailbox_format: ['maildir:', /^maildir:$/],
} as const

/** Keys that we read one value of. */
const SCALARS: ReadonlySet<string> = new Set([
  'quota',
  'active',
  'rl_value',
  'rl_frame',
  ...FLAGGED_SERVICES.map((service) => `${service}_access`),
  ...Object.keys(USER_ACL).map((column) => `acl_${column}`),
  ...Object.keys(FLAG_DEFAULTS),
  ...Object.keys(TEXT_DEFAULTS),
])

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

/** A key that has a list or an object where we read one value: as absent it would be unlimited, or open. */
function keyWithoutValue(row: Row): string | undefined {
  return Object.keys(row).find((key) => SCALARS.has(key) && typeof row[key] === 'object' && row[key] !== null)
}

/** A flag: on unless absent, empty or zero; `absent` where there is no such key. */
function flag(row: Row, key: string, absent: boolean): boolean {
  const text = textOf(row[key])
  return text === undefined ? absent : text !== '' && Number(text) !== 0
}

/**
 * Bytes, 0 (unlimited) where absent; undefined for what is no quota. mailcow counts in whole MiB and drops the rest of
 * one; what is left of a quota below one MiB must not become 0, which is unlimited.
 */
function quotaOf(row: Row): number | undefined {
  const text = textOf(row['quota'])
  // Number() takes blanks for 0.
  if (text !== undefined && text !== '' && text.trim() === '') return undefined
  const quota = Number(text ?? 0)
  if (!Number.isSafeInteger(quota) || quota < 0) return undefined
  return quota === 0 ? 0 : Math.max(BYTES_PER_MIB, quota - (quota % BYTES_PER_MIB))
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

/** The first of those that the database takes for one: its collation folds case and drops trailing blanks. */
function tagsOf(row: Row): readonly string[] {
  // PHP writes a list with holes as an object.
  const tagged = row['tags']
  const list: readonly unknown[] = isRow(tagged) ? Object.values(tagged) : Array.isArray(tagged) ? tagged : []
  const tags = new Map<string, string>()
  for (const element of list.slice(0, MAX_TAGS)) {
    const tag = textOf(element)?.trim() ?? ''
    const isUsable = tag !== '' && tag !== '0' && Array.from(tag).length <= MAX_TAG_CHARACTERS
    if (isUsable && !tags.has(tag.toLowerCase())) tags.set(tag.toLowerCase(), tag)
  }
  return [...tags.values()]
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
  for (const [key, absent] of Object.entries(FLAG_DEFAULTS))
    attributes[key] = flag(row, key, absent) ? '1' : '0'
  for (const [key, [absent, allowed]] of Object.entries(TEXT_DEFAULTS)) {
    const text = textOf(row[key]) ?? ''
    attributes[key] = allowed.test(text) ? text : absent
  }
  return attributes
}

function rateLimitOf(row: Row): RateLimit | undefined | string {
  return parseRateLimit(textOf(row['rl_value']) ?? '', textOf(row['rl_frame']) ?? 's')
}

/**
 * Reads `templates.attributes` of the template `name`. Quota is in bytes there.
 * `unreadable` with a reason for the log where the text is not a JSON object, or its quota, active or rate limit is
 * nonsense, or a list stands where one value is read.
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
  const key = keyWithoutValue(row)
  if (key !== undefined) return unreadable(`its ${key} is neither text nor a number`)
  const quotaBytes = quotaOf(row)
  if (quotaBytes === undefined) return unreadable('its quota is not a number of bytes')
  const active = activeOf(row)
  if (active === undefined) return unreadable('its active is none of 0, 1, 2')
  const rateLimit = rateLimitOf(row)
  if (typeof rateLimit === 'string') return unreadable(rateLimit)
  return {
    kind: 'template',
    template: {
      name,
      raw: raw ?? '',
      quotaBytes,
      active,
      rateLimit,
      tags: tagsOf(row),
      services: servicesOf(row),
      acl: aclOf(row),
      attributes: attributesOf(row),
    },
  }
}
