/**
 * Compares a password with the hashes that may open a mailbox: memo first, then the pool. Concurrent attempts with
 * the same password on the same hash share one comparison.
 */
import type { Account } from '../account/account.ts'
import type { Ticket } from '../policy/ticket.ts'
import type { Secret } from '../secret.ts'
import { candidatesOf, type Candidate } from './candidates.ts'
import type { HashAnswer, HashVerifier } from './hash-verifier.ts'
import type { Memo } from './memo.ts'

export type Verification =
  | { readonly kind: 'match'; readonly candidate: Candidate }
  /** At least one hash was compared and none matched. */
  | { readonly kind: 'mismatch' }
  /** There is no hash to compare with. */
  | { readonly kind: 'nothing' }
  /** There are hashes, but none that can be compared. */
  | { readonly kind: 'unusable'; readonly reason: string }
  | { readonly kind: 'busy' }

export interface Verifier {
  verify(account: Account, secret: Secret, ticket: Ticket): Verification | Promise<Verification>
}

export class CredentialVerifier implements Verifier {
  readonly #memo: Memo
  readonly #pool: HashVerifier
  readonly #comparing = new Map<string, Promise<HashAnswer>>()

  constructor(memo: Memo, pool: HashVerifier) {
    this.#memo = memo
    this.#pool = pool
  }

  verify(account: Account, secret: Secret, ticket: Ticket): Verification | Promise<Verification> {
    const candidates = candidatesOf(account)
    if (candidates.length === 0) return { kind: 'nothing' }
    const mailbox = account.address.full
    for (const candidate of candidates) {
      const mac = this.#memo.rightMac(mailbox, candidate, secret)
      if (mac !== undefined && this.#memo.isRight(mac)) return { kind: 'match', candidate }
    }
    const wrongMac = this.#memo.wrongMac(mailbox, candidates, secret)
    if (wrongMac !== undefined && this.#memo.isWrong(wrongMac)) return { kind: 'mismatch' }
    return this.#compareAll(mailbox, candidates, secret, ticket, wrongMac)
  }

  async #compareAll(
    mailbox: string,
    candidates: readonly Candidate[],
    secret: Secret,
    ticket: Ticket,
    wrongMac: string | undefined,
  ): Promise<Verification> {
    let wasCompared = false
    let reason = ''
    for (const candidate of candidates) {
      // The client was answered by its deadline, and whoever did it wiped the bytes: zeros would be compared now, and
      // "wrong" remembered of a password that was never looked at.
      if (secret.isWiped) return { kind: 'busy' }
      const answer = await this.#compare(mailbox, candidate, secret, ticket)
      if (answer === 'match') return { kind: 'match', candidate }
      // What was not compared may have been the right one: nothing is said about the password then.
      if (answer === 'busy') return { kind: 'busy' }
      if (answer === 'mismatch') wasCompared = true
      else reason = answer.unusable
    }
    if (!wasCompared) return { kind: 'unusable', reason }
    if (wrongMac !== undefined) this.#memo.rememberWrong(wrongMac)
    return { kind: 'mismatch' }
  }

  async #compare(mailbox: string, candidate: Candidate, secret: Secret, ticket: Ticket): Promise<HashAnswer> {
    const mac = this.#memo.rightMac(mailbox, candidate, secret)
    if (mac === undefined) return this.#pool.verify(candidate.hash, secret, ticket)
    const comparing = this.#comparing.get(mac)
    if (comparing !== undefined) return comparing
    const answer = this.#pool.verify(candidate.hash, secret, ticket)
    if (!(answer instanceof Promise)) {
      if (answer === 'match') this.#memo.rememberRight(mac)
      return answer
    }
    const shared = answer.finally(() => this.#comparing.delete(mac))
    this.#comparing.set(mac, shared)
    const settled = await shared
    if (settled === 'match') this.#memo.rememberRight(mac)
    return settled
  }
}
