/**
 * HalfSipHash-2-4 with 64 bits of output (J.-P. Aumasson, D. J. Bernstein: SipHash, reference implementation
 * halfsiphash.c): keyed, so that nobody can choose names that meet in a table, and made of 32-bit operations, which is
 * what JavaScript has. About 0.2 us for an address and a network.
 */

export class PairHash {
  readonly #k0: number
  readonly #k1: number
  /** Of the last call. */
  high = 0
  low = 0
  #mailbox = ''
  #network = ''
  #isUsed = false

  /** `key` is 8 bytes. */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, 8)
    this.#k0 = view.getInt32(0, true)
    this.#k1 = view.getInt32(4, true)
  }

  /** Hashes `mailbox`, a separator that no address has, and `network`, by UTF-16 code units; gives `high` and `low`. */
  ofPair(mailbox: string, network: string): void {
    // A login that is answered at once asks before and after for the same pair.
    if (this.#isUsed && this.#mailbox === mailbox && this.#network === network) return
    this.#isUsed = true
    this.#mailbox = mailbox
    this.#network = network
    let v0 = 0 ^ this.#k0
    let v1 = 0xee ^ this.#k1
    let v2 = 0x6c796765 ^ this.#k0
    let v3 = 0x74656462 ^ this.#k1
    const first = mailbox.length
    const length = first + 1 + network.length
    const words = (length + 2) >> 1
    for (let word = 0; word <= words; word += 1) {
      let m = 0
      let rounds = 2
      if (word < words) {
        const at = word * 2
        m =
          codeAt(mailbox, network, first, length, at) |
          (codeAt(mailbox, network, first, length, at + 1) << 16)
        v3 ^= m
      } else {
        v2 ^= 0xee
        rounds = 4
      }
      for (let round = 0; round < rounds; round += 1) {
        v0 = (v0 + v1) | 0
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
        v0 = (v0 << 16) | (v0 >>> 16)
        v2 = (v2 + v3) | 0
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
        v0 = (v0 + v3) | 0
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
        v2 = (v2 + v1) | 0
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
        v2 = (v2 << 16) | (v2 >>> 16)
      }
      v0 ^= m
    }
    this.low = (v1 ^ v3) >>> 0
    v1 ^= 0xdd
    for (let round = 0; round < 4; round += 1) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
    }
    this.high = (v1 ^ v3) >>> 0
  }
}

/** The message: the mailbox, a line feed, the network, its length at the end as padding. */
function codeAt(mailbox: string, network: string, first: number, length: number, at: number): number {
  if (at < first) return mailbox.charCodeAt(at)
  if (at === first) return 10
  return at < length ? network.charCodeAt(at - first - 1) : length & 0xffff
}
