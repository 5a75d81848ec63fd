/** Makes a hash for storing: what `mailpassd hash make` prints, ready for the directory's attribute. */
import { randomBytes } from 'node:crypto'
import { MailpassdError } from '../errors.ts'
import { systemClock } from '../clock.ts'
import type { Secret } from '../secret.ts'
import { argon2, formatArgon2, type Argon2Parameters } from './argon2.ts'
import { loadNativeBcrypt } from './bcrypt.ts'
import { cryptSalt } from './crypt-text.ts'
import { digestOf, type DigestName } from './digest.ts'
import { MAX_PASSWORD_BYTES } from './limits.ts'
import { pbkdf2 } from './pbkdf2.ts'
import { CryptThreads } from './threads.ts'

type Make = (password: Buffer) => Promise<string>

const BCRYPT_COST = 10
const PBKDF2_ROUNDS = { sha1: 100_000, sha512: 100_000 } as const

/** Scheme -> how it is made. Weak schemes are not: there is no reason to begin with one. */
const MAKERS: Readonly<Record<string, Make>> = {
  'BLF-CRYPT': bcrypt,
  // Costs as Dovecot has them.
  ARGON2ID: (password) => argon2Text(password, 'argon2id', 65_536, 3),
  ARGON2I: (password) => argon2Text(password, 'argon2i', 32_768, 4),
  'SHA512-CRYPT': (password) => threadCrypt(password, `$6$${cryptSalt(randomBytes(16))}$`),
  'SHA256-CRYPT': (password) => threadCrypt(password, `$5$${cryptSalt(randomBytes(16))}$`),
  PBKDF2: async (password) => {
    const salt = cryptSalt(randomBytes(16))
    const rounds = PBKDF2_ROUNDS.sha1
    const key = await pbkdf2(password, { digest: 'sha1', rounds, salt: Buffer.from(salt) }, 20)
    return `$1$${salt}$${rounds}$${key.toString('hex')}`
  },
  'PBKDF2-SHA512': async (password) => {
    const salt = randomBytes(16)
    const rounds = PBKDF2_ROUNDS.sha512
    const key = await pbkdf2(password, { digest: 'sha512', rounds, salt }, 64)
    return `${rounds}$${salt.toString('base64')}$${key.toString('base64')}`
  },
  SSHA512: (password) => saltedText(password, 'sha512'),
  SSHA256: (password) => saltedText(password, 'sha256'),
  SSHA: (password) => saltedText(password, 'sha1'),
}

export const DEFAULT_SCHEME = 'BLF-CRYPT'

/** Names of the schemes that `makeHash` makes; the default first. */
export const MADE_SCHEMES: readonly string[] = Object.keys(MAKERS)

/**
 * A new `{SCHEME}hash` of `secret` with a random salt. Slow schemes run off the calling thread.
 *
 * @param scheme one of MADE_SCHEMES, in any case
 * @throws MailpassdError `usage` for another scheme; `input_invalid` for a password that is empty, longer than 1024
 *   bytes, or has a NUL, at which crypt(3) would end it
 */
export async function makeHash(scheme: string, secret: Secret): Promise<string> {
  const name = scheme.toUpperCase()
  const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined
  if (make === undefined) {
    throw new MailpassdError(
      'usage',
      `no hash of this scheme is made; choose one of ${MADE_SCHEMES.join(', ')}`,
    )
  }
  const password = secret.reveal()
  if (password.length === 0) throw new MailpassdError('input_invalid', 'the password is empty')
  if (password.length > MAX_PASSWORD_BYTES) {
    throw new MailpassdError('input_invalid', `the password is longer than ${MAX_PASSWORD_BYTES} bytes`)
  }
  if (password.includes(0)) throw new MailpassdError('input_invalid', 'the password has a NUL byte')
  return `{${name}}${await make(password)}`
}

async function bcrypt(password: Buffer): Promise<string> {
  const native = await loadNativeBcrypt()
  // `$2b$` and `$2y$` are the same; crypt_blowfish, PHP and Dovecot write `$2y$`.
  if (native !== null) return `$2y$${(await native.hash(password, BCRYPT_COST)).slice(4)}`
  const { genSaltSync } = await import('bcryptjs')
  // A whole hash is wanted as setting; its digest is not looked at.
  const setting = `$2y$${genSaltSync(BCRYPT_COST).slice(4)}`
  return threadCrypt(password, setting + '.'.repeat(31))
}

async function argon2Text(
  password: Buffer,
  kind: Argon2Parameters['kind'],
  memoryKib: number,
  passes: number,
): Promise<string> {
  const parameters: Argon2Parameters = { kind, memoryKib, passes, lanes: 1, salt: randomBytes(16) }
  return formatArgon2({ ...parameters, tag: await argon2(password, parameters, 32) })
}

async function threadCrypt(password: Buffer, setting: string): Promise<string> {
  const script = new URL('./worker.ts', import.meta.url)
  const threads = new CryptThreads({ clock: systemClock, idleMs: 1000, maxRunMs: 60_000, script })
  try {
    const text = await threads.crypt(setting, password)
    if (text === null) throw new MailpassdError('internal', 'the hash could not be made here')
    return text
  } finally {
    await threads.close()
  }
}

async function saltedText(password: Buffer, digest: DigestName): Promise<string> {
  const salt = randomBytes(8)
  return Buffer.concat([digestOf(digest, Buffer.concat([password, salt])), salt]).toString('base64')
}
