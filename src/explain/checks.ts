/** The rooms one by one: what each would decide of an account, and on what. Pure; facts.ts has the same as values. */
import { ownerOf, type Account } from '../account/account.ts'
import { isLocked } from '../account/lock.ts'
import { isHosted } from '../account/needs-directory.ts'
import { standingOf } from '../account/standing.ts'
import type { DirectoryUser } from '../directory/user.ts'
import { cleanName } from '../login-log/clean-name.ts'
import { REASONS, type Why } from '../login/why.ts'
import { plan } from '../mailbox/plan.ts'
import { ageText, bytesText } from './amounts.ts'
import { note, ok, refuses, type Finding } from './check.ts'
import {
  appPasswordChecks,
  hashChecks,
  mailboxChecks,
  serviceChecks,
  templateChecks,
} from './checks-mailbox.ts'
import type { Check, CredentialAnswer, Room } from './explanation.ts'
import { shownTime } from './facts.ts'
import type { Question } from './foreseen.ts'
import { REMEDIES } from './remedies.ts'

/** All checks of an account whose rows are known, in the order of the rooms. `monotonicMs` is now. */
export function checksOf(
  question: Question,
  credentials: readonly CredentialAnswer[],
  monotonicMs: number,
): Check[] {
  const { account } = question
  const { mailbox } = account.stored
  const hosted = isHosted(account.stored)
  const found: [Room, readonly Finding[]][] = [
    ['lock', lockChecks(question)],
    ['directory', hosted ? directoryChecks(account, monotonicMs) : []],
    ['domain', domainChecks(question)],
    ['user', hosted ? userChecks(question) : []],
    ['hash', hosted ? hashChecks(question) : []],
    ['template', hosted && mailbox === undefined ? templateChecks(question) : []],
    ['mailbox', hosted ? mailboxChecks(question) : []],
    ['service', hosted ? serviceChecks(question) : []],
    ['app_passwords', hosted ? appPasswordChecks(question, credentials) : []],
  ]
  const checks = found.flatMap(([room, some]) => some.map((check): Check => ({ room, ...check })))
  return [...checks, ...unexplained(checks, credentials)]
}

/** A reason that decides and that no room above told: said nevertheless, so that none is ever missing. */
function unexplained(checks: readonly Check[], credentials: readonly CredentialAnswer[]): Check[] {
  const told = new Set(checks.map(({ why }) => why))
  const whys = new Set(credentials.filter(({ answer }) => answer !== 'yes').map(({ why }) => why))
  // That a password differs is what is left when there is no hash; a room told that.
  const untold = [...whys].filter((why) => !told.has(why) && why !== 'hash_differs')
  return untold.map((why) => ({ room: REMEDIES[why].room, ...refuses(why) }))
}

function lockChecks({ account, nowMs }: Question): Finding[] {
  const { lock } = account.stored
  if (lock === undefined) return [ok('not locked')]
  const until = shownTime(lock.untilMs)
  if (!isLocked(account.stored, nowMs)) return [note(`a lock ended ${until ?? ''}`)]
  return [refuses('locked', until === null ? 'locked until it is unlocked' : `locked until ${until}`)]
}

function directoryChecks({ directory }: Account, monotonicMs: number): Finding[] {
  switch (directory.kind) {
    case 'not_needed':
      return [note('not asked: the mailbox does not take its password from the directory')]
    case 'failed':
      return [refuses(directory.why)]
    case 'record':
      return [ok(`answered ${ageText(monotonicMs - directory.atMs)} ago`)]
  }
}

