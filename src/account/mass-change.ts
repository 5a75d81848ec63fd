/**
 * The guard against a mass change (design §3 rule 14). A realm whose profile hides the hashes, an import that went
 * wrong, a federation that lost its server: the directory says in good order that hundreds of users are gone, disabled
 * or without a password. That is taken for a fault of the directory, until an operator accepts it.
 *
 *   watching ──(more than the limit turned within 10 min)──> holding ──accept──> open, for an hour ──> watching
 *      ^                                                        │
 *      └──(half of the limit is left: it says again what it said)──┘
 *
 * While it holds, what was known of those who turned stands in for what the directory says of them, also of those who
 * turned in the ten minutes before. What the directory says is kept in the record book beneath, for when it is accepted.
 */
import type { Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { DirectoryRecordValue } from './record-book.ts'

/** What became of a user who could log in. `replaced`: another directory id has the address now. */
export type Turn = 'unknown' | 'disabled' | 'no_hash' | 'replaced'

export interface HeldUser {
  readonly email: string
  readonly turn: Turn
  /** When the directory first said so, monotonic. */
  readonly turnedAtMs: number
}

export interface MassChangeState {
  readonly state: 'watching' | 'holding' | 'open'
  /** Users who turned within ten minutes, or are held. */
  readonly turned: number
  /** More than this is a mass change. */
  readonly limit: number
  /** Since when it holds, wall-clock. */
  readonly sinceMs: number | undefined
  /** Until when changes of any number count, wall-clock. */
  readonly openUntilMs: number | undefined
}

export interface MassChangeOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** directory.max_change_percent; 100 is off. */
  readonly maxPercent: number
}

interface Held {
  /** What was known while the user could log in. */
  readonly before: DirectoryRecordValue
  readonly turn: Turn
  readonly turnedAtMs: number
  /** When the directory was last heard saying so, monotonic. */
  readonly heardAtMs: number
}

const WINDOW_MS = 10 * 60 * 1000
const MIN_USERS = 20

export class MassChangeGuard {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #maxPercent: number
  /** In the order in which they turned. */
  readonly #turned = new Map<string, Held>()
  /** Of those the ones whom the book has no record of any more. */
  #gone = 0
  #limit = MIN_USERS
  #isHolding = false
  #sinceMs: number | undefined
  /** Monotonic. */
  #openUntilMs = Number.NEGATIVE_INFINITY
  /** Called with those for whom another record counts than a moment ago. */
  onSwitch: (emails: Iterable<string>) => void = () => {}

  constructor({ clock, logger, maxPercent }: MassChangeOptions) {
    this.#clock = clock
    this.#logger = logger
    this.#maxPercent = maxPercent
  }

  get isHolding(): boolean {
    return this.#isHolding
  }

