/** Writes the realm file of the embedded default: an export that Keycloak itself could import. */
import { randomBytes, randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MailpassdError } from '../../errors.ts'

export interface RealmFileUser {
  readonly username: string
  readonly email: string
  /** `{SCHEME}…`, as `mailpassd hash make` prints it. */
  readonly hash: string
  readonly template?: string
  readonly firstName?: string
  readonly lastName?: string
}

export interface RealmFileWish {
  /** Default `mailpassd`. */
  readonly realm?: string
  /** Default `mailcow_password`. */
  readonly passwordAttribute?: string
  /** Default `mailcow_template`. */
  readonly templateAttribute?: string
}

/**
 * Writes a realm export with these users, enabled and with verified e-mail, to `path`: whole or not at all, mode 0600 from
 * its first byte (it holds hashes). Replaces a file that is there: the caller looks first.
 * Throws MailpassdError config_unreadable when it cannot be written.
 */
export async function writeRealmFile(
  path: string,
  users: readonly RealmFileUser[],
  wish: RealmFileWish = {},
): Promise<void> {
  const text = `${JSON.stringify(realmExport(users, wish), undefined, 2)}\n`
  const partial = join(dirname(path), `.realm-${randomBytes(6).toString('hex')}.tmp`)
  try {
    const file = await open(partial, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(partial, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(partial, { force: true })
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new MailpassdError('config_unreadable', `${path}: cannot be written: ${code}`, { cause: error })
  }
}

/** Makes the rename last through a power cut. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function realmExport(users: readonly RealmFileUser[], wish: RealmFileWish): object {
  const password = wish.passwordAttribute ?? 'mailcow_password'
  const template = wish.templateAttribute ?? 'mailcow_template'
  const admin = { view: ['admin'], edit: ['admin'] }
  const shown = { view: ['admin', 'user'], edit: ['admin'] }
  const profile = {
    attributes: [
      ...['username', 'email', 'firstName', 'lastName'].map((name) => ({ name, permissions: shown })),
      // Users neither see nor edit these two: the hash is a secret, the template decides on quota and rights.
      ...[password, template].map((name) => ({ name, permissions: admin, multivalued: true })),
    ],
  }
  return {
    realm: wish.realm ?? 'mailpassd',
    enabled: true,
    registrationAllowed: false,
    users: users.map((user) => ({
      id: randomUUID(),
      username: user.username,
      email: user.email,
      emailVerified: true,
      enabled: true,
      firstName: user.firstName ?? '',
      lastName: user.lastName ?? '',
      attributes: {
        [password]: [user.hash],
        ...(user.template === undefined ? {} : { [template]: [user.template] }),
      },
    })),
    components: {
      'org.keycloak.userprofile.UserProfileProvider': [
        {
          providerId: 'declarative-user-profile',
          config: { 'kc.user.profile.config': [JSON.stringify(profile)] },
        },
      ],
    },
  }
}
