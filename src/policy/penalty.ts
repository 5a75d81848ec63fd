/**
 * The penalty for guessing: different wrong passwords within an hour are counted, refusals leave later with each, and
 * where as many counted as may, nothing is compared any more until the first is an hour old.
 *
 *                    counted and held at            and so bounded by
 *   stranger         pair, mailbox, its networks    the first of them that is full
 *   known pair       pair                           its own guesses: no stranger can lock it out
 *   shared, unknown  mailbox                        all that comes for this mailbox from strangers
 *
 *   request:  admit --full--> throttled                         (nothing counts)
 *               `--place held--> ticket --observe--> released   (a guess counts where it held its place)
 *   known pair:  known --3 different wrong passwords--> with strangers in the queue --10 minutes--> known
 */
import type { Clock } from '../clock.ts'
import { parseAddress } from '../login/address.ts'
import type { Outcome } from '../login/outcome.ts'
import type { LoginRequest } from '../login/request.ts'
import { slotOf } from './counter.ts'
import { guessOf, type GuessKind } from './guess.ts'
import { KeyedMac } from './keyed-mac.ts'
import type { KnownPairMemory } from './known-pair-memory.ts'
import type { LoginObserver, Observed } from './observer.ts'
import type { Admission, Foreseen, Policy } from './policy.ts'
import type { GuessRates } from './rate.ts'
import { describePenalty } from './penalty-text.ts'
import { Reservations, type Reservation } from './reservations.ts'
import { addressScope, pairScope, type Origin, type Scope, type Scopes } from './scope.ts'
import type { Ticket } from './ticket.ts'

/** Different wrong passwords after which a known pair waits with strangers, and for how long. */
const DEMOTED_AFTER = 3
const DEMOTED_MS = 10 * 60 * 1000
/** Of the delay of a first wrong password: 2, 4, 7 s. */
const DELAY_STEPS = [1, 2, 3.5] as const
const DELAYING_SCOPES = 3
/** Where all places are held by guesses under way. */
const RETRY_SOON_SECONDS = 2

export interface PenaltyParts {
  readonly scopes: Scopes
  readonly rates: GuessRates
  readonly known: Pick<KnownPairMemory, 'isKnownPair' | 'isKnownNetwork' | 'learn'>
  readonly clock: Clock
  /** How long after it came the first refusal leaves. */
  readonly failureDelayMs: number
  readonly observers?: readonly LoginObserver[]
}

export class PenaltyPolicy implements Policy {
  readonly #parts: PenaltyParts
  readonly #mac = new KeyedMac()
  readonly #delaysMs: readonly number[]
  readonly #reserved = new Reservations(({ mailbox, request }) => this.#mac.ofGuess(mailbox, request.secret))

  constructor(parts: PenaltyParts) {
    this.#parts = parts
    this.#delaysMs = DELAY_STEPS.map((step) => Math.round(step * parts.failureDelayMs))
  }

  /** Requests that were admitted and not observed yet. */
  get underWay(): number {
    return this.#reserved.size
  }

  admit(request: LoginRequest, mailbox: string): Admission {
    const { scopes: all, rates, known, clock } = this.#parts
    const origin = all.originOf(request.remoteIp)
    const isKnown = known.isKnownPair(mailbox, origin.network)
    const scopes = this.#scopesOf(origin, mailbox, isKnown)
    const reservation: Reservation = {
      request,
      mailbox,
      origin,
      isKnown,
      scopes,
      mac: undefined,
      attempt: { comparisons: 0 },
    }
    const [first] = scopes
    // Nearly every login: nothing counts against the pair, and nothing else of it is under way.
    if (
      isKnown &&
      !origin.isShared &&
      first !== undefined &&
      rates.find(first.key) === undefined &&
      !this.#reserved.isBusy(first.key)
    ) {
      this.#reserved.hold(reservation)
      return ticketOf(reservation, 'known', this.#delayMs(1))
    }

    const nowMs = clock.nowMs()
    const mac = this.#reserved.macOf(reservation)
    const slot = slotOf(nowMs)
    let worst = 1
    for (const [index, scope] of scopes.entries()) {
      const counter = rates.find(scope.key)
      const counted = counter?.total(slot) ?? 0
      if (counted >= scope.limit)
        return throttled(Math.ceil((rates.untilMs(scope.key, nowMs) - nowMs) / 1000))
      const places = this.#reserved.placesWith(scope.key, mac, (each) => counter?.has(each) === true)
      if (counted + places > scope.limit) return throttled(RETRY_SOON_SECONDS)
      // Pair, mailbox and the narrowest network: what wider ones are charged with delays nobody.
      if (index < DELAYING_SCOPES) worst = Math.max(worst, counted + places)
    }
    this.#reserved.hold(reservation)
    return ticketOf(reservation, this.#laneOf(reservation), this.#delayMs(worst))
  }

  observe(request: LoginRequest, outcome: Outcome): void {
    const { known, observers } = this.#parts
    const reservation = this.#reserved.release(request)
    const guess = guessOf(outcome, reservation?.attempt.comparisons ?? 0)
    if (guess === undefined && outcome.verdict !== 'ok' && observers === undefined) return
    const about = reservation ?? this.#aboutUnadmitted(request)
    const isNewGuess = guess === undefined ? false : this.#count(guess, about)
    if (outcome.verdict === 'ok' && outcome.mailbox !== undefined && isOfClient(request, outcome))
      known.learn(outcome.mailbox, about.origin.network)
    if (observers !== undefined) this.#tell(observers, { about, outcome, guess, isNewGuess })
  }

  foresee({ username, remoteIp }: Pick<LoginRequest, 'username' | 'remoteIp'>): Foreseen {
    const { scopes: all, rates, known, clock } = this.#parts
    const mailbox = parseAddress(username)?.full
    if (mailbox === undefined) return { retryAfterSeconds: undefined, penalties: [] }
    const origin = all.originOf(remoteIp)
    const nowMs = clock.nowMs()
    const scopes = this.#scopesOf(origin, mailbox, known.isKnownPair(mailbox, origin.network))
    let retryAfterSeconds: number | undefined
    const penalties: string[] = []
    for (const scope of scopes) {
      const guesses = rates.total(scope.key, nowMs)
      if (guesses === 0) continue
      const untilMs = rates.untilMs(scope.key, nowMs)
      if (guesses >= scope.limit)
        retryAfterSeconds = Math.max(retryAfterSeconds ?? 1, Math.ceil((untilMs - nowMs) / 1000))
      penalties.push(describePenalty(scope, guesses))
    }
    return { retryAfterSeconds, penalties }
  }

  #scopesOf(origin: Origin, mailbox: string, isKnown: boolean): readonly Scope[] {
    const { scopes } = this.#parts
    if (origin.isShared) return [scopes.ofAddress(mailbox)]
    const pair = scopes.ofPair(mailbox, origin.network)
    return isKnown ? [pair] : [pair, scopes.ofAddress(mailbox), ...origin.scopes]
  }

  #laneOf({ isKnown, scopes }: Reservation): Ticket['lane'] {
    const { rates, clock } = this.#parts
    if (!isKnown) return 'stranger'
    const demotedUntilMs = rates.find(scopes[0]?.key ?? '')?.demotedUntilMs ?? Number.NEGATIVE_INFINITY
    return clock.monotonicMs() < demotedUntilMs ? 'stranger' : 'known'
  }

