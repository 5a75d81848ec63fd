/** The rooms one by one: what each would decide of an account, and on what. Pure; facts.ts has the same as values. */
import { ownerOf, type Account } from '../account/account.ts'
import { isLocked } from '../account/lock.ts'
import { isHosted } from '../account/needs-directory.ts'
import { standingOf } from '../account/standing.ts'
import type { Candidate } from '../credential/candidates.ts'
import { mainHashes } from '../credential/foresee.ts'
import type { DirectoryUser } from '../directory/user.ts'
import { cleanName } from '../login-log/clean-name.ts'
import { isMakeable } from '../login/address.ts'
import { gate } from '../login/gate.ts'
import { REASONS, type Why } from '../login/why.ts'
import { chooseTemplate } from '../mailbox/choose-template.ts'
import { plan } from '../mailbox/plan.ts'
import { ageText, bytesText } from './amounts.ts'
import type { Check, CredentialAnswer, Room } from './explanation.ts'
import { missingRows, templateFacts, timeText } from './facts.ts'
import { answerOf, type Question } from './foreseen.ts'
import { REMEDIES } from './remedy.ts'

type Stateless = Omit<Check, 'room'>

const ok = (text: string): Stateless => ({ state: 'ok', text })
const note = (text: string): Stateless => ({ state: 'note', text })

/** A refusal, or something not found out, by its reason's verdict. */
function refuses(why: Why, text: string = REASONS[why].meaning): Stateless {
  return { state: answerOf(REASONS[why].verdict) === 'no' ? 'no' : 'unknown', text, why }
}

