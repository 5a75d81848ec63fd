/** The mail services, by mailcow's column names; what mail servers call them is normalised here. */

/** `none` is mailcow's NONE (no protocol named); `other` is any name we do not know. */
export const SERVICES = ['imap', 'pop3', 'smtp', 'sieve', 'eas', 'dav', 'none', 'other'] as const
export type Service = (typeof SERVICES)[number]

/** The services that mailbox and app password flags speak of (`<service>_access`). */
export const FLAGGED_SERVICES = ['imap', 'pop3', 'smtp', 'sieve', 'eas', 'dav'] as const
export type FlaggedService = (typeof FLAGGED_SERVICES)[number]

const NAMES = new Map<string, Service>([
  ['imap', 'imap'],
  ['imaps', 'imap'],
  ['imap-login', 'imap'],
  ['pop3', 'pop3'],
  ['pop3s', 'pop3'],
  ['smtp', 'smtp'],
  ['smtps', 'smtp'],
  ['submission', 'smtp'],
  ['submissions', 'smtp'],
  ['sieve', 'sieve'],
  ['managesieve', 'sieve'],
  ['eas', 'eas'],
  ['dav', 'dav'],
  ['caldav', 'dav'],
  ['carddav', 'dav'],
  ['none', 'none'],
  ['', 'none'],
])

/** The service a mail server's word stands for; never fails: what we do not know is `other`. */
export function parseService(name: string): Service {
  return NAMES.get(name.toLowerCase()) ?? 'other'
}

export function isFlagged(service: Service): service is FlaggedService {
  return service !== 'none' && service !== 'other'
}
