/**
 * The memo makes a repeated password cheap (design §3). It never holds a password, only keyed MACs under a key that
 * lives as long as the process:
 * - right: over mailbox, credential id, stored hash and password; a changed hash kills it by itself;
 * - wrong: over mailbox, all hashes that were compared and password; forgotten after 30 s.
 */
import { hash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import type { Secret } from '../secret.ts'
import type { Candidate } from './candidates.ts'

/** The wrong memo's life: a password set meanwhile counts at most this much later. */
export const WRONG_MEMO_MS = 30_000

/** Room for key, a mailbox name, an id, five hashes of 1 KiB, lengths, and a password of 1 KiB. */
const SCRATCH_BYTES = 16_384
const KEY_BYTES = 32

export class Memo {
  readonly #clock: Clock
  /** Key first, then the message of the call at hand; the message is overwritten after each call. */
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  readonly #right: LRUCache<string, true>
  readonly #wrongAtMs: LRUCache<string, number>

  constructor(maxEntries: number, clock: Clock) {
    this.#clock = clock
    randomBytes(KEY_BYTES).copy(this.#scratch)
    this.#right = new LRUCache({ max: maxEntries })
    this.#wrongAtMs = new LRUCache({ max: Math.max(1000, Math.floor(maxEntries / 4)) })
  }

  /** Right passwords remembered. */
  get size(): number {
    return this.#right.size
  }

  /** The MAC under which a match of this credential is remembered; undefined where it would not fit. */
  rightMac(mailbox: string, candidate: Candidate, secret: Secret): string | undefined {
    return this.#mac(['right', mailbox, candidate.id, candidate.hash], secret)
  }

  /** The MAC under which "none of these" is remembered; undefined where it would not fit (many app passwords). */
  wrongMac(mailbox: string, candidates: readonly Candidate[], secret: Secret): string | undefined {
    const fields = ['wrong', mailbox]
    for (const candidate of candidates) fields.push(candidate.id, candidate.hash)
    return this.#mac(fields, secret)
  }

  isRight(mac: string): boolean {
    return this.#right.get(mac) === true
  }

  isWrong(mac: string): boolean {
    const atMs = this.#wrongAtMs.get(mac)
    return atMs !== undefined && this.#clock.monotonicMs() - atMs <= WRONG_MEMO_MS
  }

  rememberRight(mac: string): void {
    this.#right.set(mac, true)
  }

  rememberWrong(mac: string): void {
    this.#wrongAtMs.set(mac, this.#clock.monotonicMs())
  }

  /**
   * SHA-512/256 over key and length-prefixed fields: truncation keeps the state back, so key-first is a MAC here (no
   * length extension), at half the cost of an HMAC object. Fields go in as latin1 with their length in bytes; a
   * character above U+00FF would lose bits, so such fields (none of the schemes has them) are not remembered.
   */
  #mac(fields: readonly string[], secret: Secret): string | undefined {
    const scratch = this.#scratch
    let at = KEY_BYTES
    for (const field of fields) {
      if (at + 4 + field.length > SCRATCH_BYTES || WIDE.test(field)) return undefined
      at = scratch.writeUInt32LE(field.length, at)
      at += scratch.write(field, at, 'latin1')
    }
    if (at + secret.byteLength > SCRATCH_BYTES) return undefined
    scratch.set(secret.reveal(), at)
    const end = at + secret.byteLength
    const mac = hash('sha512-256', scratch.subarray(0, end), 'base64')
    scratch.fill(0, at, end)
    return mac
  }
}

const WIDE = /[^\u0000-\u00ff]/
