/**
 * Keeps the counters of guesses in step with other nodes and over a restart: once a second what was counted here is
 * written, and what others wrote is read. It is never waited for by a login; while nobody can be told, what is counted
 * here goes on, and is told later.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Logger } from '../telemetry/logger.ts'
import { startLoop, type Loop } from './loop.ts'
import type { GuessCount, GuessRates } from './rate.ts'

export interface SharedCount extends GuessCount {
  readonly node: string
}

export interface SharedChanges {
  readonly counts: readonly SharedCount[]
  /** Scopes that an operator has cleared; a token tells one clearing from another. */
  readonly cleared: readonly { readonly scope: string; readonly token: string }[]
  /** Where the next reading begins. */
  readonly nextMs: number
}

/** Where nodes meet. Throws MailpassdError. */
export interface SharedGuesses {
  /** What this node has counted, each count in place of the one before for its scope and slot. */
  write(node: string, counts: readonly GuessCount[]): Promise<void>
  /** What changed since, of other nodes than this; 0: all that may still count. Some may come twice. */
  read(node: string, sinceMs: number): Promise<SharedChanges>
  /** Forgets these scopes, and tells the nodes. */
  clear(scopes: readonly string[]): Promise<void>
  /** Deletes what counts no more. */
  prune(): Promise<void>
}

const WRITTEN_AT_ONCE = 1000
const PRUNE_EVERY_MS = 10 * 60 * 1000
const MAX_CLEARINGS = 10_000

export class GuessSharing {
  readonly #rates: GuessRates
  readonly #shared: SharedGuesses
  readonly #clock: Clock
  /** Another one after each start: what an earlier life has counted is another node's. */
  readonly #node = randomBytes(9).toString('base64url')
  /** Scope -> the clearing of it that was obeyed. */
  readonly #cleared = new Map<string, string>()
  /** Cleared by ourselves, and not yet read as such: what came since must not go with it. */
  readonly #clearedHere = new Set<string>()
  readonly #loop: Loop
  #sinceMs = 0
  #hasRead = false
  #prunedAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: {
    readonly rates: GuessRates
    readonly shared: SharedGuesses
    readonly clock: Clock
    readonly logger: Logger
  }) {
    this.#rates = parts.rates
    this.#shared = parts.shared
    this.#clock = parts.clock
    this.#loop = startLoop({
      turn: () => this.#turn(),
      what: 'counted guesses',
      clock: parts.clock,
      logger: parts.logger,
    })
  }

  /** Begins; resolves when what counted before was read for the first time, or could not be. Never rejects. */
  start(): Promise<void> {
    return this.#loop.start()
  }

  /** Tells what is left, once, and stops. Never rejects. */
  async close(): Promise<void> {
    await this.#loop.stop()
  }

  /** Clears here at once and for all. Throws MailpassdError where the others cannot be told. */
  async clear(scopes: readonly string[]): Promise<void> {
    for (const scope of scopes) {
      this.#rates.clear(scope)
      this.#clearedHere.add(scope)
    }
    await this.#shared.clear(scopes)
  }

  async #turn(): Promise<void> {
    await this.#write()
    await this.#read()
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#prunedAtMs < PRUNE_EVERY_MS) return
    this.#prunedAtMs = nowMs
    await this.#shared.prune()
  }

  async #write(): Promise<void> {
    const counts = this.#rates.takeUntold(WRITTEN_AT_ONCE)
    if (counts.length === 0) return
    try {
      await this.#shared.write(this.#node, counts)
    } catch (error) {
      this.#rates.putBack(counts)
      throw error
    }
  }

  async #read(): Promise<void> {
    const { counts, cleared, nextMs } = await this.#shared.read(this.#node, this.#sinceMs)
    const isFirst = !this.#hasRead
    this.#hasRead = true
    this.#sinceMs = nextMs
    for (const { scope, token } of cleared) {
      if (this.#cleared.get(scope) === token) continue
      this.#cleared.delete(scope)
      this.#cleared.set(scope, token)
      const isOurs = this.#clearedHere.delete(scope)
      // What is there at the first reading was written after it.
      if (!isFirst && !isOurs) this.#rates.clear(scope)
    }
    for (const scope of this.#cleared.keys()) {
      if (this.#cleared.size <= MAX_CLEARINGS) break
      this.#cleared.delete(scope)
    }
    const nowMs = this.#clock.nowMs()
    for (const { node, ...count } of counts) this.#rates.merge(node, count, nowMs)
  }
}
