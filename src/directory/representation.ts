/**
 * Keycloak's UserRepresentation, as the admin API and realm exports both spell it, turned into a DirectoryUser.
 * Strict on every field that decides a login, silent about the rest: Keycloak adds fields with each version.
 */
import { domainToASCII, domainToUnicode } from 'node:url'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Lookup, PageEntry } from './directory.ts'
import type { DirectoryUser } from './user.ts'

/** Which attributes hold what (directory.password_attribute, directory.template_attribute). */
export interface AttributeNames {
  readonly password: string
  readonly template: string
}

const MAX_HASHES = 5
/** Longer hashes are refused by the password room anyway; so much is kept that it still sees one too long. */
const MAX_HASH_BYTES = 1024

const MAX_ID_LENGTH = 255
/** Longer ones are nobody's mailbox. */
const MAX_EMAIL_LENGTH = 320

const Representation = Type.Object({
  id: Type.Optional(Type.String({ minLength: 1, maxLength: MAX_ID_LENGTH })),
  username: Type.String({ minLength: 1, maxLength: 255 }),
  email: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  // Keycloak's import takes an absent flag for false (seen on 26.7.3); so do we, which refuses rather than admits.
  emailVerified: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  enabled: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  firstName: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  lastName: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  requiredActions: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  attributes: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
})

const representation = Compile(Representation)

/** Why a value is no user, with the field, never with a value: fields hold hashes. */
export class UserInvalid {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/** Lower-cases A-Z alone: Unicode folding would make one address of two (Kelvin sign, dotless i). */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase())
}

/**
 * An e-mail as mailboxes are named: A-Z in lower case, an internationalised domain in A-labels (RFC 5890 §2.3.2.1).
 * Only a domain in its canonical U-labels is turned: UTS-46 maps fullwidth and circled letters to plain ones, and whoever
 * may choose an e-mail must not get `joe@example.org` by writing `joe@ⓔxample.org`.
 */
function mailboxNameOf(email: string): string {
  const lower = lowerAscii(email)
  const at = lower.lastIndexOf('@')
  const domain = lower.slice(at + 1)
  if (at < 0 || !/[^\u0000-\u007f]/.test(domain)) return lower
  const ascii = domainToASCII(domain)
  return ascii !== '' && domainToUnicode(ascii) === domain ? `${lower.slice(0, at)}@${ascii}` : lower
}

/** How a directory may have written this address (A-labels): people type domains in Unicode. */
export function spellingsOf(email: string): readonly string[] {
  const at = email.lastIndexOf('@')
  const domain = email.slice(at + 1)
  if (!domain.includes('xn--')) return [email]
  const unicode = domainToUnicode(domain)
  return unicode === '' || unicode === domain ? [email] : [email, `${email.slice(0, at)}@${unicode}`]
}

/**
 * Parses one user. `idWithout` gives an id where the representation has none (hand-written realm files); without it
 * a missing id is invalid.
 */
export function parseUser(
  value: unknown,
  names: AttributeNames,
  idWithout?: (username: string) => string,
): DirectoryUser | UserInvalid {
  if (!representation.Check(value)) {
    const first = representation.Errors(value)[0]
    return new UserInvalid(`${first?.instancePath ?? ''} ${first?.message ?? 'is not a user'}`.trim())
  }
  const id = value.id ?? idWithout?.(value.username)
  if (id === undefined) return new UserInvalid('/id is missing')
  const attributes = value.attributes ?? {}
  const enabled = value.enabled ?? false
  return {
    id,
    username: value.username,
    email: mailboxNameOf(value.email ?? ''),
    emailVerified: value.emailVerified ?? false,
    enabled,
    // Keycloak stores a permanent lockout as both; enabling the user again takes the attribute away.
    lockedOut: !enabled && attributeValues(attributes, 'disabledReason').includes('permanentLockout'),
    requiredActions: value.requiredActions ?? [],
    firstName: value.firstName ?? '',
    lastName: value.lastName ?? '',
    hashes: attributeValues(attributes, names.password).slice(0, MAX_HASHES).map(boundHash),
    template: attributeValues(attributes, names.template)[0],
  }
}

/** Parses one place of a page. What is no user says as much of itself as can be told. */
export function parseEntry(value: unknown, names: AttributeNames): PageEntry {
  const user = parseUser(value, names)
  if (!(user instanceof UserInvalid)) return { kind: 'user', user }
  const isObject = typeof value === 'object' && value !== null
  const id: unknown = isObject && 'id' in value ? value.id : undefined
  const email: unknown = isObject ? ('email' in value ? (value.email ?? '') : '') : undefined
  return {
    kind: 'fault',
    id: typeof id === 'string' && id.length <= MAX_ID_LENGTH ? id : undefined,
    email: typeof email === 'string' ? mailboxNameOf(email.slice(0, MAX_EMAIL_LENGTH)) : undefined,
    reason: user.reason,
  }
}

/** An attribute's strings in their order. Keycloak's import also takes a lone value for a list of one. */
function attributeValues(attributes: Readonly<Record<string, unknown>>, name: string): string[] {
  const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.filter((each) => typeof each === 'string')
}

/** Keeps a record small whatever the attribute holds. Copied through bytes: a slice would pin the whole text. */
function boundHash(hash: string): string {
  if (hash.length <= MAX_HASH_BYTES) return hash
  return Buffer.from(hash.slice(0, MAX_HASH_BYTES + 1), 'utf8').toString('utf8')
}

/** Whether a directory can hold this address at all. '' would match every user without one. */
export function isAskable(email: string): boolean {
  return email !== '' && email.length <= 254 && email.isWellFormed()
}

/**
 * Judges the users that a directory found for an address. Its own comparison is not trusted: without a literal
 * `exact=true` Keycloak searches for substrings, and joe@ would be let in with bjoe@'s password.
 */
export function pickByEmail(email: string, hits: readonly DirectoryUser[]): Lookup {
  const users = hits.filter((user) => user.email === email)
  const [first] = users
  if (first === undefined) return { kind: hits.length === 0 ? 'absent' : 'other_email' }
  return users.length === 1 ? { kind: 'found', user: first } : { kind: 'ambiguous', users }
}
