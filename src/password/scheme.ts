/**
 * The schemes of `{SCHEME}hash`: their names, and how the text behind the name is to be read. Names and encodings
 * are Dovecot's; the set is mailcow's.
 */
import type { DigestName } from './digest.ts'
import { unusable, type Unusable } from './unusable.ts'

/**
 * How a stored value is made of a password. `crypt` covers all that describe themselves by their beginning (`$6$…`):
 * as with mailcow the tag in braces does not matter there, so `{BLF-CRYPT}$6$…` is SHA512-CRYPT.
 */
export type Method =
  | { readonly family: 'crypt' | 'pbkdf2-dovecot' | 'pbkdf2-ldap' | 'plain' | 'plain-trunc' }
  | { readonly family: 'unsalted' | 'salted'; readonly digest: DigestName }

/** `digest`: hex or base64, whichever the length says; the others are fixed. A suffix (`.HEX`) overrules all. */
export type Encoding = 'none' | 'hex' | 'base64' | 'digest'

export interface Scheme {
  readonly name: string
  /** Other names of the same. */
  readonly aliases: readonly string[]
  readonly method: Method
  /** Slow ones run off the calling thread. */
  readonly speed: 'slow' | 'fast'
  /** Unsalted, DES, MD5 or plain text. For the crypt family it is the hash that decides, not the
   * name, and `$2x$` is one more. */
  readonly weak: boolean
  /** Encoding where the name has no suffix. */
  readonly encoding: Encoding
}

function crypt(name: string, weak: boolean, ...aliases: string[]): Scheme {
  return { name, aliases, method: { family: 'crypt' }, speed: 'slow', weak, encoding: 'none' }
}

function pbkdf2(name: string, family: 'pbkdf2-dovecot' | 'pbkdf2-ldap'): Scheme {
  return { name, aliases: [], method: { family }, speed: 'slow', weak: false, encoding: 'none' }
}

function plain(name: string, family: 'plain' | 'plain-trunc', ...aliases: string[]): Scheme {
  return { name, aliases, method: { family }, speed: 'fast', weak: true, encoding: 'none' }
}

function unsalted(name: string, digest: DigestName, ...aliases: string[]): Scheme {
  const method = { family: 'unsalted', digest } as const
  return { name, aliases, method, speed: 'fast', weak: true, encoding: 'digest' }
}

function salted(name: string, digest: DigestName, weak: boolean): Scheme {
  return { name, aliases: [], method: { family: 'salted', digest }, speed: 'fast', weak, encoding: 'base64' }
}

export const SCHEMES: readonly Scheme[] = [
  crypt('BLF-CRYPT', false),
  crypt('ARGON2ID', false),
  crypt('ARGON2I', false),
  crypt('SHA512-CRYPT', false),
  crypt('SHA256-CRYPT', false),
  crypt('CRYPT', false),
  crypt('MD5-CRYPT', true, 'MD5'),
  crypt('DES-CRYPT', true),
  pbkdf2('PBKDF2', 'pbkdf2-dovecot'),
  pbkdf2('PBKDF2-SHA512', 'pbkdf2-ldap'),
  salted('SSHA512', 'sha512', false),
  salted('SSHA256', 'sha256', false),
  salted('SSHA', 'sha1', false),
  salted('SMD5', 'md5', true),
  unsalted('SHA512', 'sha512'),
  unsalted('SHA256', 'sha256'),
  unsalted('SHA1', 'sha1', 'SHA'),
  unsalted('LDAP-MD5', 'md5'),
  unsalted('PLAIN-MD5', 'md5'),
  unsalted('PLAIN-MD4', 'md4'),
  plain('PLAIN-TRUNC', 'plain-trunc'),
  plain('PLAIN', 'plain', 'CLEAR', 'CLEARTEXT'),
]

const BY_NAME = new Map(
  SCHEMES.flatMap((scheme) => [scheme.name, ...scheme.aliases].map((name) => [name, scheme])),
)

/** The scheme of a name or alias, in any case; without suffix. */
export function lookupScheme(name: string): Scheme | undefined {
  return BY_NAME.get(name.toUpperCase())
}

const SUFFIXES = new Map<string, 'hex' | 'base64'>([
  ['HEX', 'hex'],
  ['B64', 'base64'],
  ['BASE64', 'base64'],
])

export interface StoredHash {
  readonly scheme: Scheme
  /** What stands behind the scheme, still encoded; not empty. */
  readonly text: string
  readonly encoding: Encoding
}

// The name ends at the first `}`: a plain password may have more of them.
const SHAPE = /^\{([A-Za-z0-9-]{1,32})(?:\.([A-Za-z0-9]{1,8}))?\}/

/** Parses `{SCHEME}hash` or `{SCHEME.ENCODING}hash`; says nothing yet of the hash itself. */
export function parseStoredHash(hash: string): StoredHash | Unusable {
  const [head, name, suffix] = SHAPE.exec(hash) ?? []
  if (head === undefined || name === undefined) return unusable('no scheme')
  const scheme = lookupScheme(name)
  if (scheme === undefined) return unusable('unknown scheme')
  const encoding = suffix === undefined ? scheme.encoding : SUFFIXES.get(suffix.toUpperCase())
  if (encoding === undefined) return unusable('unknown encoding')
  const text = hash.slice(head.length)
  return text === '' ? unusable('empty hash') : { scheme, text, encoding }
}

const HEX = /^(?:[0-9A-Fa-f]{2})+$/
// Padding may be absent, as PHP allows (Dovecot does not).
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?|[A-Za-z0-9+/]{4})$/

/** The bytes of `text`; `digestBytes` tells hex from base64 by the length where that is how to tell. */
export function decodeStored({ text, encoding }: StoredHash, digestBytes: number): Buffer | Unusable {
  const isHex = encoding === 'hex' || (encoding === 'digest' && text.length === 2 * digestBytes)
  if (encoding === 'none') return Buffer.from(text, 'utf8')
  if (isHex) return HEX.test(text) ? Buffer.from(text, 'hex') : unusable('malformed hex')
  return BASE64.test(text) ? Buffer.from(text, 'base64') : unusable('malformed base64')
}
