/**
 * The way of one login: the rooms in their order, which nobody else knows.
 *
 *   address > admit > account > verify > plan > gate > apply
 *                       ^        |
 *                       +-reread-+ once, where the password did not match
 *
 * There is one way for warm and cold, first and thousandth login. A room that answers at once is not awaited.
 */
import { ownerOf, withRows, type Account } from '../account/account.ts'
import { isHashHidden } from '../account/hidden-hash.ts'
import { isLocked } from '../account/lock.ts'
import type { Accounts } from '../account/accounts.ts'
import { isHosted } from '../account/needs-directory.ts'
import type { Clock } from '../clock.ts'
import type { DirectorySettings, SettingsSource } from '../config/settings.ts'
import { candidateNow, SOGO, type Candidate, type Credential } from '../credential/candidates.ts'
import type { SogoPassword } from '../credential/sogo-password.ts'
import type { Verification, Verifier } from '../credential/verify.ts'
import { MailpassdError } from '../errors.ts'
import type { Apply } from '../mailbox/apply.ts'
import type { Plan } from '../mailbox/change.ts'
import { plan } from '../mailbox/plan.ts'
import type { Policy } from '../policy/policy.ts'
import type { Ticket } from '../policy/ticket.ts'
import { whenThere, type Soon } from '../soon.ts'
import { parseAddress, type Address } from './address.ts'
import { gate, type GatedRequest } from './gate.ts'
import type { Outcome, Why } from './outcome.ts'
import { verdictOf } from './why.ts'
import { MAX_PASSWORD_BYTES, type LoginRequest } from './request.ts'

export interface Rooms {
  readonly policy: Policy
  readonly accounts: Accounts
  readonly verifier: Verifier
  /** Absent where no mailcow's SOGo is served. */
  readonly sogoPassword?: SogoPassword
  readonly apply: Apply
  readonly settings: SettingsSource
  readonly clock: Clock
}

/** Looks at an account whose rows change under its login: a first login beside others takes two. */
const MAX_LOOKS = 3

const NO_CHANGES: Plan = Object.freeze({ kind: 'changes', changes: Object.freeze([]) })

/** What the rooms from account on need of one login. */
interface Way {
  readonly request: LoginRequest
  readonly address: Address
  readonly ticket: Ticket
  readonly rooms: Rooms
}

/**
 * Decides one login; at once where no room has to wait. Throws or rejects with MailpassdError where the store does not
 * answer; the caller tells temp_fail then.
 */
export function decide(request: LoginRequest, rooms: Rooms): Soon<Outcome> {
  const address = parseAddress(request.username)
  if (address === undefined) return refusal('address_invalid', undefined)
  if (request.secret.byteLength > MAX_PASSWORD_BYTES) return refusal('password_too_long', address)

  const admission = rooms.policy.admit(request, address.full)
  if (admission.kind === 'throttled') {
    return { ...refusal('too_many_guesses', address), retryAfterSeconds: admission.retryAfterSeconds }
  }
  return look({ request, address, ticket: admission.ticket, rooms }, 1)
}

/** Account to apply, and once more where the rows were changed by others before ours were written. */
function look(way: Way, looks: number): Soon<Outcome> {
  const { address, rooms } = way
  return whenThere(fromAccount(way), (outcome) => {
    if (outcome !== 'overtaken') return delayed(outcome, way.ticket)
    if (looks === MAX_LOOKS)
      throw new MailpassdError(
        'store_conflict',
        `the rows of ${address.full} changed with every look at them`,
      )
    rooms.accounts.changed({ kind: 'mailbox', address: address.full })
    return look(way, looks + 1)
  })
}

/** `overtaken`: the rows were changed by others before ours were written; nothing was. */
function fromAccount(way: Way): Soon<Outcome | 'overtaken'> {
  const { address, request, rooms } = way
  return whenThere(rooms.accounts.get(address, way.ticket.networks), (account) => {
    if (!isHosted(account.stored)) return refusal('domain_not_hosted', address)
    // First, as in mailcow: SOGo sends its own password far more often than a user's.
    const matching = request.service === 'sogo' ? rooms.sogoPassword?.matches(request.secret) : undefined
    return whenThere(matching ?? false, (isSogos) =>
      isSogos === true ? bySogo(account, way) : fromVerify(account, way, isSogos === 'unknown'),
    )
  })
}

