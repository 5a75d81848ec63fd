/**
 * Tells guesses apart without keeping them: 48 bits of a MAC under a key that lives as long as the process. It is kept
 * for about an hour, in memory alone; what is shared with other nodes and the disk are numbers of guesses.
 */
import { hash, randomBytes } from 'node:crypto'
import type { Secret } from '../secret.ts'

const KEY_BYTES = 32
/** Key, length, an address of 254 characters as UTF-8, a password of 1 KiB. */
const SCRATCH_BYTES = 4096
const MAC_BYTES = 6

export class KeyedMac {
  /** Key first, then the message at hand, which is overwritten after each call. */
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

  constructor(key: Buffer = randomBytes(KEY_BYTES)) {
    key.copy(this.#scratch, 0, 0, KEY_BYTES)
  }

  /** Of one password at one mailbox. SHA-512/256 keeps its state back: key first is a MAC (credential/memo.ts). */
  ofGuess(mailbox: string, secret: Secret): number {
    return this.#mac(mailbox, secret)
  }

  /** Of a name, whatever password came with it. */
  ofName(name: string): number {
    return this.#mac(name, undefined)
  }

  #mac(name: string, secret: Secret | undefined): number {
    const scratch = this.#scratch
    // A name is at most 1 KiB; in UTF-8 it may be longer, and is cut then: two such are one.
    const length = scratch.write(name, KEY_BYTES + 3, 2 * 1024, 'utf8')
    scratch.writeUInt16LE(length, KEY_BYTES)
    scratch[KEY_BYTES + 2] = secret === undefined ? 0 : 1
    const start = KEY_BYTES + 3 + length
    const password = secret?.reveal()
    const taken = Math.min(password?.length ?? 0, SCRATCH_BYTES - start)
    password?.copy(scratch, start, 0, taken)
    const mac = hash('sha512-256', scratch.subarray(0, start + taken), 'buffer').readUIntLE(0, MAC_BYTES)
    scratch.fill(0, KEY_BYTES, start + taken)
    return mac
  }
}
