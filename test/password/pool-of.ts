/** Pools and tickets for the tests of this folder. */
import type { Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createPasswordPool, type PasswordPool, type PasswordPoolOptions } from '../../src/password/pool.ts'
import type { Ticket } from '../../src/policy/ticket.ts'

/** A pool that is closed with the test; weak schemes allowed unless told otherwise. */
export function poolOf(t: Test, options: Partial<PasswordPoolOptions> = {}): PasswordPool {
  const pool = createPasswordPool({
    allowWeak: true,
    argon2MemoryMib: 512,
    workers: 2,
    clock: systemClock,
    ...options,
  })
  t.teardown(() => pool.close())
  return pool
}

/** A ticket of a known user without deadline, but for what is given. */
export function ticketOf(given: Partial<Ticket> = {}): Ticket {
  return { lane: 'known', share: 'network', delayMs: 0, deadlineMs: Infinity, ...given }
}
