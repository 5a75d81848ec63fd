/**
 * Compares a password with the hashes that may open a mailbox: memo first, then the pool. Concurrent attempts with
 * the same password on the same hash share one comparison.
 */
import type { Account } from '../account/account.ts'
import type { Ticket } from '../policy/ticket.ts'
import type { Secret } from '../secret.ts'
import { readAppPassword } from './app-password.ts'
import { candidatesFor, type Candidate, type Candidates } from './candidates.ts'
import type { HashAnswer, HashVerifier } from './hash-verifier.ts'
import type { Memo } from './memo.ts'

export type Verification =
  | { readonly kind: 'match'; readonly candidate: Candidate }
  /**
   * Every hash that may be of this password was compared and none matched. `tagged`: the app password that its tag
   * names, which it was meant to be: no guess at the main password.
   */
  | { readonly kind: 'mismatch'; readonly tagged: string | undefined }
  /** None of those that were compared; there are app passwords that were not, because there are too many. */
  | { readonly kind: 'too_many' }
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
    const own = readAppPassword(secret)
    const candidates = candidatesFor(account, own?.tag)
    const { tagged } = candidates
    if (own === undefined || tagged === undefined) {
      own?.secret.wipe()
      return this.#verify(account, candidates, undefined, secret, ticket)
    }
    const verifying = this.#verify(
      account,
      candidates,
      { candidate: tagged, secret: own.secret },
      secret,
      ticket,
    )
    if (verifying instanceof Promise) return verifying.finally(() => own.secret.wipe())
    own.secret.wipe()
    return verifying
  }

  #verify(
    account: Account,
    candidates: Candidates,
    tagged: Pair | undefined,
    presented: Secret,
    ticket: Ticket,
  ): Verification | Promise<Verification> {
    const mailbox = account.address.full
    if (tagged !== undefined && this.#isRemembered(mailbox, tagged.candidate, tagged.secret))
      return { kind: 'match', candidate: tagged.candidate }
    for (const candidate of candidates.others)
      if (this.#isRemembered(mailbox, candidate, presented)) return { kind: 'match', candidate }

    const others = candidates.others.map((candidate): Pair => ({ candidate, secret: presented }))
    const compared = tagged === undefined ? others : [tagged, ...others]
    if (compared.length === 0) return candidates.excluded ? noneOf(candidates) : { kind: 'nothing' }
    const hashes = compared.map(({ candidate }) => candidate)
    const wrongMac = this.#memo.wrongMac(mailbox, hashes, presented)
    if (wrongMac !== undefined && this.#memo.isWrong(wrongMac)) return noneOf(candidates)
    return this.#compareAll(mailbox, candidates, compared, { presented, ticket, wrongMac })
  }

  #isRemembered(mailbox: string, candidate: Candidate, secret: Secret): boolean {
    const mac = this.#memo.rightMac(mailbox, candidate, secret)
    return mac !== undefined && this.#memo.isRight(mac)
  }

  async #compareAll(
    mailbox: string,
    candidates: Candidates,
    compared: readonly Pair[],
    attempt: { readonly presented: Secret; readonly ticket: Ticket; readonly wrongMac: string | undefined },
  ): Promise<Verification> {
    const { presented, ticket, wrongMac } = attempt
    let wasCompared = candidates.excluded
    let reason = ''
    for (const { candidate, secret } of compared) {
      // The client was answered by its deadline, and whoever did it wiped the bytes: zeros would be compared now, and
      // "wrong" remembered of a password that was never looked at.
      if (presented.isWiped) return { kind: 'busy' }
      const answer = await this.#compare(mailbox, candidate, secret, ticket)
      if (answer === 'match') return { kind: 'match', candidate }
      // What was not compared may have been the right one: nothing is said about the password then.
      if (answer === 'busy') return { kind: 'busy' }
      if (answer === 'mismatch') wasCompared = true
      else reason = answer.unusable
    }
    if (!wasCompared && candidates.leftOut === 0) return { kind: 'unusable', reason }
    if (wrongMac !== undefined) this.#memo.rememberWrong(wrongMac)
    return noneOf(candidates)
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

/** A stored hash and what is compared with it: the password as it came, or its canonical form. */
interface Pair {
  readonly candidate: Candidate
  readonly secret: Secret
}

/** What it comes to when all that is compared was compared, and none matched. */
export function noneOf({ tagged, leftOut }: Candidates): Verification {
  return leftOut > 0 ? { kind: 'too_many' } : { kind: 'mismatch', tagged: tagged?.id }
}
