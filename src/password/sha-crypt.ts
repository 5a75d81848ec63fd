/**
 * SHA256-CRYPT (`$5$`) and SHA512-CRYPT (`$6$`) after Ulrich Drepper's public-domain specification "Unix crypt
 * using SHA-256 and SHA-512"; the step numbers are his. Synchronous and slow: only worker threads call it.
 */
import { hash } from 'node:crypto'
import { cryptDigest } from './crypt-text.ts'
import { MAX_SHA_CRYPT_ROUNDS } from './limits.ts'
import { unusable, type Unusable } from './unusable.ts'

interface Variant {
  readonly digest: 'sha256' | 'sha512'
  readonly digestBytes: number
  readonly textLength: number
  /** Order in which step 22 writes the digest's bytes. */
  readonly order: readonly number[]
}

/** Step 22 walks three columns of the digest and rotates which of them comes first. */
function columns(rows: number, rotate: number): number[] {
  const order: number[] = []
  for (let row = 0; row < rows; row++) {
    const group = [row, row + rows, row + 2 * rows]
    const turn = (row * rotate) % 3
    order.push(...group.slice(turn), ...group.slice(0, turn))
  }
  return order
}

const SHA256: Variant = {
  digest: 'sha256',
  digestBytes: 32,
  textLength: 43,
  order: [...columns(10, 2), -1, 31, 30],
}
const SHA512: Variant = {
  digest: 'sha512',
  digestBytes: 64,
  textLength: 86,
  order: [...columns(21, 1), -1, -1, 63],
}

const DEFAULT_ROUNDS = 5000

export interface ShaCrypt {
  readonly kind: 'sha256-crypt' | 'sha512-crypt'
  readonly rounds: number
  readonly salt: string
  /** All before the digest, with its last `$`. */
  readonly setting: string
  /** The digest as text; empty in a setting. */
  readonly digest: string
}

const SHAPE = /^\$([56])\$(?:rounds=([1-9][0-9]{0,9})\$)?([!-#%-9;-~]{0,16})\$([./0-9A-Za-z]*)$/

/**
 * Parses a hash, or a setting (a hash without its digest). Salts over 16 bytes and rounds under 1000 are refused
 * because crypt(3) would cut or raise them and then never produce the stored text.
 */
export function parseShaCrypt(text: string): ShaCrypt | Unusable {
  const [, tag, roundsText, salt, digest] = SHAPE.exec(text) ?? []
  if (tag === undefined || salt === undefined || digest === undefined)
    return unusable('malformed SHA-CRYPT hash')
  const variant = tag === '5' ? SHA256 : SHA512
  if (digest !== '' && digest.length !== variant.textLength) return unusable('malformed SHA-CRYPT hash')
  const rounds = roundsText === undefined ? DEFAULT_ROUNDS : Number(roundsText)
  if (rounds < 1000) return unusable('SHA-CRYPT rounds under 1000')
  if (rounds > MAX_SHA_CRYPT_ROUNDS) return unusable('SHA-CRYPT rounds over 1000000')
  return {
    kind: tag === '5' ? 'sha256-crypt' : 'sha512-crypt',
    rounds,
    salt,
    setting: text.slice(0, text.length - digest.length),
    digest,
  }
}

/** `bytes` repeated and cut to `length`: steps 15 and 19 make P and S of a digest in this way. */
function stretched(bytes: Uint8Array, length: number): Buffer {
  const out = Buffer.alloc(length)
  for (let at = 0; at < length; at += bytes.length) out.set(bytes.subarray(0, length - at), at)
  return out
}

/** The hash text of `password` under the parsed setting. Takes 1.5 to 6 us a round. */
export function shaCrypt(password: Uint8Array, { kind, rounds, salt: saltText, setting }: ShaCrypt): string {
  const { digest: name, digestBytes, order } = kind === 'sha256-crypt' ? SHA256 : SHA512
  const digest = (bytes: Uint8Array): Buffer => hash(name, bytes, 'buffer')
  const salt = Buffer.from(saltText, 'latin1')

  const b = digest(Buffer.concat([password, salt, password])) // steps 4-8
  const parts = [password, salt, stretched(b, password.length)] // steps 1-3, 9, 10
  for (let bits = password.length; bits > 0; bits >>>= 1) parts.push(bits & 1 ? b : password) // step 11
  let a = digest(Buffer.concat(parts))

  const dp = digest(Buffer.concat(Array.from({ length: password.length }, () => password))) // steps 13, 14
  const p = stretched(dp, password.length)
  const ds = digest(Buffer.concat(Array.from({ length: 16 + (a[0] ?? 0) }, () => salt))) // steps 17, 18
  const s = stretched(ds, salt.length)

  // Step 21, with one buffer for the longest round's input. Digests travel as Latin-1 text (`binary`): making a Buffer of each
  // takes twice as long as hashing.
  const input = Buffer.alloc(digestBytes + 2 * p.length + s.length)
  let text = a.toString('latin1')
  for (let round = 0; round < rounds; round++) {
    let end = 0
    const isOdd = (round & 1) === 1
    if (isOdd) end += p.copy(input, end)
    else end += input.write(text, end, 'latin1')
    if (round % 3 !== 0) end += s.copy(input, end)
    if (round % 7 !== 0) end += p.copy(input, end)
    if (isOdd) end += input.write(text, end, 'latin1')
    else end += p.copy(input, end)
    text = hash(name, input.subarray(0, end), 'binary')
  }
  a = Buffer.from(text, 'latin1')
  for (const secret of [input, p, dp, b, ...parts.filter((part) => part !== password)]) secret.fill(0)
  return setting + cryptDigest(a, order)
}
