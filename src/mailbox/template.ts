/** A mailbox template: the fields that mailcow keeps as JSON in `templates.attributes`, parsed. */
import type { FlaggedService } from '../login/service.ts'
import type { RateLimit } from '../mailcow/rate-limit.ts'

/** Columns of user_acl with the value a new row has by default (facts: mailcow schema). */
export const USER_ACL = {
  spam_alias: 1,
  tls_policy: 1,
  spam_score: 1,
  spam_policy: 1,
  delimiter_action: 1,
  syncjobs: 0,
  eas_reset: 1,
  sogo_profile_reset: 0,
  pushover: 1,
  quarantine: 1,
  quarantine_attachments: 1,
  quarantine_notification: 1,
  quarantine_category: 1,
  app_passwds: 1,
  pw_reset: 1,
} as const
export type UserAclColumn = keyof typeof USER_ACL

/** The same as flags: what a mailbox gets whose row went missing. */
export const USER_ACL_DEFAULTS: Readonly<Record<UserAclColumn, boolean>> = Object.freeze({
  spam_alias: true,
  tls_policy: true,
  spam_score: true,
  spam_policy: true,
  delimiter_action: true,
  syncjobs: false,
  eas_reset: true,
  sogo_profile_reset: false,
  pushover: true,
  quarantine: true,
  quarantine_attachments: true,
  quarantine_notification: true,
  quarantine_category: true,
  app_passwds: true,
  pw_reset: true,
})

export interface MailboxTemplate {
  readonly name: string
  /** The column's text as stored: attribute_hash is made of it. */
  readonly raw: string
  /** Whole MiB; 0 is unlimited. */
  readonly quotaBytes: number
  readonly active: 0 | 1 | 2
  /** Absent: none. */
  readonly rateLimit: RateLimit | undefined
  readonly tags: readonly string[]
  readonly services: Readonly<Record<FlaggedService, boolean>>
  readonly acl: Readonly<Record<UserAclColumn, boolean>>
  /** Remaining mailbox attributes, as the strings mailcow writes ("0", "1", "hourly"). */
  readonly attributes: Readonly<Record<string, string>>
}
