/** ARGON2I and ARGON2ID (RFC 9106) in the PHC text that libsodium (Dovecot) and PHP write. */
import { argon2 as derive } from 'node:crypto'
import { equalBytes } from './equal.ts'
import { MAX_ARGON2_LANES, MAX_ARGON2_MEMORY_KIB, MAX_ARGON2_PASSES, MIN_KEY_BYTES } from './limits.ts'
import { unusable, type Unusable } from './unusable.ts'

export interface Argon2Parameters {
  readonly kind: 'argon2i' | 'argon2id'
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
  readonly salt: Buffer
}

export interface Argon2 extends Argon2Parameters {
  readonly tag: Buffer
}

const SHAPE =
  /^\$(argon2i|argon2id)\$v=19\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,7})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{6,86})$/

/** Parses a hash of version 1.3 (`v=19`); argon2d and version 1.0 are written by neither PHP nor Dovecot. */
export function parseArgon2(text: string): Argon2 | Unusable {
  const [, kind, memory, passes, lanes, salt, tag] = SHAPE.exec(text) ?? []
  if (salt === undefined || tag === undefined) return unusable('malformed ARGON2 hash')
  const parsed: Argon2 = {
    kind: kind === 'argon2i' ? 'argon2i' : 'argon2id',
    memoryKib: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  }
  if (parsed.memoryKib > MAX_ARGON2_MEMORY_KIB) return unusable('ARGON2 memory over 256 MiB')
  if (parsed.passes > MAX_ARGON2_PASSES) return unusable('ARGON2 passes over 10')
  if (parsed.lanes > MAX_ARGON2_LANES) return unusable('ARGON2 lanes over 8')
  // RFC 9106 §3.1: at least 8 KiB for each lane.
  if (parsed.memoryKib < 8 * parsed.lanes) return unusable('ARGON2 memory under 8 KiB a lane')
  if (parsed.tag.length < MIN_KEY_BYTES) return unusable('ARGON2 tag of a wrong length')
  return parsed
}

/** The tag, computed on a thread of libuv; takes `memoryKib` of memory meanwhile. */
export function argon2(
  password: Uint8Array,
  parameters: Argon2Parameters,
  tagBytes: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    derive(
      parameters.kind,
      {
        message: password,
        nonce: parameters.salt,
        memory: parameters.memoryKib,
        passes: parameters.passes,
        parallelism: parameters.lanes,
        tagLength: tagBytes,
      },
      (error, tag) => (error ? reject(error) : resolve(tag)),
    )
  })
}

export async function verifyArgon2(password: Uint8Array, stored: Argon2): Promise<boolean> {
  return equalBytes(await argon2(password, stored, stored.tag.length), stored.tag)
}

/** The PHC text of a tag; base64 without padding. */
export function formatArgon2({ kind, memoryKib, passes, lanes, salt, tag }: Argon2): string {
  const text = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')
  return `$${kind}$v=19$m=${memoryKib},t=${passes},p=${lanes}$${text(salt)}$${text(tag)}`
}
