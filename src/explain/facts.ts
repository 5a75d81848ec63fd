/** The facts of an account as an explanation tells them: nothing of a hash, and no text that a terminal would obey. */
import { ownerOf, type Account } from '../account/account.ts'
import { needsVerifiedEmail } from '../account/standing.ts'
import { isHosted } from '../account/needs-directory.ts'
import type { StoredAppPassword, StoredMailbox } from '../account/stored.ts'
import type { DirectorySettings } from '../config/settings.ts'
import type { HashInspector } from '../credential/hash-verifier.ts'
import type { DirectoryProfile, DirectoryUser } from '../directory/user.ts'
import { cleanName } from '../login-log/clean-name.ts'
import { FLAGGED_SERVICES } from '../login/service.ts'
import { nameTemplate } from '../mailbox/choose-template.ts'
import type {
  AppPasswordFacts,
  DirectoryFacts,
  DomainFacts,
  HashText,
  MailboxFacts,
  TemplateFacts,
} from './explanation.ts'

const clean = (text: string | undefined) => (text === undefined ? null : cleanName(text))

/** A wall-clock time as text; null where there is none, or where it is none. */
export function timeText(atMs: number | undefined): string | null {
  if (atMs === undefined || Math.abs(atMs) > 8.64e15) return null
  return new Date(atMs).toISOString()
}

/** The same for reading: whole seconds. */
export function shownTime(atMs: number | undefined): string | null {
  return timeText(atMs)?.replace(/\.\d+Z$/, 'Z') ?? null
}

export function hashText(hash: string, hashes: HashInspector): HashText {
  const { scheme, weak, unusable } = hashes.inspect(hash)
  return { scheme: scheme ?? null, weak, unusable: unusable ?? null }
}

/** The user that the directory names for this address, if it is one; a stranger, too. */
export function userOf(account: Account): DirectoryUser | undefined {
  const owner = ownerOf(account)
  return owner.kind === 'user' || owner.kind === 'stranger' ? owner.user : undefined
}

export function profileOf({ directory }: Account): DirectoryProfile | undefined {
  return directory.kind === 'record' ? directory.profile : undefined
}

export function directoryFacts(
  account: Account,
  settings: DirectorySettings,
  hashes: HashInspector,
  nowMs: number,
): DirectoryFacts {
  const { directory, stored } = account
  const user = userOf(account)
  const profile = profileOf(account)
  const bound = stored.mailbox?.directoryId
  return {
    state: directory.kind === 'record' ? directory.lookup.kind : directory.kind,
    age_ms: directory.kind === 'record' ? Math.max(0, Math.round(nowMs - directory.atMs)) : null,
    users: usersFound(account),
    user:
      user === undefined || profile === undefined
        ? null
        : {
            id: cleanName(user.id),
            username: cleanName(user.username),
            enabled: user.enabled,
            locked_out: user.lockedOut,
            email_verified: user.emailVerified,
            email_verified_counts: needsVerifiedEmail(profile, settings),
            required_actions: user.requiredActions.slice(0, 20).map(cleanName),
            template: clean(user.template),
            hashes: user.hashes.map((hash) => hashText(hash, hashes)),
          },
    bound_id: clean(bound),
    same_identity: bound === undefined || user === undefined ? null : bound === user.id,
    hash_visible: profile?.hashVisible ?? null,
    hash_self_edited: profile?.hashSelfEdited ?? null,
    template_self_edited: profile?.templateSelfEdited ?? null,
  }
}

function usersFound({ directory }: Account): number {
  if (directory.kind !== 'record') return 0
  switch (directory.lookup.kind) {
    case 'found':
      return 1
    case 'ambiguous':
      return directory.lookup.users.length
    case 'absent':
    case 'other_email':
      return 0
  }
}

export function domainFacts(account: Account, settings: DirectorySettings): DomainFacts {
  const { stored, address } = account
  const { domain, making } = stored
  return {
    name: address.domain,
    exists: isHosted(stored),
    active: domain?.active ?? stored.aliasDomainOf !== undefined,
    alias_of: clean(stored.aliasDomainOf),
    makes_mailboxes: domain !== undefined && (domain.autojoin ?? settings.loginProvisioning),
    template: clean(domain?.template),
    mailboxes: making?.mailboxCount ?? null,
    max_mailboxes: domain?.maxMailboxes ?? 0,
    quota_bytes: domain?.quotaBytes ?? 0,
    quota_used_bytes: making?.quotaSumBytes ?? null,
    max_mailbox_quota_bytes: domain?.maxMailboxQuotaBytes ?? 0,
  }
}

/** What would name the template of a first login; undefined where there is none to come, or nobody to have it. */
export function templateFacts(account: Account, settings: DirectorySettings): TemplateFacts | undefined {
  const { domain, making } = account.stored
  const owner = ownerOf(account)
  if (owner.kind !== 'user' || domain === undefined || making === undefined) return undefined
  const naming = nameTemplate(owner.user, owner.profile, domain, settings)
  return {
    attribute: clean(owner.user.template),
    trusted: naming.isTrusted,
    mapped: clean(naming.mapped),
    name: clean(naming.name),
    named_by: naming.by,
    exists: making.templates.some(({ name }) => name === naming.name),
  }
}

export function mailboxFacts(mailbox: StoredMailbox, hashes: HashInspector): MailboxFacts {
  const { imap = true, pop3 = true, smtp = true, sieve = true, eas = true, dav = true } = mailbox.services
  return {
    active: mailbox.active,
    authsource: mailbox.authsource,
    kind: cleanName(mailbox.kind),
    services: { imap, pop3, smtp, sieve, eas, dav },
    second_factor: mailbox.tfaActive,
    sql_hash: mailbox.hash === '' ? null : hashText(mailbox.hash, hashes),
    missing_rows: missingRows(mailbox),
  }
}

export function missingRows({ missing }: StoredMailbox): string[] {
  return [
    ...(missing.alias ? ['alias'] : []),
    ...(missing.quota2 ? ['quota2'] : []),
    ...(missing.quota2replica ? ['quota2replica'] : []),
    ...(missing.userAcl ? ['user_acl'] : []),
  ]
}

export function appPasswordFacts(
  row: StoredAppPassword,
  name: string | undefined,
  hashes: HashInspector,
): AppPasswordFacts {
  const { own } = row
  return {
    id: row.id,
    name: clean(name),
    active: row.active,
    services: FLAGGED_SERVICES.filter((service) => row.services.has(service)),
    hash: hashText(row.hash, hashes),
    made_here: own !== undefined,
    created: timeText(own?.createdMs),
    expires: timeText(own?.expiresMs),
    unused_days: own?.unusedDays ?? null,
    revoked: timeText(own?.revokedMs),
    networks: (own?.networks ?? []).map(cleanName),
    last_used: timeText(row.lastUsedMs),
  }
}