/** All checks of an account whose rows are known, in the order of the rooms. `monotonicMs` is now. */
export function checksOf(
  question: Question,
  credentials: readonly CredentialAnswer[],
  monotonicMs: number,
): Check[] {
  const { account } = question
  const { mailbox } = account.stored
  const hosted = isHosted(account.stored)
  const found: [Room, readonly Stateless[]][] = [
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

function lockChecks({ account, nowMs }: Question): Stateless[] {
  const { lock } = account.stored
  if (lock === undefined) return [ok('not locked')]
  const until = timeText(lock.untilMs)
  if (!isLocked(account.stored, nowMs)) return [note(`a lock ended ${until ?? ''}`)]
  return [refuses('locked', until === null ? 'locked until it is unlocked' : `locked until ${until}`)]
}

function directoryChecks({ directory }: Account, monotonicMs: number): Stateless[] {
  switch (directory.kind) {
    case 'not_needed':
      return [note('not asked: the mailbox does not take its password from the directory')]
    case 'failed':
      return [refuses(directory.why)]
    case 'record':
      return [ok(`answered ${ageText(monotonicMs - directory.atMs)} ago`)]
  }
}

function domainChecks({ account, settings }: Question): Stateless[] {
  const { domain, aliasDomainOf, mailbox, making } = account.stored
  const name = account.address.domain
  if (domain === undefined) {
    if (aliasDomainOf === undefined) return [refuses('domain_not_hosted', `${name} has no row`)]
    const text = `${name} is an alias of ${cleanName(aliasDomainOf)}; mailboxes live there`
    return [mailbox === undefined ? refuses('domain_is_alias', text) : note(text)]
  }
  const checks: Stateless[] = []
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
function limitReached(account: Account, settings: Question['settings']): Stateless | undefined {
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

function userChecks({ account, settings }: Question): Stateless[] {
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

function hashChecks({ account, hashes }: Question): Stateless[] {
  const { mailbox } = account.stored
  if (mailbox !== undefined && mailbox.authsource !== 'mailcow') {
    const isOurs = mailbox.authsource === 'keycloak' && account.directory.kind !== 'not_needed'
    if (!isOurs)
      return [
        refuses(
          'authsource_unsupported',
          `the main password is with ${mailbox.authsource}, which is not asked`,
        ),
      ]
  }
  const mains = mainHashes(account)
  const owner = ownerOf(account)
  const where = mailbox?.authsource === 'mailcow' ? 'the database' : 'the directory'
  if (mains.length === 0) {
    if (mailbox?.authsource !== 'mailcow' && owner.kind !== 'user' && owner.kind !== 'stranger') return []
    const isHidden = account.directory.kind === 'record' && !account.directory.profile.hashVisible
    return [
      refuses(
        'no_hash',
        isHidden ? "none: the realm's user profile hides the attribute from us" : `${where} has none`,
      ),
    ]
  }
  const known = mains.map(({ hash }) => hashes.inspect(hash))
  const usable = known.filter(({ unusable }) => unusable === undefined)
  const [unusable] = known
  if (usable.length === 0) {
    const scheme = unusable?.scheme === undefined ? '' : `{${unusable.scheme}} `
    return [refuses('hash_unusable', `${scheme}in ${where} cannot be compared: ${unusable?.unusable ?? ''}`)]
  }
  const texts = usable.map(({ scheme = '', weak }) => `{${scheme}}${weak ? ' (weak, allowed)' : ''}`)
  const others = known.length - usable.length
  return [
    ok(`${texts.join(', ')} in ${where}`),
    ...(others === 0 ? [] : [note(`${others} more that cannot be compared`)]),
  ]
}

function templateChecks({ account, settings }: Question): Stateless[] {
  const owner = ownerOf(account)
  const facts = templateFacts(account, settings)
  const { domain, making } = account.stored
  if (owner.kind !== 'user' || facts === undefined || domain === undefined || making === undefined) return []
  const choice = chooseTemplate(owner.user, owner.profile, domain, making.templates, settings)
  const attribute =
    facts.attribute === null ? 'the user has no template attribute' : `the attribute says ${facts.attribute}`
  const mapped =
    facts.attribute === null
      ? ''
      : !facts.trusted
        ? ', which is ignored: users may edit it'
        : facts.mapped === null
          ? ', for which there is no mapping'
          : ''
  if (choice.kind === 'refused') {
    const named =
      facts.name === null ? 'nothing names a template' : `${facts.name} (${facts.named_by}) does not exist`
    return [refuses(choice.why, `${named}; ${attribute}${mapped}`)]
  }
  return [ok(`${cleanName(choice.template.name)}, by ${facts.named_by}; ${attribute}${mapped}`)]
}

function mailboxChecks(question: Question): Stateless[] {
  const { account, settings } = question
  const { mailbox, making } = account.stored
  if (mailbox === undefined) {
    const planned = plan(account, settings)
    const checks: Stateless[] = []
    const nameWhy = planned.kind === 'refused' && NAME_WHYS.includes(planned.why) ? planned.why : undefined
    if (nameWhy !== undefined) checks.push(refuses(nameWhy))
    else if (!isMakeable(account.address)) checks.push(refuses('local_part_not_allowed'))
    else if (making?.isAlias === true) checks.push(refuses('is_alias'))
    else checks.push(note('none yet'))
    if (planned.kind === 'changes') {
      const closed = gate(account, planned.changes, dummyMain(), question.request, question.nowMs)
      if (closed !== undefined && REMEDIES[closed].room === 'mailbox')
        checks.push(refuses(closed, `the template: ${REASONS[closed].meaning}`))
      else if (checks.every(({ state }) => state === 'note'))
        return [note('none yet: the first good login makes it')]
    }
    return checks
  }
  const why = gate(account, [], dummyMain(), { ...question.request, service: 'imap' }, question.nowMs)
  if (why !== undefined && REMEDIES[why].room === 'mailbox') return [refuses(why)]
  const missing = missingRows(mailbox)
  return [
    ok(`active, password from ${mailbox.authsource}`),
    ...(missing.length === 0
      ? []
      : [note(`rows missing in ${missing.join(', ')}: the next login makes them`)]),
    ...(mailbox.directoryId === undefined && mailbox.authsource === 'keycloak'
      ? [note('not yet bound to a directory user: the next good login binds it')]
      : []),
  ]
}

const NAME_WHYS: readonly Why[] = ['local_part_not_allowed', 'object_exists', 'is_alias', 'is_spam_alias']

/** The gate looks at the kind of a credential, never at a main password's hash. */
function dummyMain(): Candidate {
  return { kind: 'main', id: 'main', hash: '', source: 'directory' }
}

function serviceChecks({ account, settings, request, nowMs }: Question): Stateless[] {
  const planned = plan(account, settings)
  const changes = planned.kind === 'changes' ? planned.changes : []
  if (account.stored.mailbox === undefined && changes.length === 0) return []
  const why = gate(account, changes, dummyMain(), request, nowMs)
  if (why === undefined) return [ok(`${request.service} is open for the main password`)]
  if (REMEDIES[why].room !== 'service') return []
  return [refuses(why, `${request.service}: ${REASONS[why].meaning}`)]
}

function appPasswordChecks({ account }: Question, credentials: readonly CredentialAnswer[]): Stateless[] {
  const rows = account.stored.appPasswords
  if (rows.length === 0) return [note('none')]
  return rows.map((row): Stateless => {
    const told = credentials.find(({ id }) => id === `app:${row.id}`)
    const name = told?.name ?? null
    const protocols = [...row.services].join(' ') || 'no protocol'
    const used = row.lastUsedMs === undefined ? 'never used' : `last used ${timeText(row.lastUsedMs) ?? ''}`
    const text = `${row.id}${name === null ? '' : ` ${name}`}: ${protocols}; ${used}`
    if (told === undefined || told.answer === 'yes') return ok(text)
    return refuses(told.why, `${text}; ${told.why}`)
  })
}
