/**
 * Where a secret of the configuration comes from: the file itself, a file it names, the environment, or a systemd
 * credential (systemd.exec(5), LoadCredential=). At most one of the first three is given.
 */
import { isUtf8 } from 'node:buffer'
import { constants, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Problem } from './problem.ts'

const MAX_SECRET_BYTES = 4096

export interface SecretSource {
  /** `directory.client_secret`: the key in the file; `_file` and `_env` are appended to it. */
  readonly key: string
  readonly value: string | undefined
  readonly file: string | undefined
  readonly env: string | undefined
  /** Name of the systemd credential that counts when nothing else is given. */
  readonly credential: string
}

export interface SecretPlaces {
  /** Secret files are relative to it: the directory of the configuration file. */
  readonly baseDir: string
  readonly env: Readonly<Record<string, string | undefined>>
}

export type FoundSecret = { readonly secret: string | undefined } | { readonly problem: Problem }

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}

/** Who else may read a file of this mode, or undefined. Our own group may (0640 root:mailpassd is customary). */
function otherReaders(path: string, found: { mode: number; gid: number }): string | undefined {
  if ((found.mode & 0o004) !== 0) return 'everybody'
  if ((found.mode & 0o040) === 0 || process.getegid?.() === found.gid) return undefined
  return isDaemonsGroup(path, found.gid) ? undefined : `group ${found.gid}`
}

/**
 * Whether root looks at a file whose group is that of its directory: the daemon's (/etc/mailpassd is root:mailpassd).
 * Told to take the group's right away, root would take the file from the daemon.
 */
function isDaemonsGroup(path: string, gid: number): boolean {
  if (process.geteuid?.() !== 0) return false
  const directory = statSync(dirname(path), { throwIfNoEntry: false })
  return directory !== undefined && directory.uid === 0 && directory.gid === gid
}

/** Why a file that holds a secret is open to too many, with the way out; undefined when it is not. */
export function exposure(path: string, found: { mode: number; gid: number }): string | undefined {
  const readers = otherReaders(path, found)
  if (readers === undefined) return undefined
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  return `${path} may be read by ${readers} (mode ${mode}); run: chmod 600 ${path}`
}

/**
 * The line of text that a file holds, without its end; or why it cannot be had. `checkMode`: refused where others may
 * read it. Never throws.
 */
export async function readSecretFile(path: string, checkMode: boolean): Promise<string | { fault: string }> {
  // Without waiting: a pipe that nobody writes to would keep one of libuv's threads, and us, for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => ({
    fault: `${path} cannot be read (${codeOf(error)})`,
  }))
  if ('fault' in file) return file
  try {
    const found = await file.stat()
    if (!found.isFile()) return { fault: `${path} is not a regular file` }
    const exposed = checkMode ? exposure(path, found) : undefined
    if (exposed !== undefined) return { fault: exposed }
    const bytes = Buffer.alloc(MAX_SECRET_BYTES + 2)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    if (bytesRead > MAX_SECRET_BYTES) return { fault: `${path} is longer than ${MAX_SECRET_BYTES} bytes` }
    const content = bytes.subarray(0, bytesRead)
    if (!isUtf8(content)) return { fault: `${path} is not UTF-8 text` }
    const text = content.toString('utf8').replace(/\r?\n$/, '')
    if (text === '') return { fault: `${path} is empty` }
    return /[\u0000-\u001f\u007f]/.test(text) ? { fault: `${path} holds more than one line of text` } : text
  } catch (error) {
    return { fault: `${path} cannot be read (${codeOf(error)})` }
  } finally {
    await file.close()
  }
}

/** The secret's text; `{secret: undefined}` when no source is given. Never throws. */
export async function findSecret(source: SecretSource, places: SecretPlaces): Promise<FoundSecret> {
  const { key } = source
  const leaf = key.slice(key.lastIndexOf('.') + 1)
  const given = [source.value, source.file, source.env].filter((way) => way !== undefined)
  if (given.length > 1)
    return {
      problem: { key, text: `give one of ${leaf}, ${leaf}_file and ${leaf}_env, not ${given.length}` },
    }

  if (source.value !== undefined)
    return source.value === '' ? { problem: { key, text: 'is empty' } } : { secret: source.value }

  if (source.env !== undefined) {
    const secret = places.env[source.env]
    if (secret !== undefined && secret !== '') return { secret }
    return { problem: { key: `${key}_env`, text: `environment variable ${source.env} is not set` } }
  }

  if (source.file !== undefined) {
    const text = await readSecretFile(resolve(places.baseDir, source.file), true)
    return typeof text === 'string' ? { secret: text } : { problem: { key: `${key}_file`, text: text.fault } }
  }

  const credentials = places.env['CREDENTIALS_DIRECTORY']
  if (credentials === undefined || credentials === '' || !/^[A-Za-z0-9_.-]+$/.test(source.credential))
    return { secret: undefined }
  const path = resolve(credentials, source.credential)
  // systemd alone decides who reads its credentials; it may show an ACL as group bits.
  const text = await readSecretFile(path, false)
  if (typeof text === 'string') return { secret: text }
  return text.fault.includes('(ENOENT)') ? { secret: undefined } : { problem: { key, text: text.fault } }
}
