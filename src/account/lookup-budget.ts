/**
 * How many look-ups of names that nobody is known to have a stranger may cause (design §3 rule 7): by network, each
 * within the wider one it lies in, then over all, of which a quarter is kept for networks that somebody logged in from
 * in the last 30 days. Without it a flood of made-up names would reach the directory as fast as it comes.
 *
 * A wrong password for a name that exists counts as such a look-up, though it costs none: else whoever counts how many
 * made-up names the budget leaves would learn which of them was none.
 */
import { LRUCache } from 'lru-cache'
import type { KnownPairs } from '../policy/known-pairs.ts'
import { TokenBucket } from './token-bucket.ts'

/** Who asks: the networks it lies in, wide to narrow; undefined for ourselves, who spend nothing. */
export type Asker = readonly string[] | undefined

/** For requests whose client is not known, as policy/network.ts calls it: only what is over all bounds them. */
const UNKNOWN_NETWORK = 'unknown'

/** What is saved up, in seconds of what comes in. */
const NETWORK_SECONDS = 30
const OVERALL_SECONDS = 5
/** A network has so much of what there is over all; each wider one twice as much. */
const NETWORK_SHARE = 10
const KEPT_SHARE = 4
const MAX_NETWORKS = 20_000

export class LookupBudget {
  readonly #perSecond: number
  readonly #overall: TokenBucket
  readonly #networks = new LRUCache<string, TokenBucket>({ max: MAX_NETWORKS })
  readonly #known: Pick<KnownPairs, 'isKnownNetwork'>

  /** `perSecond`: look-ups over all. */
  constructor(perSecond: number, known: Pick<KnownPairs, 'isKnownNetwork'>) {
    this.#perSecond = perSecond
    this.#overall = new TokenBucket(perSecond, this.#saved)
    this.#known = known
  }

  /** Whether nothing is left for who asks. */
  isSpent(asker: Asker, nowMs: number): boolean {
    if (asker === undefined) return false
    const reserve = this.#isKnown(asker) ? 0 : this.#saved / KEPT_SHARE
    return !this.#overall.has(nowMs, reserve) || this.#bucketsOf(asker).some((bucket) => !bucket.has(nowMs))
  }

  /** Takes one for who asks; false where nothing is left, and then nothing is taken. */
  take(asker: Asker, nowMs: number): boolean {
    if (asker === undefined) return true
    if (this.isSpent(asker, nowMs)) return false
    this.#overall.take(nowMs)
    for (const bucket of this.#bucketsOf(asker)) bucket.take(nowMs)
    return true
  }

  get #saved(): number {
    return this.#perSecond * OVERALL_SECONDS
  }

  #isKnown(networks: readonly string[]): boolean {
    const own = networks.at(-1)
    return own !== undefined && own !== UNKNOWN_NETWORK && this.#known.isKnownNetwork(own)
  }

  #bucketsOf(networks: readonly string[]): TokenBucket[] {
    return networks
      .filter((network) => network !== UNKNOWN_NETWORK)
      .map((network, at) => this.#networks.get(network) ?? this.#open(network, networks.length - 1 - at))
  }

  #open(network: string, widerBy: number): TokenBucket {
    const perSecond = (this.#perSecond / NETWORK_SHARE) * 2 ** widerBy
    const bucket = new TokenBucket(perSecond, perSecond * NETWORK_SECONDS)
    this.#networks.set(network, bucket)
    return bucket
  }
}
