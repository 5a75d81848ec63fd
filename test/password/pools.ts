/** Pools and tickets for tests of the password room. */
import type { Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import type { NativeBcrypt } from '../../src/password/bcrypt.ts'
import type { HashAnswer } from '../../src/credential/hash-verifier.ts'
import { createPasswordPool, type PasswordPool, type PasswordPoolOptions } from '../../src/password/pool.ts'
import type { Ticket } from '../../src/policy/ticket.ts'
import { Secret } from '../../src/secret.ts'
import { settle } from '../fakes/clock.ts'

export const PATIENT: Ticket = {
  lane: 'known',
  networks: ['test'],
  mailbox: 'test@example.org',
  delayMs: 0,
  deadlineMs: Infinity,
}

let mailboxes = 0

/** That ticket, but for what is given; for a mailbox of its own, unless one is given. */
export function ticketOf(given: Partial<Ticket> = {}): Ticket {
  mailboxes += 1
  return { ...PATIENT, mailbox: `user${mailboxes}@example.org`, ...given }
}

/** bcrypt of which the test decides when a comparison ends; all match. */
export class HeldBcrypt implements NativeBcrypt {
  /** Passwords in the order in which their comparisons started. */
  readonly started: string[] = []
  readonly buffers: Uint8Array[] = []
  readonly #ends: (() => void)[] = []

  verify(password: Uint8Array): Promise<boolean> {
    this.started.push(Buffer.from(password).toString())
    this.buffers.push(password)
    return new Promise((resolve) => this.#ends.push(() => resolve(true)))
  }

  hash(): Promise<string> {
    return Promise.reject(new Error('not used'))
  }

  /** Ends the oldest comparison. */
  async endOne(): Promise<void> {
    this.#ends.shift()?.()
    await settle()
  }
}

/** A pool that ends with its test; weak schemes allowed unless told otherwise. */
export function poolFor(t: Pick<Test, 'teardown'>, options: Partial<PasswordPoolOptions> = {}): PasswordPool {
  const pool = createPasswordPool({
    allowWeak: true,
    argon2MemoryMib: 512,
    workers: 2,
    threadpool: 64,
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
  ticket = ticketOf(),
): Promise<HashAnswer> {
  const secret = typeof password === 'string' ? Secret.fromText(password) : Secret.copyOf(password)
  return pool.verify(hash, secret, ticket)
}

/** All answers, those that came at once among them. */
export function all(answers: readonly (HashAnswer | Promise<HashAnswer>)[]): Promise<HashAnswer[]> {
  return Promise.all(answers.map(async (answer) => answer))
}