function domainChecks({ account, settings }: Question): Finding[] {
  const { domain, aliasDomainOf, mailbox, making } = account.stored
  const name = account.address.domain
  if (domain === undefined) {
    if (aliasDomainOf === undefined) return [refuses('domain_not_hosted', `${name} has no row`)]
    const text = `${name} is an alias of ${cleanName(aliasDomainOf)}; mailboxes live there`
    return [mailbox === undefined ? refuses('domain_is_alias', text) : note(text)]
  }
  const checks: Finding[] = []
  if (!domain.active) checks.push(refuses('domain_inactive', `${name} is off`))
  if (mailbox === undefined && !(domain.autojoin ?? settings.loginProvisioning))
    checks.push(
      domain.autojoin === undefined
        ? refuses('provisioning_off', 'no mailboxes are made on login (directory.login_provisioning)')
        : refuses('no_autojoin', `${name} makes no mailboxes on login`),
    )
  const limit = limitReached(account, settings)
  if (limit !== undefined) checks.push(limit)
  if (checks.length > 0) return checks
  if (making === undefined) return [ok(`${name} exists and is on`)]
  const left = bytesText(Math.max(0, domain.quotaBytes - making.quotaSumBytes))
  return [
    ok(`${name} is on: ${making.mailboxCount} of ${domain.maxMailboxes} mailboxes, ${left} of quota left`),
  ]
}

const LIMITS: readonly Why[] = ['max_mailboxes', 'mailbox_quota_exceeded', 'domain_quota_exceeded']

/** Asked of the plan; where that stops earlier, the number of mailboxes alone can be told. */
function limitReached(account: Account, settings: Question['settings']): Finding | undefined {
  const { domain, making } = account.stored
  if (domain === undefined || making === undefined) return undefined
  const planned = plan(account, settings)
  const isFull = making.mailboxCount >= domain.maxMailboxes
  const why =
    planned.kind === 'refused' && LIMITS.includes(planned.why)
      ? planned.why
      : isFull
        ? 'max_mailboxes'
        : undefined
  if (why === undefined) return undefined
  return refuses(
    why,
    why === 'max_mailboxes'
      ? `${making.mailboxCount} of ${domain.maxMailboxes} mailboxes exist`
      : `${bytesText(making.quotaSumBytes)} of ${bytesText(domain.quotaBytes)} given away, a mailbox may have ${bytesText(domain.maxMailboxQuotaBytes)}`,
  )
}

function userChecks({ account, settings }: Question): Finding[] {
  const owner = ownerOf(account)
  const { mailbox } = account.stored
  const bound = mailbox?.directoryId
  switch (owner.kind) {
    case 'none_needed':
      return mailbox === undefined ? [refuses('no_such_user')] : []
    case 'unknown':
      return account.directory.kind === 'failed' ? [] : [refuses(owner.why, unclearText(account))]
    case 'absent':
      return mailbox === undefined
        ? [refuses('no_such_user', 'nobody in the directory has this e-mail address')]
        : [
            refuses(
              'directory_user_gone',
              `nobody has this e-mail address; the mailbox belongs to ${bound ?? 'no known user'}`,
            ),
          ]
    case 'stranger': {
      const text = `the mailbox belongs to ${cleanName(bound ?? '')}, the address to ${nameOf(owner.user)}`
      return [refuses('identity_changed', text)]
    }
    case 'user': {
      const standing = standingOf(owner.user, owner.profile, settings)
      if (standing !== undefined)
        return [refuses(standing, `${nameOf(owner.user)}: ${REASONS[standing].meaning}`)]
      const verified = owner.user.emailVerified ? 'e-mail verified' : 'e-mail not verified (does not count)'
      const enabled = owner.user.lockedOut ? 'locked out (ignored)' : 'enabled'
      const actions = owner.user.requiredActions.length
      const waiting = actions === 0 ? '' : `, ${actions} required actions (do not count)`
      return [ok(`${nameOf(owner.user)}, ${enabled}, ${verified}${waiting}`)]
    }
  }
}

function unclearText({ directory }: Account): string {
  if (directory.kind !== 'record') return ''
  if (directory.lookup.kind === 'ambiguous')
    return `several users have this e-mail address: ${directory.lookup.users.slice(0, 5).map(nameOf).join('; ')}`
  return 'the directory answered with a user of another e-mail address'
}

const nameOf = ({ username, id }: DirectoryUser) => `${cleanName(username)} (id ${cleanName(id)})`
