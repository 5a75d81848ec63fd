/**
 * What the embedded default makes at its first start, so that there is something to try: a realm export file with one
 * user and a random password, an autojoin domain, and a token. All in the data directory, readable by its owner only.
 */
import { randomBytes } from 'node:crypto'
import { lstat, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeRealmFile } from './directory/realm-file/write.ts'
import { MailpassdError } from './errors.ts'
import { makeHash } from './password/make.ts'
import { Secret } from './secret.ts'

export const TRY_DOMAIN = 'example.org'
export const TRY_ADDRESS = `demo@${TRY_DOMAIN}`

export interface EmbeddedDefault {
  readonly token: string
  /** Of the snapshot; in hex. */
  readonly snapshotKey: string
  /** The password of the user made here; absent when the realm file is somebody's own. */
  readonly password: string | undefined
  /** Settles when the realm file is there: its hash takes a tenth of a second, in which the daemon can start. */
  readonly realmFile: Promise<void>
}

/**
 * Makes what is absent and gives what a first login needs. Files that are there are left as they are: a realm file
 * put in place before the first start is used, and then no user is made.
 * Throws MailpassdError config_unreadable.
 */
export async function prepareEmbeddedDefault(dataDir: string, realmFile: string): Promise<EmbeddedDefault> {
  const token = await keepSecret(join(dataDir, 'token'))
  const snapshotKey = await keepSecret(join(dataDir, 'snapshot-key'), () => randomBytes(32).toString('hex'))
  const passwordFile = join(dataDir, 'demo-password')
  if (await isThere(realmFile))
    return { token, snapshotKey, password: await readSecret(passwordFile), realmFile: Promise.resolve() }
  const password = await keepSecret(passwordFile)
  return { token, snapshotKey, password, realmFile: makeRealmFile(realmFile, password) }
}

async function makeRealmFile(path: string, password: string): Promise<void> {
  const hash = await makeHash('BLF-CRYPT', Secret.fromText(password))
  const demo = { username: 'demo', email: TRY_ADDRESS, hash, firstName: 'Demo', lastName: 'User' }
  await writeRealmFile(path, [demo])
}

/** Whether anything has this name: a link to a disk that is not mounted, a file that we may not read are somebody's too. */
async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw new MailpassdError('config_unreadable', `${path} cannot be looked at`, { cause: error })
  }
}

async function readSecret(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.trim() === '' ? undefined : text.trim()
}

/** The secret in this file, made at random when the file is not there. */
async function keepSecret(path: string, make = () => randomBytes(24).toString('base64url')): Promise<string> {
  const kept = await readSecret(path)
  if (kept !== undefined) return kept
  const made = make()
  try {
    const file = await open(path, 'w', 0o600)
    try {
      await file.writeFile(`${made}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new MailpassdError('config_unreadable', `${path} cannot be written; name a writable --data-dir`, {
      cause: error,
    })
  }
  return made
}
