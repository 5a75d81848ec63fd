/**
 * The mail services, by mailcow's column names; what mail servers call them is normalised here. docs/services.md has
 * the table for operators, with who says which word.
 */

/**
 * `none` is mailcow's NONE, which only mailcow itself may say; `other` is any name we do not know. `sogo` is no name
 * at all: the mailcow-compatible door gives it to what comes from SOGo's address, whatever service was named.
 */
export const SERVICES = ['imap', 'pop3', 'smtp', 'sieve', 'eas', 'dav', 'none', 'sogo', 'other'] as const
export type Service = (typeof SERVICES)[number]

/** The services that mailbox and app password flags speak of (`<service>_access`). */
export const FLAGGED_SERVICES = ['imap', 'pop3', 'smtp', 'sieve', 'eas', 'dav'] as const
export type FlaggedService = (typeof FLAGGED_SERVICES)[number]

/**
 * Words of Dovecot (login process names, its settings' protocol names), Postfix and Exim (`smtpd_sasl_service`), of the
 * registries (IANA ports; SASL service names, where POP3 is `pop`: RFC 5034 §4) and of groupware. What mailcow's rules
 * have no flag for stays unknown, though a mail server says it: lmtp, doveadm, quota-status, indexer.
 */
const WORDS: Readonly<Record<FlaggedService | 'none', readonly string[]>> = {
  imap: ['imap', 'imaps', 'imap4', 'imap-login'],
  pop3: ['pop3', 'pop3s', 'pop', 'pop3-login'],
  smtp: ['smtp', 'smtps', 'submission', 'submissions', 'submission-login'],
  sieve: ['sieve', 'managesieve', 'managesieve-login'],
  eas: ['eas', 'activesync'],
  dav: ['dav', 'webdav', 'caldav', 'caldavs', 'carddav', 'carddavs', 'radicale'],
  none: ['none'],
}

const NAMES = new Map<string, Service>()
for (const service of [...FLAGGED_SERVICES, 'none'] as const)
  for (const word of WORDS[service]) NAMES.set(word, service)

/** The service a mail server's word stands for; never fails: what we do not know, or no word, is `other`. */
export function parseService(name: string): Service {
  return NAMES.get(name.toLowerCase()) ?? 'other'
}

export function isFlagged(service: Service): service is FlaggedService {
  return service !== 'none' && service !== 'sogo' && service !== 'other'
}
