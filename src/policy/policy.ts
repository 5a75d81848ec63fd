/**
 * What may be tried at all, and how it is queued: the port that decide, login and explain ask. penalty.ts implements it;
 * `openPolicy` grants every request a place in the queue of its network until its deadline.
 */
import type { LoginRequest } from '../login/request.ts'
import type { Outcome } from '../login/outcome.ts'
import { networksOf } from './network.ts'
import type { Ticket } from './ticket.ts'

export type Admission =
  | { readonly kind: 'ticket'; readonly ticket: Ticket }
  | { readonly kind: 'throttled'; readonly retryAfterSeconds: number }

export interface Policy {
  /** `mailbox` is the canonical address that the request names. What is admitted must be observed, whatever comes of it. */
  admit(request: LoginRequest, mailbox: string): Admission
  observe(request: LoginRequest, outcome: Outcome): void
  /** What admit would say now; takes nothing from any budget. For explain. */
  foresee(request: Pick<LoginRequest, 'username' | 'service' | 'door' | 'remoteIp'>): Foreseen
}

/** `retryAfterSeconds` is absent where the request would be admitted. */
export interface Foreseen {
  readonly retryAfterSeconds: number | undefined
  /** What network or account are charged with, in words. */
  readonly penalties: readonly string[]
}

const NOTHING_FORESEEN: Foreseen = Object.freeze({
  retryAfterSeconds: undefined,
  penalties: Object.freeze([]),
})

export const openPolicy: Policy = {
  admit(request, mailbox) {
    const ticket: Ticket = {
      lane: 'known',
      networks: networksOf(request.remoteIp),
      mailbox,
      delayMs: 0,
      deadlineMs: request.deadlineMs,
    }
    return { kind: 'ticket', ticket }
  },
  observe() {},
  foresee: () => NOTHING_FORESEEN,
}