/** `maybeSogos`: the password may be SOGo's own, which cannot be read. */
function fromVerify(account: Account, way: Way, maybeSogos: boolean): Soon<Outcome | 'overtaken'> {
  const { address, request, ticket, rooms } = way
  const verifying = rooms.verifier.verify(account, request.secret, ticket)
  return whenThere(verifying, (verification) => {
    if (verification.kind !== 'match')
      return maybeSogos
        ? about(account, refusal('sogo_password_unknown', address), rooms)
        : fromMismatch(account, verification, way)
    const { candidate } = verification
    if (!(verifying instanceof Promise)) return open(account, candidate, way)
    // Its comparison may have waited for seconds: what was revoked or locked meanwhile counts as for who asks now.
    return whenThere(rooms.accounts.get(address), (now) => {
      const current = now === account ? candidate : candidateNow(now, candidate)
      return current === undefined || !isHosted(now.stored) ? 'overtaken' : open(now, current, way)
    })
  })
}

/**
 * What did not match is refused only by what the directory has now: the account is read once more, and where it changed
 * meanwhile, its hashes are compared. What cannot be read is not known, of whatever name.
 */
function fromMismatch(account: Account, verification: NoMatch, way: Way): Soon<Outcome | 'overtaken'> {
  const { address, request, ticket, rooms } = way
  const refused = (now: Account, why: Why) => about(now, refusal(why, address), rooms)
  if (!rests(account, verification)) return refused(account, whyNot(account, verification))
  const isMain = verification.kind !== 'mismatch' || verification.tagged === undefined
  const rereading = rooms.accounts.reread(address, { asker: ticket.networks, isMain })
  return whenThere(rereading, (reread) => {
    if (reread.kind === 'refused') return refused(account, reread.why)
    const now = reread.account
    if (now.directory === account.directory && now.stored === account.stored)
      return refused(now, whyNot(now, verification))
    if (!isHosted(now.stored)) return 'overtaken'
    return whenThere(rooms.verifier.verify(now, request.secret, ticket), (second) =>
      second.kind === 'match' ? open(now, second.candidate, way) : refused(now, whyNot(now, second)),
    )
  })
}

/** Plan to apply, for who has the right password. */
function open(account: Account, candidate: Candidate, way: Way): Soon<Outcome | 'overtaken'> {
  const { address, request, rooms } = way
  const settings = rooms.settings()
  const nowMs = rooms.clock.nowMs()
  const refused = (why: Why) => about(account, { ...refusal(why, address), credential: candidate.id }, rooms)
  const planned = planAndGate(account, settings, candidate, request, nowMs)
  if (planned.kind === 'refused') return refused(planned.why)
  if (planned.changes.length === 0) return success(account, candidate, false, rooms)
  // Writing would wait for the database in vain.
  if (account.rowsAreOld === true) return refused('store_down')

  let isRevoked = false
  const applying = rooms.apply(address, (stored) => {
    const anew = withRows(account, stored, settings)
    // The password was compared with a hash that does not count any more: another source of passwords, a deleted row.
    const now = candidateNow(anew, candidate)
    isRevoked = now === undefined
    return now === undefined ? NO_CHANGES : planAndGate(anew, settings, now, request, nowMs)
  })
  return whenThere(applying, (applied) => {
    if (isRevoked || applied.kind === 'overtaken') return 'overtaken'
    if (applied.kind === 'refused') return refused(applied.why)
    rooms.accounts.changed({ kind: 'mailbox', address: address.full })
    return success(account, candidate, applied.made, rooms)
  })
}

/**
 * The plan, unless the gate would close on what it leads to: a refused login writes nothing. A lock stands before
 * everything else. `nowMs` is wall-clock time.
 */
