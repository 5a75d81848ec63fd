/**
 * The memo makes a repeated password cheap (design §3). It never holds a password, only keyed MACs under a key that
 * lives as long as the process:
 * - right: over mailbox, credential id, stored hash and password; a changed hash kills it by itself;
 * - wrong: over mailbox, all hashes that were compared and password; forgotten after 30 s.
 */
import { hash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import { wipe, type Secret } from '../secret.ts'
import { IN_USE, type Candidate } from './candidates.ts'

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
  /** What of a MAC is the same for every login with the credential; for those in use, as each takes 0.6 kB. */
  readonly #rightFields = new LRUCache<Candidate, { mailbox: string; encoded: Buffer | undefined }>({
    max: IN_USE,
  })

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
    let fields = this.#rightFields.get(candidate)
    if (fields?.mailbox !== mailbox) {
      fields = { mailbox, encoded: encode(['right', mailbox, candidate.id, candidate.hash]) }
      this.#rightFields.set(candidate, fields)
    }
    return this.#mac(fields.encoded, secret)
  }

  /** The MAC under which "none of these" is remembered; undefined where it would not fit (many app passwords). */
  wrongMac(mailbox: string, candidates: readonly Candidate[], secret: Secret): string | undefined {
    const fields = ['wrong', mailbox]
    for (const candidate of candidates) fields.push(candidate.id, candidate.hash)
    return this.#mac(encode(fields), secret)
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
   * SHA-256 over key, length-prefixed fields and key again (an envelope: no length extension), at half the cost of an
   * HMAC object. Fields go in as latin1 with their length in bytes; a character above U+00FF would lose bits, so such
   * fields (none of the schemes has them) are not remembered.
   */
  #mac(fields: Buffer | undefined, secret: Secret): string | undefined {
    if (fields === undefined) return undefined
    const scratch = this.#scratch
    const from = KEY_BYTES + fields.length
    const to = from + secret.byteLength
    if (to + KEY_BYTES > SCRATCH_BYTES) return undefined
    scratch.set(fields, KEY_BYTES)
    scratch.set(secret.reveal(), from)
    scratch.copyWithin(to, 0, KEY_BYTES)
    const mac = hash('sha256', scratch.subarray(0, to + KEY_BYTES), 'binary')
    wipe(scratch, from, to)
    return mac
  }
}

const WIDE = /[^\u0000-\u00ff]/

function encode(fields: readonly string[]): Buffer | undefined {
  const bytes = fields.reduce((sum, field) => sum + 4 + field.length, 0)
  if (bytes > SCRATCH_BYTES || fields.some((field) => WIDE.test(field))) return undefined
  const encoded = Buffer.allocUnsafeSlow(bytes)
  let at = 0
  for (const field of fields) {
    at = encoded.writeUInt32LE(field.length, at)
    at += encoded.write(field, at, 'latin1')
  }
  return encoded
}