  /** `guesses`: with the one at hand. */
  #delayMs(guesses: number): number {
    return this.#delaysMs[Math.min(guesses, this.#delaysMs.length) - 1] ?? 0
  }

  /** Counts the guess; true where it had not counted before. */
  #count(kind: GuessKind, about: Reservation): boolean {
    const { rates, clock } = this.#parts
    const nowMs = clock.nowMs()
    const isAtAccount = kind === 'account'
    const scopes = isAtAccount ? about.scopes : about.scopes.filter(({ key }) => key.startsWith('n:'))
    const mac =
      kind === 'name'
        ? this.#mac.ofName(about.mailbox === '' ? about.request.username : about.mailbox)
        : this.#reserved.macOf(about)
    let isNew = false
    for (const [index, { key }] of scopes.entries()) {
      const added = rates.add(key, mac, nowMs)
      if (index === 0) isNew = added
      const counter = index === 0 && added && isAtAccount ? rates.find(key) : undefined
      if (counter !== undefined && counter.total(slotOf(nowMs)) >= DEMOTED_AFTER)
        counter.demotedUntilMs = clock.monotonicMs() + DEMOTED_MS
    }
    return isNew
  }

  /** A name that is none, a refusal before admission, a report of another program. */
  #aboutUnadmitted(request: LoginRequest): Reservation {
    const origin = this.#parts.scopes.originOf(request.remoteIp)
    const mailbox = parseAddress(request.username)?.full
    const isKnown = mailbox !== undefined && this.#parts.known.isKnownPair(mailbox, origin.network)
    const scopes = mailbox === undefined ? origin.scopes : this.#scopesOf(origin, mailbox, isKnown)
    return {
      request,
      mailbox: mailbox ?? '',
      origin,
      isKnown,
      scopes,
      mac: undefined,
      attempt: { comparisons: 0 },
    }
  }

  #tell(
    observers: readonly LoginObserver[],
    facts: {
      readonly about: Reservation
      readonly outcome: Outcome
      readonly guess: GuessKind | undefined
      readonly isNewGuess: boolean
    },
  ): void {
    const { rates, clock } = this.#parts
    const { about, outcome, guess, isNewGuess } = facts
    const { request, mailbox, origin, isKnown } = about
    const observed: Observed = {
      request,
      outcome,
      mailbox: mailbox === '' ? undefined : mailbox,
      network: origin.network,
      isShared: origin.isShared,
      guess,
      isNewGuess,
      wasKnown: isKnown,
      guessesAtAddress: () => rates.total(addressScope(mailbox), clock.nowMs()),
      guessesFromPair: () => rates.total(pairScope(mailbox, origin.network), clock.nowMs()),
    }
    for (const observer of observers) observer.observed(observed)
  }
}

/** SOGo's own password and an operator's try say nothing of where a mailbox's user is. */
function isOfClient({ door, remoteIp }: LoginRequest, { credential }: Outcome): boolean {
  return remoteIp !== undefined && door !== 'cli' && credential !== 'sogo'
}

function throttled(retryAfterSeconds: number): Admission {
  return { kind: 'throttled', retryAfterSeconds: Math.max(1, retryAfterSeconds) }
}

function ticketOf(reservation: Reservation, lane: Ticket['lane'], delayMs: number): Admission {
  const { origin, mailbox, request } = reservation
  const { networks } = origin
  return {
    kind: 'ticket',
    ticket: {
      lane,
      networks,
      mailbox,
      delayMs,
      deadlineMs: request.deadlineMs,
      attempt: reservation.attempt,
    },
  }
}
