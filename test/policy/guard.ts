/** A penalty policy with a clock that a test moves, before mailboxes of which each has one right password. */
import { Value } from 'typebox/value'
import { Config, type PolicyConfig } from '../../src/config/schema.ts'
import { refusal } from '../../src/login/decide.ts'
import type { Outcome } from '../../src/login/outcome.ts'
import type { LoginRequest } from '../../src/login/request.ts'
import type { Why } from '../../src/login/why.ts'
import { openGuarding, type GuardingContext } from '../../src/policy/guarding.ts'
import type { Ticket } from '../../src/policy/ticket.ts'
import { Secret } from '../../src/secret.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeClock } from '../fakes/clock.ts'

export const JANE = 'jane@example.org'

/** The section as an empty file has it. */
export function policyConfig(change: Partial<PolicyConfig> = {}): PolicyConfig {
  const { policy } = Value.Parse(Config, Value.Default(Config, {}))
  return { ...policy, ...change }
}

export function requestOf(
  clock: FakeClock,
  change: Partial<LoginRequest> & { password?: string },
): LoginRequest {
  const { password = 'right', ...more } = change
  return {
    door: 'sasl',
    mechanism: 'PLAIN',
    service: 'imap',
    username: JANE,
    secret: Secret.fromText(password),
    remoteIp: '192.0.2.1',
    localIp: undefined,
    tls: true,
    sessionId: undefined,
    receivedAtMs: clock.monotonicMs(),
    deadlineMs: clock.monotonicMs() + 8000,
    ...more,
  }
}

export function success(mailbox: string): Outcome {
  return { ...refusal('internal', undefined), verdict: 'ok', why: 'verified', mailbox, credential: 'main' }
}

export interface Tried {
  readonly kind: 'throttled' | 'ok' | 'refused'
  readonly ticket?: Ticket
  readonly retryAfterSeconds?: number
}

/** `compared` counts what got as far as a hash. */
export function guard(change: Partial<PolicyConfig> = {}, context: Partial<GuardingContext> = {}) {
  const clock = new FakeClock()
  const config = policyConfig(change)
  const guarding = openGuarding(config, {
    sharedSources: config.shared_sources,
    failureDelayMs: 2000,
    clock,
    logger: silentLogger,
    ...context,
  })
  const { policy } = guarding
  const state = { compared: 0 }

  /** Admitted, not answered yet. */
  function begin(wish: Partial<LoginRequest> & { password?: string }) {
    const request = requestOf(clock, wish)
    const admission = policy.admit(request, request.username)
    if (admission.kind === 'ticket') state.compared += 1
    return {
      admission,
      end: (outcome: Outcome) => {
        policy.observe(request, outcome)
        request.secret.wipe()
      },
    }
  }

  /** One attempt from beginning to end; `why` is what a password other than `right` comes to. */
  function attempt(
    wish: Partial<LoginRequest> & { password?: string },
    why: Why = 'hash_differs',
    password = wish.password ?? 'right',
  ): Tried {
    const { admission, end } = begin(wish)
    if (admission.kind === 'throttled') {
      end(refusal('too_many_guesses', undefined))
      return { kind: 'throttled', retryAfterSeconds: admission.retryAfterSeconds }
    }
    const { ticket } = admission
    const isRight = password === 'right'
    end(isRight ? success(ticket.mailbox) : refusal(why, undefined))
    return { kind: isRight ? 'ok' : 'refused', ticket }
  }

  return { ...guarding, clock, state, begin, attempt }
}