export function planAndGate(
  account: Account,
  settings: DirectorySettings,
  credential: Credential,
  request: GatedRequest,
  nowMs: number,
): Plan {
  if (isLocked(account.stored, nowMs)) return { kind: 'refused', why: 'locked' }
  const planned = plan(account, settings)
  if (planned.kind === 'refused') return planned
  const why = gate(account, planned.changes, credential, request, nowMs)
  return why === undefined ? planned : { kind: 'refused', why }
}

/**
 * SOGo's own password: for a mailbox that is there and that its user may use now. It says nothing of who that user is:
 * so it makes no mailbox and binds none, and nothing is written.
 */
function bySogo(account: Account, { address, request, rooms }: Way): Outcome {
  const planned: Plan =
    account.stored.mailbox === undefined
      ? { kind: 'refused', why: 'no_such_user' }
      : planAndGate(account, rooms.settings(), SOGO, request, rooms.clock.nowMs())
  if (planned.kind === 'refused')
    return about(account, { ...refusal(planned.why, address), credential: SOGO.id }, rooms)
  return success(account, SOGO, false, rooms)
}

type NoMatch = Exclude<Verification, { kind: 'match' }>

/** Whether a refusal rests on what was remembered: else it is one that nobody knows enough for, and reading helps not. */
export function rests(account: Account, verification: NoMatch): boolean {
  return verification.kind !== 'busy' && ownerOf(account).kind !== 'unknown'
}

/** Why a password did not match. What the directory did not tell may have been the right hash: not a mismatch then. */
export function whyNot(account: Account, verification: NoMatch): Why {
  if (verification.kind === 'busy') return 'busy'
  const owner = ownerOf(account)
  if (owner.kind === 'unknown') return owner.why
  if (owner.kind === 'user' && isHashHidden(owner.user, owner.profile)) return 'hash_hidden'
  switch (verification.kind) {
    case 'mismatch':
      return verification.tagged === undefined ? 'hash_differs' : 'app_password_differs'
    case 'too_many':
      return 'too_many_app_passwords'
    case 'unusable':
      return 'hash_unusable'
    case 'nothing': {
      const { mailbox } = account.stored
      if (mailbox === undefined) return owner.kind === 'user' ? 'no_hash' : 'no_such_user'
      if (owner.kind === 'absent') return 'directory_user_gone'
      const isOurs = mailbox.authsource === 'mailcow' || owner.kind !== 'none_needed'
      return isOurs ? 'no_hash' : 'authsource_unsupported'
    }
  }
}

/** With the time that its penalty gives a refusal. */
function delayed(outcome: Outcome, { delayMs }: Ticket): Outcome {
  return outcome.verdict === 'ok' || delayMs === 0 ? outcome : { ...outcome, delayMs }
}

/** A refusal with nothing else known. */
export function refusal(why: Why, address: Address | undefined): Outcome {
  return {
    verdict: verdictOf(why),
    why,
    mailbox: address?.full,
    credential: undefined,
    provisioned: false,
    recordAgeMs: undefined,
    retryAfterSeconds: why === 'busy' ? 2 : undefined,
  }
}

function success(account: Account, credential: Credential, provisioned: boolean, rooms: Rooms): Outcome {
  return {
    verdict: 'ok',
    why: credential.kind === 'sogo' ? 'sogo_password' : 'verified',
    mailbox: account.address.full,
    credential: credential.id,
    provisioned,
    recordAgeMs: recordAgeMs(account, rooms),
    retryAfterSeconds: undefined,
  }
}

/** Adds how old the directory record was that the outcome rests on. */
function about(account: Account, outcome: Outcome, rooms: Rooms): Outcome {
  return { ...outcome, recordAgeMs: recordAgeMs(account, rooms) }
}

function recordAgeMs({ directory }: Account, { clock }: Rooms): number | undefined {
  if (directory.kind !== 'record') return undefined
  return Math.max(0, Math.round(clock.monotonicMs() - directory.atMs))
}
