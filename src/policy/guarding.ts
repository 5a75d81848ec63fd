/** The rooms of policy, wired: the penalty, its counters and the known pairs, from the section `policy`. */
import type { Clock } from '../clock.ts'
import type { PolicyConfig } from '../config/schema.ts'
import { KnownPairMemory } from './known-pair-memory.ts'
import type { LoginObserver } from './observer.ts'
import { PenaltyPolicy } from './penalty.ts'
import { GuessRates } from './rate.ts'
import { Scopes, type GuessLimits } from './scope.ts'

export interface GuardingContext {
  /** CIDR texts of sources behind which others stand. */
  readonly sharedSources: readonly string[]
  readonly failureDelayMs: number
  readonly observers?: readonly LoginObserver[]
  readonly clock: Clock
}

export interface GuardingFigures {
  /** Mailboxes, networks and pairs at which guesses count. */
  readonly counters: number
  readonly knownPairs: number
}

export function openGuarding(config: PolicyConfig, context: GuardingContext) {
  const { clock, failureDelayMs, observers } = context
  const scopes = new Scopes(limitsOf(config), context.sharedSources)
  const rates = new GuessRates(config.counters)
  const known = new KnownPairMemory(config.known_pairs, () => clock.nowMs())
  const policy = new PenaltyPolicy({
    scopes,
    rates,
    known,
    clock,
    failureDelayMs,
    ...(observers === undefined ? {} : { observers }),
  })
  return {
    policy,
    scopes,
    rates,
    known,
    figures: (): GuardingFigures => ({ counters: rates.size, knownPairs: known.size }),
  }
}

export type Guarding = ReturnType<typeof openGuarding>

export function limitsOf(config: PolicyConfig): GuessLimits {
  return {
    pair: config.pair_guesses,
    address: config.address_guesses,
    v4: { 32: config.ipv4_32_guesses, 24: config.ipv4_24_guesses },
    v6: {
      64: config.ipv6_64_guesses,
      56: config.ipv6_56_guesses,
      48: config.ipv6_48_guesses,
      32: config.ipv6_32_guesses,
    },
  }
}
