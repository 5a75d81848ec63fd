/** Judges the realm's rules: who sees and edits the attributes, who chooses an e-mail, lockouts, events. */
import type { DirectoryConfig } from '../config/schema.ts'
import type { ChangeSettings } from '../directory/changes.ts'
import type { AttributeRule, RealmSettings } from './server-probe.ts'
import { found, type Finding } from './step.ts'

const SHOW = 'assign view-realm of realm-management as well: it only reads'

const declare = (name: string, who: string) =>
  `declare ${name} in the realm's user profile, ${who} (docs/keycloak.md)`

/** Rules over the attribute with the hash. A file shows no more than the first and the last of them. */
export function judgeHashAttribute(
  name: string,
  rule: Pick<AttributeRule, 'visible' | 'selfEdited'> & Partial<AttributeRule>,
): Finding {
  const hint = declare(name, 'view and edit for administrators alone')
  if (!rule.visible)
    return found.failed(
      'the realm hides this attribute from us, and drops in silence what is written to it: nobody can log in',
      hint,
    )
  if (rule.selfEdited)
    return found.failed(
      'users may read and edit this attribute themselves: they see their hash and can replace it',
      hint,
    )
  if (rule.selfVisible === true)
    return found.warning('users see their own hash, and so does whoever takes over a session', hint)
  if (rule.adminEdited === false)
    return found.warning('administrators see this attribute and cannot edit it: nobody can set a hash', hint)
  return found.ok('seen and edited by administrators alone')
}

export function judgeTemplateAttribute(
  rule: Pick<AttributeRule, 'selfEdited'> & Partial<AttributeRule>,
  config: Pick<DirectoryConfig, 'template_attribute' | 'trust_user_attributes' | 'mappings'>,
): Finding {
  const name = config.template_attribute
  const hint = declare(name, 'edit for administrators alone')
  if (rule.selfEdited) {
    const detail = 'users may edit this attribute themselves'
    return config.trust_user_attributes
      ? found.warning(`${detail}, and directory.trust_user_attributes lets them choose their template`, hint)
      : found.failed(`${detail}, so that it is ignored`, hint)
  }
  if (rule.visible === false)
    return config.mappings.length === 0
      ? found.ok('hidden from us, and no mapping looks at it')
      : found.warning('the realm hides this attribute from us: no mapping ever applies', hint)
  return found.ok('edited by administrators alone')
}

/** What is known of how users come by their e-mail; undefined: not shown to us, and taken for the worse. */
export interface EmailRules {
  readonly selfEdited: boolean
  readonly registration: boolean | undefined
  readonly verifies: boolean | undefined
}

export function judgeEmail(
  { selfEdited, registration, verifies }: EmailRules,
  required: DirectoryConfig['require_email_verified'],
): Finding {
  const ways = [
    ...(selfEdited ? ['may edit their e-mail address'] : []),
    ...(registration === true ? ['may register themselves'] : []),
    ...(registration === undefined ? ['may perhaps register themselves (not shown to our client)'] : []),
  ]
  if (ways.length === 0) return found.ok('users neither edit their e-mail address nor register themselves')
  const who = `users ${ways.join(' and ')}`
  if (required === 'no')
    return found.warning(
      `${who}, and directory.require_email_verified is "no": whoever enters a free address gets its mailbox`,
      'set directory.require_email_verified = "auto"',
    )
  const refused = 'an address that is not verified opens nothing'
  if (registration === undefined) return found.warning(`${who}: ${refused}`, SHOW)
  if (verifies === false)
    return found.warning(
      `${who}: ${refused}, and the realm does not verify addresses`,
      'switch Verify email on in Realm settings, Login; or let administrators alone edit the e-mail',
    )
  return found.ok(`${who}: ${refused}`)
}

export function judgeDuplicates({ duplicateEmailsAllowed: allowed }: RealmSettings): Finding {
  if (allowed === undefined) return found.warning('whether two users may have one address is not shown', SHOW)
  return allowed
    ? found.warning(
        'two users may have the same address: then neither logs in (directory_ambiguous)',
        'switch Duplicate emails off in Realm settings, Login',
      )
    : found.ok('two users never have the same address')
}

/**
 * Keycloak's own brute force detection: our logins do not count there, but its lockouts reach us. `reason` is the rule
 * of the attribute disabledReason, by which a lockout is told from an administrator's word.
 */
export function judgeBruteForce(
  { bruteForceProtected, permanentLockout }: RealmSettings,
  lockout: DirectoryConfig['lockout'],
  reason: Pick<AttributeRule, 'selfEdited'>,
): Finding {
  if (lockout === 'ignore' && reason.selfEdited)
    return found.failed(
      'directory.lockout is "ignore", and users may edit the attribute disabledReason themselves: they mark themselves as locked out, and stay in when an administrator disables them',
      'set directory.lockout = "block", or unmanaged attributes in Realm settings to other than Enabled',
    )
  if (bruteForceProtected === false) return found.ok('detection is off: Keycloak locks nobody out')
  if (permanentLockout === undefined)
    return found.warning('detection is on; whether it locks users out for good is not shown', SHOW)
  if (!permanentLockout) return found.ok('detection locks users out for a time, which does not touch mail')
  return lockout === 'ignore'
    ? found.ok('users locked out for good still have their mail (directory.lockout = "ignore")')
    : found.warning(
        'detection locks users out for good, and a stranger at the login page can cause it: they lose their mail, too',
        'lock out for a time instead (Realm settings, Security defenses), or set directory.lockout = "ignore"',
      )
}

/** What they are for. */
const WITHOUT =
  'a user disabled, deleted or with another password in Keycloak is heard of when the record is old (directory.fresh_seconds), and live sessions go on'
/** Shorter, and a daemon that was stopped overnight misses what happened meanwhile. */
const LEAST_KEPT_MS = 24 * 60 * 60 * 1000

/** Whether what we read of changes is kept (directory.events). `failed` where the configuration wants it for certain. */
export function judgeEvents(
  settings: ChangeSettings | 'hidden',
  config: Pick<DirectoryConfig, 'events' | 'events_seconds'>,
): Finding {
  const isOff = config.events === 'off' || config.events_seconds === 0
  if (isOff) return found.ok('not read (directory.events)')
  const told = config.events === 'on' ? found.failed : found.warning
  if (settings === 'hidden')
    return told(
      `not shown to our client: ${WITHOUT}`,
      'assign view-events of realm-management as well: it only reads (docs/keycloak.md)',
    )
  const { missing, keptMs } = settings
  if (missing.length > 0)
    return told(
      `not kept: ${missing.join(', ')}: ${WITHOUT}`,
      'switch them on in Realm settings, Events: Save events under both settings tabs, with an expiration (docs/keycloak.md)',
    )
  if (keptMs !== undefined && keptMs < LEAST_KEPT_MS)
    return found.warning(
      `user events are kept for ${Math.round(keptMs / 60_000)} minutes: what happens while mailpassd is stopped for longer is missed`,
      'set their expiration to a day or more (Realm settings, Events, User events settings)',
    )
  return found.ok(`admin events and user events are kept, and read each ${config.events_seconds} s`)
}
