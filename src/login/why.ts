/**
 * The closed list of reasons, each under the verdict it leads to. docs/errors.md is generated from it.
 * A new reason is added here and nowhere else.
 */
export const VERDICTS = [
  'ok',
  'password_mismatch',
  'user_unknown',
  'user_disabled',
  'service_denied',
  'pass_expired',
  'throttled',
  'temp_fail',
] as const
export type Verdict = (typeof VERDICTS)[number]

interface Reason {
  readonly verdict: Verdict
  /** What it means and what to do about it, for the operator. */
  readonly meaning: string
}

export const REASONS = {
  verified: { verdict: 'ok', meaning: 'The password matched and the mailbox may be used.' },
  sogo_password: {
    verdict: 'ok',
    meaning: "SOGo opened the mailbox with its own password (compat.sogo_password_file), by mailcow's route.",
  },

  hash_differs: {
    verdict: 'password_mismatch',
    meaning: 'Every hash that may open this mailbox was compared and none matched.',
  },
  app_password_differs: {
    verdict: 'password_mismatch',
    meaning:
      'The password has the first group of an app password of this mailbox, but the rest differs; it is not the main password either.',
  },
  password_too_long: {
    verdict: 'password_mismatch',
    meaning: 'The password is longer than 1024 bytes; no stored hash is compared with such.',
  },
  authzid_differs: {
    verdict: 'password_mismatch',
    meaning: 'The client asked to act as somebody else (authzid); there are no master users.',
  },

  address_invalid: { verdict: 'user_unknown', meaning: 'The user name is not a mailbox address.' },
  domain_not_hosted: {
    verdict: 'user_unknown',
    meaning: 'The domain has no row; add it with `mailpassd domain add`.',
  },
  no_such_user: {
    verdict: 'user_unknown',
    meaning: 'Neither a mailbox nor a directory user has this address.',
  },

  directory_disabled: { verdict: 'user_disabled', meaning: 'The user is disabled in the directory.' },
  directory_locked_out: {
    verdict: 'user_disabled',
    meaning: 'The directory locked the user out after failed logins (disabledReason=permanentLockout).',
  },
  email_unverified: {
    verdict: 'user_disabled',
    meaning:
      'The e-mail address is not verified and users may choose theirs; see directory.require_email_verified.',
  },
  required_actions: {
    verdict: 'user_disabled',
    meaning: 'The directory waits for actions of the user and directory.refuse_required_actions is on.',
  },
  directory_user_gone: {
    verdict: 'user_disabled',
    meaning: 'The mailbox belongs to a directory user who no longer exists or has another address.',
  },
  identity_changed: {
    verdict: 'user_disabled',
    meaning: 'Another directory user has this address now; `mailpassd mailbox rebind` if that is right.',
  },
  no_hash: { verdict: 'user_disabled', meaning: 'The user has no password hash to compare with.' },
  hash_unusable: {
    verdict: 'user_disabled',
    meaning: 'No stored hash can be compared: malformed, of an unknown or forbidden scheme, or too costly.',
  },
  locked: {
    verdict: 'user_disabled',
    meaning: 'An operator locked the mailbox; `mailpassd mailbox unlock` opens it again.',
  },
  mailbox_inactive: { verdict: 'user_disabled', meaning: 'The mailbox is inactive (active = 0).' },
  mailbox_receive_only: {
    verdict: 'user_disabled',
    meaning: 'The mailbox receives mail but allows no login (active = 2).',
  },
  mailbox_is_resource: {
    verdict: 'user_disabled',
    meaning: 'The mailbox is a resource (location, thing or group).',
  },
  domain_inactive: { verdict: 'user_disabled', meaning: 'The domain is inactive.' },
  tfa_active: {
    verdict: 'user_disabled',
    meaning: 'The mailbox has a second factor; only app passwords open it.',
  },
  authsource_unsupported: {
    verdict: 'user_disabled',
    meaning: 'The mailbox takes its password from a source that only app passwords go around.',
  },
  app_password_revoked: { verdict: 'user_disabled', meaning: 'The app password was revoked.' },
  app_password_off: {
    verdict: 'user_disabled',
    meaning: "The app password is switched off (active = 0), in mailcow's web interface perhaps.",
  },
  app_password_other_identity: {
    verdict: 'user_disabled',
    meaning: 'The app password was made for the directory user who had the mailbox before; make a new one.',
  },
  no_autojoin: {
    verdict: 'user_disabled',
    meaning: 'The domain makes no mailboxes on login; see `mailpassd domain set`.',
  },
  provisioning_off: { verdict: 'user_disabled', meaning: 'directory.login_provisioning is off.' },
  local_part_not_allowed: {
    verdict: 'user_disabled',
    meaning: 'Mailboxes are made only for plain local parts.',
  },
  no_template: {
    verdict: 'user_disabled',
    meaning: 'No mapping, domain template or default template names a template for this user.',
  },
  template_missing: {
    verdict: 'user_disabled',
    meaning: 'The template that a mapping or default names does not exist.',
  },
  template_attribute_untrusted: {
    verdict: 'user_disabled',
    meaning:
      'Users may edit their own template attribute, so it is ignored, and nothing else names a template.',
  },
  object_exists: {
    verdict: 'user_disabled',
    meaning: 'The database takes another mailbox for this one (its collation folds accents or case).',
  },
  is_alias: { verdict: 'user_disabled', meaning: 'The address is an alias.' },
  is_spam_alias: { verdict: 'user_disabled', meaning: 'The address is a temporary (spam) alias.' },
  domain_is_alias: {
    verdict: 'user_disabled',
    meaning: 'The domain is an alias of another one; mailboxes live in its target.',
  },
  max_mailboxes: { verdict: 'user_disabled', meaning: 'The domain has reached its number of mailboxes.' },
  mailbox_quota_exceeded: {
    verdict: 'user_disabled',
    meaning: 'The template asks for more quota than a mailbox of the domain may have.',
  },
  domain_quota_exceeded: {
    verdict: 'user_disabled',
    meaning: 'The domain has not enough quota left for this mailbox.',
  },

  service_closed: {
    verdict: 'service_denied',
    meaning: 'This protocol is closed for the mailbox or the app password.',
  },
  service_unknown: {
    verdict: 'service_denied',
    meaning: 'The mail server named a service that mailpassd does not know; docs/services.md has the names.',
  },

  app_password_network: {
    verdict: 'service_denied',
    meaning:
      'The app password may not be used from the network the client came from, or the mail server did not say where it came from.',
  },

  app_password_expired: { verdict: 'pass_expired', meaning: 'The app password is past its date.' },
  app_password_unused: {
    verdict: 'pass_expired',
    meaning: 'The app password was not used for as many days as it may go without.',
  },

  busy: { verdict: 'throttled', meaning: 'Too many passwords are being compared already.' },
  too_many_guesses: {
    verdict: 'throttled',
    meaning:
      'Too many different wrong passwords within an hour at the mailbox or from the network, so that none is compared now; `mailpassd penalty list` shows which, `mailpassd penalty clear` ends it.',
  },

  directory_down: {
    verdict: 'temp_fail',
    meaning: 'The directory did not answer and no recent record of the user is there.',
  },
  directory_refuses_us: {
    verdict: 'temp_fail',
    meaning: 'The directory refuses our own client; see `mailpassd check`.',
  },
  directory_garbage: { verdict: 'temp_fail', meaning: 'The directory answered with something unusable.' },
  directory_ambiguous: {
    verdict: 'temp_fail',
    meaning: 'Several directory users have this e-mail address; a fault of the realm.',
  },
  directory_email_differs: {
    verdict: 'temp_fail',
    meaning: 'The directory answered with a user of another e-mail address.',
  },
  hash_hidden: {
    verdict: 'temp_fail',
    meaning:
      'The realm hides the password attribute from our client (its user profile), and no hash of the user that was seen before is young enough.',
  },
  reread_failed: {
    verdict: 'temp_fail',
    meaning:
      'The password did not match what was remembered, and the directory did not answer whether that is so still.',
  },
  reread_refused: {
    verdict: 'temp_fail',
    meaning:
      'The password did not match what was remembered, and too many wrong passwords come in for each to be held against the directory of now.',
  },
  lookups_spent: {
    verdict: 'temp_fail',
    meaning:
      'Too many names that nobody has, or wrong passwords, came from that network or in all: for now the directory is not asked about more of them.',
  },
  too_many_app_passwords: {
    verdict: 'temp_fail',
    meaning:
      'The mailbox has more than 20 app passwords that mailpassd did not make. None of the 20 used last matched; the others were not compared. Remove some, or make new ones with `mailpassd app-password create`.',
  },
  sogo_password_unknown: {
    verdict: 'temp_fail',
    meaning:
      "It may have been SOGo's own password, whose file cannot be read; the log and `mailpassd check` say why.",
  },
  store_down: { verdict: 'temp_fail', meaning: 'The database did not answer.' },
  deadline: { verdict: 'temp_fail', meaning: 'The answer was not found out in time.' },
  internal: { verdict: 'temp_fail', meaning: 'A fault of mailpassd itself; the log has it.' },
} as const satisfies Record<string, Reason>

export type Why = keyof typeof REASONS

export function isWhy(text: string): text is Why {
  return Object.hasOwn(REASONS, text)
}

export const WHYS: readonly Why[] = Object.keys(REASONS).filter(isWhy)

/** The verdict a reason leads to. */
export function verdictOf(why: Why): Verdict {
  return REASONS[why].verdict
}
