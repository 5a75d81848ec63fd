/** c_password of SOGo's user view: a hash that nobody has the password of. SOGo asks Dovecot; the column must be there. */
import { createHash, randomBytes } from 'node:crypto'

const PASSWORD_BYTES = 32
const SALT_BYTES = 8

/**
 * A new {SSHA256} of 32 random bytes which are kept nowhere. mailcow's own code means the same and writes the hash of the
 * empty password for every user, which must never be written here.
 */
export function randomViewPassword(): string {
  const salt = randomBytes(SALT_BYTES)
  const digest = createHash('sha256').update(randomBytes(PASSWORD_BYTES)).update(salt).digest()
  return `{SSHA256}${Buffer.concat([digest, salt]).toString('base64')}`
}
