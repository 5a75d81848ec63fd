/** MD4 (RFC 1320), for PLAIN-MD4 alone: OpenSSL 3 has it only in a provider that Node does not load. */

const left = (value: number, by: number): number => (value << by) | (value >>> (32 - by))

/** A round of RFC 1320 §3.4: its function, additive constant, order of message words, and four shifts. */
interface Round {
  readonly mix: (x: number, y: number, z: number) => number
  readonly constant: number
  readonly words: readonly number[]
  readonly shifts: readonly number[]
}

const ROUNDS: readonly Round[] = [
  {
    mix: (x, y, z) => (x & y) | (~x & z),
    constant: 0,
    words: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
  },
  {
    mix: (x, y, z) => (x & y) | (x & z) | (y & z),
    constant: 0x5a827999,
    words: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
  },
  {
    mix: (x, y, z) => x ^ y ^ z,
    constant: 0x6ed9eba1,
    words: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
  },
]

/** The 16 bytes of the MD4 digest of `message`. */
export function md4(message: Uint8Array): Buffer {
  const padded = Buffer.alloc((((message.length + 8) >>> 6) + 1) * 64)
  padded.set(message)
  padded[message.length] = 0x80
  padded.writeUInt32LE((message.length << 3) >>> 0, padded.length - 8)
  padded.writeUInt32LE(message.length >>> 29, padded.length - 4)

  let state: [number, number, number, number] = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476]
  for (let block = 0; block < padded.length; block += 64) {
    let [a, b, c, d] = state
    for (const { mix, constant, words, shifts } of ROUNDS) {
      words.forEach((word, step) => {
        const sum = (a + mix(b, c, d) + padded.readInt32LE(block + word * 4) + constant) | 0
        ;[a, b, c, d] = [d, left(sum, shifts[step % 4] ?? 0), b, c]
      })
    }
    state = [(state[0] + a) | 0, (state[1] + b) | 0, (state[2] + c) | 0, (state[3] + d) | 0]
  }
  padded.fill(0)
  const digest = Buffer.alloc(16)
  state.forEach((word, index) => digest.writeInt32LE(word, index * 4))
  return digest
}
