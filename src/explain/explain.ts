/**
 * Walks the rooms of a login without a password and tells what each would decide, what that comes to for every
 * credential, and what to do. It asks the very functions that decide asks, takes nothing from any budget, and has no
 * writer to write with: test/explain holds it against decide.
 */
import type { Turn } from '../account/mass-change.ts'
import type { Account } from '../account/account.ts'
import type { Accounts } from '../account/accounts.ts'
import type { Clock } from '../clock.ts'
import type { SettingsSource } from '../config/settings.ts'
import type { HashInspector } from '../credential/hash-verifier.ts'
import { cleanName } from '../login-log/clean-name.ts'
import type { LoginLogEntry, LoginLogSource } from '../login-log/event.ts'
import { parseAddress, type Address } from '../login/address.ts'
import { whyOf } from '../login/login.ts'
import { ANSWER_WITHIN_MS, type Door } from '../login/request.ts'
import type { Service } from '../login/service.ts'
import { REASONS, type Why } from '../login/why.ts'
import { networkOf, networksOf } from '../policy/network.ts'
import type { Policy } from '../policy/policy.ts'
import type { Logger } from '../telemetry/logger.ts'
import { lastAttempts } from './attempts.ts'
import { checksOf } from './checks.ts'
import type { Check, CredentialAnswer, Explanation } from './explanation.ts'
import {
  appPasswordFacts,
  directoryFacts,
  domainFacts,
  mailboxFacts,
  templateFacts,
  timeText,
  userOf,
} from './facts.ts'
import { credentialAnswer, credentialAnswers, overall, type Question } from './foreseen.ts'
import { isLocked } from '../account/lock.ts'
import { remediesFor } from './remedy.ts'
import { shell } from './shell.ts'

export interface ExplainRequest {
  /** As somebody typed it; may be nonsense. */
  readonly name: string
  readonly service: Service
  readonly door: Door
  readonly remoteIp: string | undefined
}

/** Names of app passwords, which no login needs. Throws MailpassdError store_*. */
export interface AppPasswordNames {
  /** Name by id. */
  appPasswordNames(address: Address): Promise<ReadonlyMap<number, string>>
}

export interface ExplainParts {
  readonly policy: Policy
  readonly accounts: Pick<Accounts, 'get' | 'putOff'>
  readonly settings: SettingsSource
  readonly hashes: HashInspector
  readonly names: AppPasswordNames
  readonly log: LoginLogSource
  /** What the log has not written yet. */
  /** How a user turned whom the guard against a mass change holds. */
  readonly heldTurn: (email: string) => Turn | undefined
  readonly pendingOf: (mailbox: string) => readonly LoginLogEntry[]
  readonly clock: Clock
  readonly logger: Logger
}

/** Never rejects; answers within the time of a login. */
export type Explain = (request: ExplainRequest) => Promise<Explanation>

export function createExplain(parts: ExplainParts): Explain {
  return async (request) => {
    const late = Promise.withResolvers<Explanation>()
    const cancel = parts.clock.after(ANSWER_WITHIN_MS, () =>
      late.resolve(unknownAs(request, parts, 'deadline')),
    )
    try {
      return await Promise.race([walk(request, parts), late.promise])
    } catch (thrown) {
      return unknownAs(request, parts, whyOf(thrown, parts.logger))
    } finally {
      cancel()
    }
  }
}

async function walk(request: ExplainRequest, parts: ExplainParts): Promise<Explanation> {
  const address = parseAddress(request.name)
  // The log keeps no such name.
  if (address === undefined) return { ...refusedAs(request, parts, 'address_invalid'), attempts: [] }
  // Begun together; a log that cannot be read costs nobody the rest.
  const attempts = lastAttempts(address.full, parts).catch(() => null)
  const names = parts.names.appPasswordNames(address).catch(() => new Map<number, string>())
  const account = await parts.accounts.get(address)
  const nameById = await names

  const settings = parts.settings()
  const monotonicMs = parts.clock.monotonicMs()
  const question: Question = {
    account,
    settings,
    request: { service: request.service, door: request.door, remoteIp: request.remoteIp },
    hashes: parts.hashes,
    nowMs: parts.clock.nowMs(),
    putOff: (isMain) => parts.accounts.putOff(address, { asker: networksOf(request.remoteIp), isMain }),
  }
  const { penalties: charged, retryAfterSeconds } = parts.policy.foresee({
    ...request,
    username: request.name,
  })
  const penalties = charged.map(cleanName)
  const isThrottled = retryAfterSeconds !== undefined
  const credentials = isThrottled
    ? [credentialAnswer('main', undefined, { kind: 'refused', why: 'too_many_guesses' })]
    : credentialAnswers(question, (id) => nameById.get(id))
  const checks: Check[] = [
    addressCheck(request, address),
    isThrottled
      ? {
          room: 'admission',
          state: 'unknown',
          text: throttledText(penalties, retryAfterSeconds),
          why: 'too_many_guesses',
        }
      : { room: 'admission', state: 'ok', text: penalties.join('; ') || 'no penalty' },
    ...checksOf(question, credentials, monotonicMs),
    ...heldBack(parts.heldTurn(address.full)),
    ...switchedOff(account, nameById),
  ]
  const { stored } = account
  return {
    ...frame(request, parts),
    address: cleanName(address.full),
    answer: overall(credentials),
    credentials,
    checks,
    todo: todoOf(checks, credentials, request, address, userOf(account)?.username),
    rows_age_ms: Math.max(0, Math.round(monotonicMs - account.storedAtMs)),
    penalties,
    locked:
      stored.lock === undefined
        ? null
        : { in_force: isLocked(stored, question.nowMs), until: timeText(stored.lock.untilMs) },
    directory: directoryFacts(account, settings, parts.hashes, monotonicMs),
    domain: domainFacts(account, settings),
    template: templateFacts(account, settings) ?? null,
    mailbox: stored.mailbox === undefined ? null : mailboxFacts(stored.mailbox, parts.hashes),
    app_passwords: stored.appPasswords.map((row) =>
      appPasswordFacts(row, nameById.get(row.id), parts.hashes),
    ),
    attempts: await attempts,
  }
}