  /** Is told of each record that replaces another, before it does. `known`: how many records there are. */
  judge(email: string, before: DirectoryRecordValue, next: DirectoryRecordValue, known: number): void {
    const nowMs = this.#clock.monotonicMs()
    if (!this.#isHolding)
      this.#limit = Math.max(MIN_USERS, Math.floor(((known + this.#gone) * this.#maxPercent) / 100))
    const last = this.#turned.get(email)
    if (!this.#isHolding) this.#forgetOld(nowMs)
    const held = this.#turned.get(email)
    // Turned longer ago than counts, and is heard of still: no second turn.
    if (last !== undefined && held === undefined) return
    const good = held?.before ?? before
    const turn = turnOf(good, next)
    if (turn === undefined) {
      if (held !== undefined) this.#forget(email)
      return
    }
    if (this.#maxPercent >= 100 || nowMs < this.#openUntilMs) return
    if (held?.turn === 'unknown') this.#gone -= 1
    if (turn === 'unknown') this.#gone += 1
    // Whoever is heard again keeps the place: the order is that of turning.
    this.#turned.set(email, { before: good, turn, turnedAtMs: held?.turnedAtMs ?? nowMs, heardAtMs: nowMs })
    if (!this.#isHolding && this.#turned.size > this.#limit) this.#hold()
  }

  /** What counts of this address while the guard holds it, else undefined. */
  standIn(email: string): DirectoryRecordValue | undefined {
    return this.#isHolding ? this.#turned.get(email)?.before : undefined
  }

  /** What the directory says of a user whom the guard holds; undefined where it holds none by this address. */
  heldTurn(email: string): Turn | undefined {
    return this.#isHolding ? this.#turned.get(email)?.turn : undefined
  }

  /** What was known of this address before it turned, held or not. */
  before(email: string): DirectoryRecordValue | undefined {
    return this.#turned.get(email)?.before
  }

  /** When the directory was last asked about a held address, monotonic. */
  heardAtMs(email: string): number | undefined {
    return this.#isHolding ? this.#turned.get(email)?.heardAtMs : undefined
  }

  /** The first `max` of those whom it holds, who turned first; none while it does not. */
  held(max: number): readonly HeldUser[] {
    const users: HeldUser[] = []
    if (!this.#isHolding) return users
    for (const [email, { turn, turnedAtMs }] of this.#turned) {
      if (users.length >= max) break
      users.push({ email, turn, turnedAtMs })
    }
    return users
  }

  state(): MassChangeState {
    const nowMs = this.#clock.monotonicMs()
    if (!this.#isHolding) this.#forgetOld(nowMs)
    const isOpen = nowMs < this.#openUntilMs
    return {
      state: this.#isHolding ? 'holding' : isOpen ? 'open' : 'watching',
      turned: this.#turned.size,
      limit: this.#limit,
      sinceMs: this.#sinceMs,
      openUntilMs: isOpen ? this.#clock.nowMs() + this.#openUntilMs - nowMs : undefined,
    }
  }

  /**
   * What the directory says counts: of those who are held at once, and for `openMs` of everybody, because users who are
   * disabled on purpose are heard of one by one. Gives how many were held.
   */
  accept(openMs: number): number {
    const count = this.#isHolding ? this.#turned.size : 0
    this.#openUntilMs = this.#clock.monotonicMs() + openMs
    this.#logger.warn({ users: count, open_minutes: Math.round(openMs / 60_000) }, 'mass change accepted')
    this.#release()
    return count
  }

  #hold(): void {
    this.#isHolding = true
    this.#sinceMs = this.#clock.nowMs()
    const turns: Partial<Record<Turn, number>> = {}
    for (const { turn } of this.#turned.values()) turns[turn] = (turns[turn] ?? 0) + 1
    this.#logger.error(
      { users: this.#turned.size, limit: this.#limit, ...turns },
      'mass change in the directory: too many users turned unknown, disabled or without a password within 10 minutes; what was known of them serves until `mailpassd directory accept`',
    )
    this.onSwitch(this.#turned.keys())
  }

  /** The directory says again what it said of this user. */
  #forget(email: string): void {
    this.#delete(email)
    if (!this.#isHolding || this.#turned.size > this.#limit / 2) return
    this.#logger.info(
      { left: this.#turned.size },
      'the directory says again what it said before the mass change',
    )
    this.#release()
  }

  #release(): void {
    const released = this.#isHolding ? [...this.#turned.keys()] : []
    this.#turned.clear()
    this.#gone = 0
    this.#isHolding = false
    this.#sinceMs = undefined
    this.onSwitch(released)
  }

  #forgetOld(nowMs: number): void {
    for (const [email, { turnedAtMs }] of this.#turned) {
      if (nowMs - turnedAtMs <= WINDOW_MS) return
      this.#delete(email)
    }
  }

  #delete(email: string): void {
    if (this.#turned.get(email)?.turn === 'unknown') this.#gone -= 1
    this.#turned.delete(email)
  }
}

/** How a user who could log in turned; undefined where there was none, or there is one still, or nobody knows. */
function turnOf(before: DirectoryRecordValue, next: DirectoryRecordValue): Turn | undefined {
  if (before.lookup.kind !== 'found') return undefined
  const was = before.lookup.user
  if (!was.enabled || was.hashes.length === 0) return undefined
  switch (next.lookup.kind) {
    case 'absent':
      return 'unknown'
    case 'found': {
      const { user } = next.lookup
      if (user.id !== was.id) return 'replaced'
      // A lockout is no fault of the directory: whoever causes many would put back those who were disabled meanwhile.
      if (!user.enabled && !user.lockedOut) return 'disabled'
      return user.hashes.length === 0 ? 'no_hash' : undefined
    }
    // Faults of their own, which refuse nobody (rule 9).
    case 'ambiguous':
    case 'other_email':
      return undefined
  }
}
