/**
 * Good logins that look like those of a thief: by a password that was guessed, or by one that a botnet has. Counts what
 * the last hour brought; looks at outcomes alone and changes none. A node sees its own logins, and forgets with a restart.
 *
 *   refused   a new guess -> counted at its network for an hour
 *   ok        from a pair that was not known:
 *               many guesses from the pair, at the mailbox, or from the network -> guessed_login
 *               over smtp: its network joins those of the mailbox; too many within an hour -> new_networks
 *             from a known pair: nothing (the owner, who may well have tried three old passwords first)
 */
import { LRUCache } from 'lru-cache'
import type { Service } from '../login/service.ts'
import type { LoginObserver, Observed } from './observer.ts'

const HOUR_MS = 60 * 60 * 1000
/** Of mailboxes that are looked at: one that is pushed out begins anew. */
const MAX_KEYS = 50_000

export interface AlarmLimits {
  /** Different wrong passwords from the pair, or at the mailbox, before a good one; 0: no alarm. */
  readonly guesses: number
  /** The same from its network at any mailboxes; 0: no alarm. */
  readonly networkGuesses: number
  /** New networks an hour that one mailbox may send from; 0: any number. */
  readonly newNetworksPerHour: number
}

interface AlarmOfLogin {
  readonly mailbox: string
  readonly service: Service
  readonly network: string
  readonly remoteIp: string | undefined
  readonly credential: string | undefined
}

export interface GuessedLogin extends AlarmOfLogin {
  readonly kind: 'guessed_login'
  /** Different wrong passwords within the hour. */
  readonly guesses: { readonly pair: number; readonly mailbox: number; readonly network: number }
}

export interface NewNetworks extends AlarmOfLogin {
  readonly kind: 'new_networks'
  /** The networks of the hour, this one last. */
  readonly networks: readonly string[]
}

export type LoginAlarm = GuessedLogin | NewNetworks

interface Window {
  startMs: number
  count: number
}

interface SeenNetwork {
  readonly network: string
  readonly atMs: number
}

export class AlarmRules implements LoginObserver {
  readonly #limits: AlarmLimits
  readonly #raise: (alarm: LoginAlarm) => void
  readonly #nowMs: () => number
  readonly #guessesFrom = new LRUCache<string, Window>({ max: MAX_KEYS })
  readonly #newNetworks = new LRUCache<string, readonly SeenNetwork[]>({ max: MAX_KEYS })
  /** `kind mailbox` -> when it was raised: one alarm an hour says it. */
  readonly #raised = new LRUCache<string, number>({ max: MAX_KEYS })

  /** `raise` must neither wait nor throw. `nowMs`: a monotonic clock. */
  constructor(limits: AlarmLimits, raise: (alarm: LoginAlarm) => void, nowMs: () => number) {
    this.#limits = limits
    this.#raise = raise
    this.#nowMs = nowMs
  }

  observed(facts: Observed): void {
    const { outcome, network, isShared, isNewGuess, wasKnown } = facts
    if (outcome.verdict !== 'ok') {
      if (isNewGuess && !isShared) this.#countGuess(network)
      return
    }
    if (wasKnown || !isOfClient(facts)) return
    this.#lookAtGuesses(facts)
    if (facts.request.service === 'smtp' && !isShared) this.#lookAtNetworks(facts)
  }

  #lookAtGuesses(facts: Observed): void {
    const { guesses: most, networkGuesses: mostFromNetwork } = this.#limits
    const guesses = {
      pair: facts.guessesFromPair(),
      mailbox: facts.guessesAtAddress(),
      network: this.#guessesOf(facts.network),
    }
    const isGuessed = most > 0 && (guesses.pair >= most || guesses.mailbox >= most)
    const isFromGuesser = mostFromNetwork > 0 && guesses.network >= mostFromNetwork
    if (isGuessed || isFromGuesser) this.#raiseOnce({ kind: 'guessed_login', ...loginOf(facts), guesses })
  }

  #lookAtNetworks(facts: Observed): void {
    const most = this.#limits.newNetworksPerHour
    if (most === 0) return
    const { mailbox, network } = loginOf(facts)
    const nowMs = this.#nowMs()
    const earlier = (this.#newNetworks.get(mailbox) ?? []).filter(
      (seen) => nowMs - seen.atMs < HOUR_MS && seen.network !== network,
    )
    // One more than may be is all that has to be known.
    const seen = [...earlier, { network, atMs: nowMs }].slice(-(most + 1))
    this.#newNetworks.set(mailbox, seen)
    if (seen.length > most)
      this.#raiseOnce({ kind: 'new_networks', ...loginOf(facts), networks: seen.map((each) => each.network) })
  }

  #raiseOnce(alarm: LoginAlarm): void {
    const key = `${alarm.kind} ${alarm.mailbox}`
    const nowMs = this.#nowMs()
    const raisedMs = this.#raised.get(key)
    if (raisedMs !== undefined && nowMs - raisedMs < HOUR_MS) return
    this.#raised.set(key, nowMs)
    this.#raise(alarm)
  }

  #countGuess(network: string): void {
    const nowMs = this.#nowMs()
    const window = this.#guessesFrom.get(network)
    if (window === undefined || nowMs - window.startMs >= HOUR_MS)
      this.#guessesFrom.set(own(network), { startMs: nowMs, count: 1 })
    else window.count += 1
  }

  #guessesOf(network: string): number {
    const window = this.#guessesFrom.get(network)
    return window === undefined || this.#nowMs() - window.startMs >= HOUR_MS ? 0 : window.count
  }
}

/** SOGo's own password and an operator's try are nobody's login. */
function isOfClient({ request, outcome, mailbox }: Observed): boolean {
  return mailbox !== undefined && request.door !== 'cli' && outcome.credential !== 'sogo'
}

function loginOf({ request, outcome, mailbox, network }: Observed): AlarmOfLogin {
  return {
    mailbox: own(mailbox ?? ''),
    service: request.service,
    network: own(network),
    remoteIp: request.remoteIp === undefined ? undefined : own(request.remoteIp),
    credential: outcome.credential,
  }
}

/** A copy: what was cut from a line would keep the whole line alive, and a password may stand in it. */
function own(text: string): string {
  return Buffer.from(text).toString()
}
