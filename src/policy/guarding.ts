/**
 * The rooms of policy, wired: the penalty, its counters and the known pairs, from the section `policy`; with what keeps
 * them in step with other nodes.
 */
import type { Clock } from '../clock.ts'
import type { PolicyConfig } from '../config/schema.ts'
import type { LoginLogSource } from '../login-log/event.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createPenaltyDesk } from './desk.ts'
import { KnownPairMemory } from './known-pair-memory.ts'
import type { LoginObserver } from './observer.ts'
import { PairSharing, type KnownPairStore } from './pair-sharing.ts'
import { PenaltyPolicy } from './penalty.ts'
import { GuessRates } from './rate.ts'
import { Scopes, type GuessLimits } from './scope.ts'
import { GuessSharing, type SharedGuesses } from './sharing.ts'

export interface GuardingContext {
  /** CIDR texts of sources behind which others stand. */
  readonly sharedSources: readonly string[]
  readonly failureDelayMs: number
  readonly observers?: readonly LoginObserver[]
  /** Where nodes meet; absent: what is counted stays here, and goes with the process. */
  readonly shared?: SharedGuesses | undefined
  /** Absent: known pairs stay here. */
  readonly pairs?: { readonly store: KnownPairStore; readonly logins: LoginLogSource }
  readonly clock: Clock
  readonly logger: Logger
}

export interface GuardingFigures {
  /** Mailboxes, networks and pairs at which guesses count. */
  readonly counters: number
  readonly knownPairs: number
}

/** Nothing is read or written before `start`. */
export function openGuarding(config: PolicyConfig, context: GuardingContext) {
  const { clock, logger, failureDelayMs, observers, shared, pairs } = context
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
  const sharing = shared === undefined ? undefined : new GuessSharing({ rates, shared, clock, logger })
  const pairSharing = pairs === undefined ? undefined : new PairSharing({ known, ...pairs, clock, logger })
  return {
    policy,
    rates,
    known,
    desk: createPenaltyDesk({ rates, scopes, sharing, clock }),
    /**
     * Resolves when what counted before and the known pairs are there, or could not be read within `waitMs`: with the
     * counts alone, the owner of an attacked mailbox would be a stranger. What is late comes in the background. Never
     * rejects.
     */
    async start(waitMs: number): Promise<void> {
      const late = Promise.withResolvers<undefined>()
      const cancel = clock.after(waitMs, () => late.resolve(undefined))
      await Promise.race([Promise.all([sharing?.start(), pairSharing?.start()]), late.promise])
      cancel()
    },
    /** Writes what is left. Never rejects. */
    async close(): Promise<void> {
      await Promise.all([sharing?.close(), pairSharing?.close()])
    },
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
