/** The rooms that look at hashes, templates and the mailbox: what each would decide of an account, and on what. */
import { isHashHidden } from '../account/hidden-hash.ts'
import { ownerOf } from '../account/account.ts'
import type { Candidate } from '../credential/candidates.ts'
import { mainHashes } from '../credential/foresee.ts'
import { cleanName } from '../login-log/clean-name.ts'
import { isMakeable } from '../login/address.ts'
import { gate } from '../login/gate.ts'
import { REASONS, type Why } from '../login/why.ts'
import { chooseTemplate } from '../mailbox/choose-template.ts'
import { plan } from '../mailbox/plan.ts'
import { note, ok, refuses, type Finding } from './check.ts'
import type { CredentialAnswer } from './explanation.ts'
import { missingRows, shownTime, templateFacts } from './facts.ts'
import type { Question } from './foreseen.ts'
import { REMEDIES } from './remedies.ts'

export function hashChecks({ account, hashes }: Question): Finding[] {
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
    const why = owner.kind === 'user' && isHashHidden(owner.user, owner.profile) ? 'hash_hidden' : 'no_hash'
    return [
      refuses(
        why,
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

export function templateChecks({ account, settings }: Question): Finding[] {
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

export function mailboxChecks(question: Question): Finding[] {
  const { account, settings } = question
  const { mailbox, making } = account.stored
  if (mailbox === undefined) {
    const planned = plan(account, settings)
    const checks: Finding[] = []
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

export function serviceChecks({ account, settings, request, nowMs }: Question): Finding[] {
  const planned = plan(account, settings)
  const changes = planned.kind === 'changes' ? planned.changes : []
  if (account.stored.mailbox === undefined && changes.length === 0) return []
  const why = gate(account, changes, dummyMain(), request, nowMs)
  if (why === undefined) return [ok(`${request.service} is open for the main password`)]
  if (REMEDIES[why].room !== 'service') return []
  return [refuses(why, `${request.service}: ${REASONS[why].meaning}`)]
}

export function appPasswordChecks(
  { account }: Question,
  credentials: readonly CredentialAnswer[],
): Finding[] {
  const rows = account.stored.appPasswords
  const { othersLeftOut = 0 } = account.stored
  if (rows.length === 0) return [note('none that is on')]
  const findings = rows.map((row): Finding => {
    const told = credentials.find(({ id }) => id === `app:${row.id}`)
    const name = told?.name ?? null
    const protocols = [...row.services].join(' ') || 'no protocol'
    const used = row.lastUsedMs === undefined ? 'never used' : `last used ${shownTime(row.lastUsedMs) ?? ''}`
    const text = `${row.id}${name === null ? '' : ` ${name}`}: ${protocols}; ${used}`
    if (told === undefined || told.answer === 'yes') return ok(text)
    return refuses(told.why, `${text}; ${told.why}`)
  })
  if (othersLeftOut === 0) return findings
  const leftOut = `${othersLeftOut} more that mailpassd did not make are not tried`
  return [...findings, refuses('too_many_app_passwords', leftOut)]
}
