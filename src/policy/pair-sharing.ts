/**
 * Keeps the known pairs in step with the store: at the start they are loaded in the background, at the very first one
 * from the logins of the last 30 days, so that nobody is a stranger after an upgrade; then what is new is written
 * once a second, and what other nodes wrote is read.
 */
import type { Clock } from '../clock.ts'
import { parseAddress } from '../login/address.ts'
import type { LoginLogEntry, LoginLogSource } from '../login-log/event.ts'
import type { Logger } from '../telemetry/logger.ts'
import { KNOWN_DAYS, type KnownPairMemory, type SeenPair } from './known-pair-memory.ts'
import { startLoop, type Loop } from './loop.ts'
import { networkOf, UNKNOWN_NETWORK } from './network.ts'

/** A good login by its address. */
export interface SeenAddress {
  readonly service: string
  readonly remoteIp: string
  readonly mailbox: string
  readonly atMs: number
}

/** The store as this room needs it. Throws MailpassdError store_*. */
export interface KnownPairStore {
  /** The next pairs by their key; none at the end. */
  load(after: SeenPair | undefined): Promise<readonly SeenPair[]>
  changedSince(sinceMs: number): Promise<{ readonly pairs: readonly SeenPair[]; readonly nextMs: number }>
  /** The store's own clock, by which it says what has changed. */
  nowMs(): Promise<number>
  write(pairs: readonly SeenPair[]): Promise<void>
  prune(): Promise<void>
  isTakenOver(): Promise<boolean>
  markTakenOver(): Promise<void>
  readSaslLog(after: SeenAddress | undefined): Promise<readonly SeenAddress[]>
}

const DAY_MS = 24 * 60 * 60 * 1000
const WRITTEN_AT_ONCE = 500
const READ_AT_ONCE = 500
const PRUNE_EVERY_MS = 60 * 60 * 1000

export class PairSharing {
  readonly #known: KnownPairMemory
  readonly #store: KnownPairStore
  readonly #logins: LoginLogSource
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #loop: Loop
  #sinceMs: number | undefined
  #isLoaded = false
  #isStopped = false
  #prunedAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: {
    readonly known: KnownPairMemory
    readonly store: KnownPairStore
    readonly logins: LoginLogSource
    readonly clock: Clock
    readonly logger: Logger
  }) {
    this.#known = parts.known
    this.#store = parts.store
    this.#logins = parts.logins
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#loop = startLoop({
      turn: () => this.#turn(),
      what: 'known networks of mailboxes',
      clock: parts.clock,
      logger: parts.logger,
    })
  }

  /** Resolves when all that was known is loaded, or could not be: nothing waits for it. Never rejects. */
  start(): Promise<void> {
    return this.#loop.start()
  }

  async close(): Promise<void> {
    this.#isStopped = true
    await this.#loop.stop()
  }

  async #turn(): Promise<void> {
    // Before the first page: what others write meanwhile is read afterwards.
    this.#sinceMs ??= await this.#store.nowMs()
    if (!this.#isLoaded && !this.#isStopped) await this.#load()
    await this.#write()
    if (this.#isStopped) return
    const { pairs, nextMs } = await this.#store.changedSince(this.#sinceMs)
    this.#known.load(pairs)
    this.#sinceMs = nextMs
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#prunedAtMs < PRUNE_EVERY_MS) return
    this.#prunedAtMs = nowMs
    await this.#store.prune()
  }

  async #load(): Promise<void> {
    if (!(await this.#store.isTakenOver())) await this.#takeOver()
    let after: SeenPair | undefined
    do {
      const pairs = await this.#store.load(after)
      this.#known.load(pairs)
      after = pairs.at(-1)
    } while (after !== undefined && !this.#isStopped)
    this.#isLoaded = true
    this.#logger.debug({ entries: this.#known.size }, 'known networks of mailboxes are loaded')
  }

  /** May be done twice, by two nodes or after a crash: a pair is written once a day. */
  async #takeOver(): Promise<void> {
    const sinceMs = this.#clock.nowMs() - KNOWN_DAYS * DAY_MS
    let row: SeenAddress | undefined
    do {
      const rows = await this.#store.readSaslLog(row)
      row = rows.at(-1)
      await this.#store.write(
        latest(
          rows
            .filter(({ atMs }) => atMs >= sinceMs)
            .map(({ mailbox, remoteIp, atMs }) => ({
              // mailcow writes the name as the client did.
              mailbox: parseAddress(mailbox)?.full ?? '',
              network: networkOf(remoteIp),
              atMs,
            })),
        ),
      )
    } while (row !== undefined && !this.#isStopped)
    let entry: LoginLogEntry | undefined
    do {
      const entries = await this.#logins.readLogins({
        sinceMs,
        limit: READ_AT_ONCE,
        ...(entry === undefined ? {} : { after: entry }),
      })
      entry = entries.at(-1)
      await this.#store.write(
        latest(
          entries
            .filter(({ verdict, credential }) => verdict === 'ok' && credential !== 'sogo')
            .map(({ mailbox, network, lastMs }) => ({ mailbox, network, atMs: lastMs })),
        ),
      )
    } while (entry !== undefined && !this.#isStopped)
    if (!this.#isStopped) await this.#store.markTakenOver()
  }

  async #write(): Promise<void> {
    const pairs = this.#known.takeUnwritten(WRITTEN_AT_ONCE)
    try {
      await this.#store.write(pairs)
    } catch (error) {
      this.#known.putBack(pairs)
      throw error
    }
  }
}

/** Each pair once, with its last time; a statement may not write one twice. */
function latest(pairs: readonly SeenPair[]): readonly SeenPair[] {
  const byKey = new Map<string, SeenPair>()
  for (const pair of pairs) {
    if (pair.mailbox === '' || pair.network === UNKNOWN_NETWORK) continue
    const key = `${pair.mailbox} ${pair.network}`
    if ((byKey.get(key)?.atMs ?? 0) < pair.atMs) byKey.set(key, pair)
  }
  return [...byKey.values()]
}
