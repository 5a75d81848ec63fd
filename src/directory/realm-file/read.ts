/** Reads the realm file: bounded, and with a stamp that tells whether it has changed since. */
import { open, stat } from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import { MailpassdError } from '../../errors.ts'

/** 500,000 users with attributes; and half of what a string of V8 can hold. */
const MAX_FILE_BYTES = 256 * 1024 * 1024

/** What changes when the file is written or replaced. */
export function stampOf(stats: BigIntStats): string {
  return `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
}

export interface FileState {
  readonly stamp: string
  readonly bytes: number
}

/** Throws directory_unavailable where it cannot be looked at, directory_invalid where it is too long or no file. */
export async function statFile(path: string): Promise<FileState> {
  const stats = await stat(path, { bigint: true }).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  if (!stats.isFile()) throw new MailpassdError('directory_invalid', `${path}: not a regular file`)
  if (stats.size > MAX_FILE_BYTES) {
    throw new MailpassdError('directory_invalid', `${path}: longer than ${MAX_FILE_BYTES} bytes`)
  }
  return { stamp: stampOf(stats), bytes: Number(stats.size) }
}

/**
 * The text. At most `maxBytes` are read, even where the file grows meanwhile: what is cut off is no JSON then, and its
 * stamp has changed. Throws as statFile.
 */
export async function readText(path: string, maxBytes: number): Promise<string> {
  const file = await open(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  try {
    const buffer = Buffer.allocUnsafeSlow(maxBytes)
    let length = 0
    while (length < maxBytes) {
      const { bytesRead } = await file.read(buffer, length, maxBytes - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    // A byte order mark is what some editors put before JSON.
    const start = buffer.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])) && length >= 3 ? 3 : 0
    return buffer.toString('utf8', start, length)
  } catch (error) {
    throw unreadable(path, error)
  } finally {
    await file.close()
  }
}

function unreadable(path: string, error: unknown): MailpassdError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'cannot be read'
  return new MailpassdError('directory_unavailable', `${path}: ${code}`, { cause: error })
}
