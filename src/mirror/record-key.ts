/**
 * Seals records for the snapshot: AES-256-GCM (NIST SP 800-38D), a random nonce for each row, with the address and the
 * time bound in, so that a row cannot stand for another mailbox or for another time. A row that somebody put back as it
 * was opens still: how old a record may be is what bounds that.
 */
import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { DirectoryRecordValue } from '../account/record-book.ts'
import type { DirectoryUser } from '../directory/user.ts'

const CIPHER = 'aes-256-gcm'
export const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** 5 hashes of 1 KiB and what people have for names. Longer ones are looked up after a restart. */
const MAX_SEALED_CHARACTERS = 16_384

const User = Type.Object({
  id: Type.String(),
  username: Type.String(),
  email: Type.String(),
  emailVerified: Type.Boolean(),
  enabled: Type.Boolean(),
  lockedOut: Type.Boolean(),
  requiredActions: Type.Array(Type.String()),
  firstName: Type.String(),
  lastName: Type.String(),
  hashes: Type.Array(Type.String()),
  template: Type.Optional(Type.String()),
})

const Content = Compile(
  Type.Object({
    users: Type.Array(User, { minItems: 1 }),
    profile: Type.Object({
      emailSelfChosen: Type.Boolean(),
      hashVisible: Type.Boolean(),
      hashSelfEdited: Type.Boolean(),
      templateSelfEdited: Type.Boolean(),
    }),
    hashesAge: Type.Optional(Type.Number()),
  }),
)

/** A record without the time at which it was asked for, which is a matter of clocks. */
export type SealedContent = Pick<DirectoryRecordValue, 'lookup' | 'profile'> & {
  /** How much older than the record its hashes are, where they are. */
  readonly hashesOlderMs?: number
}

/** The 32 bytes of a key as hex or base64, or undefined where the text is neither. */
export function parseRecordKey(text: string): Buffer | undefined {
  const bytes = /^[0-9a-fA-F]{64}$/.test(text)
    ? Buffer.from(text, 'hex')
    : /^[A-Za-z0-9+/_-]{43}=?$/.test(text)
      ? Buffer.from(text, 'base64')
      : undefined
  return bytes?.length === KEY_BYTES ? bytes : undefined
}

export class RecordKey {
  readonly #key: Buffer
  /** Tells rows of this key from those of others; says nothing of the key. */
  readonly id: string

  constructor(key: Buffer) {
    this.#key = key
    this.id = hash('sha256', Buffer.concat([Buffer.from('mailpassd record key\0'), key]), 'hex').slice(0, 16)
  }

  /** Base64, or undefined for what is not kept: too long, or nobody's. `atMs` is wall-clock. */
  seal(email: string, atMs: number, { lookup, profile, hashesOlderMs }: SealedContent): string | undefined {
    const users = lookup.kind === 'found' ? [lookup.user] : lookup.kind === 'ambiguous' ? lookup.users : []
    if (users.length === 0) return undefined
    const content = JSON.stringify({ users, profile, hashesAge: hashesOlderMs })
    if (content.length > MAX_SEALED_CHARACTERS / 2) return undefined
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key, nonce).setAAD(boundTo(email, atMs))
    const sealed = Buffer.concat([nonce, cipher.update(content, 'utf8'), cipher.final(), cipher.getAuthTag()])
    const text = sealed.toString('base64')
    return text.length > MAX_SEALED_CHARACTERS ? undefined : text
  }

  /** Undefined where the row was not sealed so: another key, address or time, changed bytes. */
  open(email: string, atMs: number, text: string): SealedContent | undefined {
    if (text.length > MAX_SEALED_CHARACTERS) return undefined
    const sealed = Buffer.from(text, 'base64')
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
    const end = sealed.length - TAG_BYTES
    let content: unknown
    try {
      const decipher = createDecipheriv(CIPHER, this.#key, sealed.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(boundTo(email, atMs)).setAuthTag(sealed.subarray(end))
      const plain =
        decipher.update(sealed.subarray(NONCE_BYTES, end), undefined, 'utf8') + decipher.final('utf8')
      content = JSON.parse(plain)
    } catch {
      return undefined
    }
    if (!Content.Check(content)) return undefined
    const users: DirectoryUser[] = content.users.map((user) => ({ ...user, template: user.template }))
    const [user] = users
    if (user === undefined || users.some((each) => each.email !== email)) return undefined
    const { profile, hashesAge } = content
    return {
      lookup: users.length === 1 ? { kind: 'found', user } : { kind: 'ambiguous', users },
      profile,
      ...(hashesAge === undefined ? {} : { hashesOlderMs: hashesAge }),
    }
  }
}

function boundTo(email: string, atMs: number): Buffer {
  return Buffer.from(`mailpassd record 1\0${email}\0${atMs}`, 'utf8')
}