function throttledText(penalties: readonly string[], seconds: number): string {
  const wait = seconds < 90 ? `${seconds} s` : `${Math.ceil(seconds / 60)} minutes`
  return `${penalties.join('; ')}; nothing more is compared for ${wait}`
}

const TURNS: Readonly<Record<Turn, string>> = {
  unknown: 'has no such user any more',
  disabled: 'has this user disabled',
  no_hash: 'shows no password hash of this user any more',
  replaced: 'has another user with this address now',
}

/** Why somebody gets in whom an operator disabled a minute ago. */
function heldBack(turn: Turn | undefined): Check[] {
  if (turn === undefined) return []
  const text = `the directory ${TURNS[turn]}, as it says of too many at once: what was known before counts, until \`mailpassd directory accept\``
  return [{ room: 'directory', state: 'note', text }]
}

/** App passwords that a login does not even load: made elsewhere, and off. Whoever has one wants to know. */
function switchedOff({ stored }: Account, nameById: ReadonlyMap<number, string>): Check[] {
  const loaded = new Set(stored.appPasswords.map(({ id }) => id))
  const off = [...nameById].filter(([id]) => !loaded.has(id))
  if (off.length === 0 || stored.mailbox === undefined) return []
  const shown = off.slice(0, 10).map(([id, name]) => `${id} ${cleanName(name)}`)
  const rest = off.length > shown.length ? `, and ${off.length - shown.length} more` : ''
  return [{ room: 'app_passwords', state: 'note', text: `switched off: ${shown.join(', ')}${rest}` }]
}

function addressCheck({ name }: ExplainRequest, { full }: Address): Check {
  const shown = cleanName(full)
  const text = name === full ? shown : `${shown}, from what was typed`
  return { room: 'address', state: 'ok', text }
}

/** What stands in every explanation, with nothing found out. */
function frame({ name, service, remoteIp }: ExplainRequest, { clock }: ExplainParts): Explanation {
  return {
    name: cleanName(name),
    address: null,
    service,
    network: networkOf(remoteIp),
    asked_at: timeText(clock.nowMs()) ?? '',
    answer: 'unknown',
    credentials: [],
    checks: [],
    todo: [],
    rows_age_ms: null,
    penalties: [],
    locked: null,
    directory: null,
    domain: null,
    template: null,
    mailbox: null,
    app_passwords: [],
    attempts: null,
  }
}

/** The explanation where one reason ends the way before anything is known. */
function refusedAs(request: ExplainRequest, parts: ExplainParts, why: Why): Explanation {
  const credentials = [credentialAnswer('main', undefined, { kind: 'refused', why })]
  const answer = overall(credentials)
  const room = why === 'address_invalid' ? 'address' : 'store'
  const state = answer === 'no' ? 'no' : 'unknown'
  const checks: Check[] = [{ room, state, text: REASONS[why].meaning, why }]
  return {
    ...frame(request, parts),
    answer,
    credentials,
    checks,
    todo: todoOf(checks, credentials, request, parseAddress(request.name), undefined),
  }
}

function unknownAs(request: ExplainRequest, parts: ExplainParts, why: Why): Explanation {
  const address = parseAddress(request.name)
  return {
    ...refusedAs(request, parts, why),
    address: address === undefined ? null : cleanName(address.full),
  }
}

function todoOf(
  checks: readonly Check[],
  credentials: readonly CredentialAnswer[],
  { name, service }: ExplainRequest,
  address: Address | undefined,
  username: string | undefined,
) {
  const shown = cleanName(address?.full ?? name)
  const about = {
    address: shown,
    domain: address?.domain ?? '',
    user: cleanName(username ?? shown),
    service,
  }
  const whys = checks.flatMap(({ why }) => (why === undefined ? [] : [why]))
  const todo = remediesFor(whys, about)
  const opens = credentials.some(({ answer }) => answer === 'yes')
  if (!opens || address === undefined) return todo
  const last = {
    step: 9,
    text: 'What is left is the password itself: try it, and see why it is refused.',
    command: `mailpassd login --service ${service} ${shell(shown)}`,
  }
  return [...todo, last]
}
