/**
 * Account and directory user to a list of changes, or a refusal with its reason. Pure: the same function serves the
 * first login, later ones, and the writer, which asks it again under its lock.
 */
import { ownerOf, type Account } from '../account/account.ts'
import type { MakingFacts, StoredMailbox } from '../account/stored.ts'
import { standingOf } from '../account/standing.ts'
import type { DirectorySettings } from '../config/settings.ts'
import type { DirectoryProfile, DirectoryUser } from '../directory/user.ts'
import { isMakeable, type Address } from '../login/address.ts'
import type { Why } from '../login/outcome.ts'
import { attributeHash } from '../mailcow/attribute-hash.ts'
import { formatRateLimit } from '../mailcow/rate-limit.ts'
import type { Change, Plan } from './change.ts'
import { chooseTemplate } from './choose-template.ts'
import { checkLimits } from './limits.ts'
import { USER_ACL_DEFAULTS, type MailboxTemplate } from './template.ts'

const NOTHING_TO_DO: Plan = Object.freeze({ kind: 'changes', changes: Object.freeze([]) })

/**
 * What this account's rows should become, given that its password was right.
 * The order of reasons: the directory's word on the user, whether mailboxes are made here, the template, then
 * mailcow's own checks in mailcow's order.
 */
export function plan(account: Account, settings: DirectorySettings): Plan {
  const owner = ownerOf(account)
  switch (owner.kind) {
    case 'none_needed':
      return account.stored.mailbox === undefined ? refused('no_such_user') : NOTHING_TO_DO
    case 'unknown':
      return refused(owner.why)
    case 'stranger':
      return refused('identity_changed')
    case 'absent':
      return refused(account.stored.mailbox === undefined ? 'no_such_user' : 'directory_user_gone')
    case 'user': {
      const standing = standingOf(owner.user, owner.profile, settings)
      if (standing !== undefined) return refused(standing)
      const { mailbox } = account.stored
      return mailbox === undefined
        ? making(account, owner.user, owner.profile, settings)
        : keeping(mailbox, owner.user)
    }
  }
}

/** An existing mailbox gets its identity, and the rows that an earlier crash left out. */
function keeping(mailbox: StoredMailbox, user: DirectoryUser): Plan {
  const changes: Change[] = []
  if (mailbox.missing.alias) changes.push({ kind: 'make_alias', active: mailbox.active })
  if (mailbox.missing.quota2) changes.push({ kind: 'make_quota', table: 'quota2' })
  if (mailbox.missing.quota2replica) changes.push({ kind: 'make_quota', table: 'quota2replica' })
  if (mailbox.missing.userAcl) changes.push({ kind: 'make_acl', columns: USER_ACL_DEFAULTS })
  if (mailbox.directoryId === undefined)
    changes.push({ kind: 'bind_identity', directoryId: user.id, template: '', applied: {} })
  return changes.length === 0 ? NOTHING_TO_DO : { kind: 'changes', changes }
}

function making(
  account: Account,
  user: DirectoryUser,
  profile: DirectoryProfile,
  settings: DirectorySettings,
): Plan {
  const { address, stored } = account
  const { domain, making: facts } = stored
  if (domain === undefined)
    return refused(stored.aliasDomainOf === undefined ? 'domain_not_hosted' : 'domain_is_alias')
  // Loaded with every absent mailbox; without it nothing is known, so nothing is made.
  if (facts === undefined) return refused('internal')
  const mayMake = domain.autojoin ?? settings.loginProvisioning
  if (!mayMake) return refused(domain.autojoin === undefined ? 'provisioning_off' : 'no_autojoin')
  const choice = chooseTemplate(user, profile, domain, facts.templates, settings)
  if (choice.kind === 'refused') return choice
  const conflict = checkName(address, facts) ?? checkLimits(domain, facts, choice.template.quotaBytes)
  if (conflict !== undefined) return refused(conflict)
  return { kind: 'changes', changes: makeMailbox(user, choice.template, settings) }
}

function checkName(address: Address, facts: MakingFacts): Why | undefined {
  if (!isMakeable(address)) return 'local_part_not_allowed'
  if (facts.collides) return 'object_exists'
  if (facts.isAlias) return 'is_alias'
  if (facts.isSpamAlias) return 'is_spam_alias'
  return undefined
}

/** The rows of a mailbox, in mailcow's order of writing. */
function makeMailbox(user: DirectoryUser, template: MailboxTemplate, settings: DirectorySettings): Change[] {
  const fields = fieldsOf(template)
  const attributes = { ...fields, attribute_hash: attributeHash(template.raw) }
  const name = settings.namesFromDirectory ? fullName(user) : ''
  const { active, quotaBytes, rateLimit } = template
  return [
    { kind: 'make_mailbox', name, quotaBytes, active, attributes },
    ...template.tags.map((tag): Change => ({ kind: 'add_tag', tag })),
    { kind: 'make_quota', table: 'quota2' },
    { kind: 'make_quota', table: 'quota2replica' },
    { kind: 'make_alias', active },
    { kind: 'make_acl', columns: template.acl },
    { kind: 'set_rate_limit', limit: rateLimit },
    // SOGo's view has active mailboxes only.
    ...(active === 1 ? [{ kind: 'make_sogo_row', name } as const] : []),
    {
      kind: 'bind_identity',
      directoryId: user.id,
      template: template.name,
      applied: { ...fields, ...appliedBesideAttributes(template) },
    },
  ]
}

/** What the template says in mailbox.attributes. */
function fieldsOf(template: MailboxTemplate): Record<string, string> {
  // mailcow too: a password that it does not keep cannot be asked to be changed there.
  const fields: Record<string, string> = { ...template.attributes, force_pw_update: '0' }
  for (const [service, isOpen] of Object.entries(template.services))
    fields[`${service}_access`] = isOpen ? '1' : '0'
  return fields
}

/** What it says elsewhere, by the names of its own keys. */
function appliedBesideAttributes(template: MailboxTemplate): Record<string, string> {
  const { rateLimit } = template
  const acl = Object.entries(template.acl).map(([column, isOn]) => [`acl_${column}`, isOn ? '1' : '0'])
  return {
    quota: String(template.quotaBytes),
    active: String(template.active),
    rate_limit: rateLimit === undefined ? '' : formatRateLimit(rateLimit),
    tags: JSON.stringify(template.tags),
    ...Object.fromEntries(acl),
  }
}

/** mailbox.name is VARCHAR(255); a longer one would be refused, and with it every first login of its owner. */
const MAX_NAME_CHARACTERS = 255

function fullName(user: DirectoryUser): string {
  const name = `${user.firstName} ${user.lastName}`.trim()
  return name.length <= MAX_NAME_CHARACTERS ? name : Array.from(name).slice(0, MAX_NAME_CHARACTERS).join('')
}

function refused(why: Why): Plan {
  return { kind: 'refused', why }
}
