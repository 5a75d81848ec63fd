/**
 * What a login would come to, for each credential of an account: asked of the very functions that decide asks, with a
 * right password taken for granted. Nothing is compared and nothing applied.
 */
import type { Account } from '../account/account.ts'
import { isHosted } from '../account/needs-directory.ts'
import type { StoredAppPassword } from '../account/stored.ts'
import type { DirectorySettings } from '../config/settings.ts'
import { foresee } from '../credential/foresee.ts'
import type { HashInspector } from '../credential/hash-verifier.ts'
import { cleanName } from '../login-log/clean-name.ts'
import { planAndGate, rests, whyNot } from '../login/decide.ts'
import type { GatedRequest } from '../login/gate.ts'
import { REASONS, type Verdict, type Why } from '../login/why.ts'
import type { Change, Plan } from '../mailbox/change.ts'
import type { Answer, CredentialAnswer } from './explanation.ts'

/** What is asked about an account, and when (wall-clock). */
export interface Question {
  readonly account: Account
  readonly settings: DirectorySettings
  readonly request: GatedRequest
  readonly hashes: HashInspector
  readonly nowMs: number
  /** Why a password that does not match would be put off rather than refused. */
  readonly putOff: (isMain: boolean) => Why | undefined
}

/** The plan, or the reason, of a login with the right password of the app password `row`; without one, of the main one. */
function outcomeFor(question: Question, row: StoredAppPassword | undefined): Plan {
  const { account, settings, request, hashes, nowMs } = question
  if (!isHosted(account.stored)) return { kind: 'refused', why: 'domain_not_hosted' }
  const verification = foresee(account, row, hashes)
  if (verification.kind === 'match') {
    const planned = planAndGate(account, settings, verification.candidate, request, nowMs)
    const writes = planned.kind === 'changes' && planned.changes.length > 0
    return writes && account.rowsAreOld === true ? { kind: 'refused', why: 'store_down' } : planned
  }
  const isMain = verification.kind !== 'mismatch' || verification.tagged === undefined
  const putOff = rests(account, verification) ? question.putOff(isMain) : undefined
  return { kind: 'refused', why: putOff ?? whyNot(account, verification) }
}

/** The main password, then every app password in the order of its rows. `nameOf` gives an app password's name. */
export function credentialAnswers(
  question: Question,
  nameOf: (id: number) => string | undefined,
): CredentialAnswer[] {
  return [
    credentialAnswer('main', undefined, outcomeFor(question, undefined)),
    ...question.account.stored.appPasswords.map((row) =>
      credentialAnswer(`app:${row.id}`, nameOf(row.id), outcomeFor(question, row)),
    ),
  ]
}

export function credentialAnswer(id: string, name: string | undefined, outcome: Plan): CredentialAnswer {
  const why: Why = outcome.kind === 'refused' ? outcome.why : 'verified'
  const { verdict, meaning } = REASONS[why]
  return {
    id,
    name: name === undefined ? null : cleanName(name),
    answer: answerOf(verdict),
    verdict,
    why,
    meaning,
    changes: outcome.kind === 'refused' ? [] : outcome.changes.map(changeText),
  }
}

/** "Don't know" is never "no". */
export function answerOf(verdict: Verdict): Answer {
  switch (verdict) {
    case 'ok':
      return 'yes'
    case 'temp_fail':
    case 'throttled':
      return 'unknown'
    case 'password_mismatch':
    case 'user_unknown':
    case 'user_disabled':
    case 'service_denied':
    case 'pass_expired':
      return 'no'
  }
}

/** Yes where one of them would get in; no where it is known of all that they would not. */
export function overall(credentials: readonly CredentialAnswer[]): Answer {
  const answers = new Set(credentials.map(({ answer }) => answer))
  if (answers.has('yes')) return 'yes'
  return answers.has('unknown') ? 'unknown' : 'no'
}

const MIB = 1024 * 1024

function changeText(change: Change): string {
  switch (change.kind) {
    case 'make_mailbox': {
      const quota = change.quotaBytes === 0 ? 'unlimited quota' : `${Math.round(change.quotaBytes / MIB)} MiB`
      return `make the mailbox (active ${change.active}, ${quota})`
    }
    case 'make_alias':
      return 'make its row in alias'
    case 'make_quota':
      return `make its row in ${change.table}`
    case 'make_acl':
      return 'make its row in user_acl'
    case 'add_tag':
      return `add the tag ${cleanName(change.tag)}`
    case 'bind_identity':
      return change.template === ''
        ? `bind it to the directory user ${cleanName(change.directoryId)}`
        : `bind it to the directory user ${cleanName(change.directoryId)}, with template ${cleanName(change.template)}`
    default:
      // Rows that other programs read; their names say what they are.
      return kindOf(change).replaceAll('_', ' ')
  }
}

const kindOf = ({ kind }: { readonly kind: string }) => kind
