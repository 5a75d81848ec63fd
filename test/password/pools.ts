/** Pools and tickets for tests of the password room. */
import type { Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import type { HashAnswer } from '../../src/credential/hash-verifier.ts'
import { createPasswordPool, type PasswordPool, type PasswordPoolOptions } from '../../src/password/pool.ts'
import type { Ticket } from '../../src/policy/ticket.ts'
import { Secret } from '../../src/secret.ts'

export const PATIENT: Ticket = {
  lane: 'known',
  networks: ['test'],
  mailbox: '',
  delayMs: 0,
  deadlineMs: Infinity,
}

/** That ticket, but for what is given. */
export function ticketOf(given: Partial<Ticket> = {}): Ticket {
  return { ...PATIENT, ...given }
}

/** A pool that ends with its test; weak schemes allowed unless told otherwise. */
export function poolFor(t: Pick<Test, 'teardown'>, options: Partial<PasswordPoolOptions> = {}): PasswordPool {
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

/** The answer about a password given as text (UTF-8) or bytes. */
export async function ask(
  pool: PasswordPool,
  hash: string,
  password: string | Uint8Array,
  ticket = PATIENT,
): Promise<HashAnswer> {
  const secret = typeof password === 'string' ? Secret.fromText(password) : Secret.copyOf(password)
  return pool.verify(hash, secret, ticket)
}

/** All answers, those that came at once among them. */
export function all(answers: readonly (HashAnswer | Promise<HashAnswer>)[]): Promise<HashAnswer[]> {
  return Promise.all(answers.map(async (answer) => answer))
}
