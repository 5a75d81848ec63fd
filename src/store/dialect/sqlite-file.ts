/** Makes the SQLite file where it is absent, for whoever is to open it. */
import { closeSync, fchownSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Hashes are in it: made by us it is its owner's alone, while an existing file stays as somebody chose it. SQLite gives
 * -wal and -shm the mode and owner of the file itself. Throws what node:fs throws.
 */
export function makeFile(path: string): void {
  try {
    const file = openSync(path, 'wx', 0o600)
    try {
      giveToOwnerOf(dirname(path), file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') throw error
  }
}

/** A command that root runs before the daemon's first start must not make a file that the daemon cannot open. */
function giveToOwnerOf(directory: string, file: number): void {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = statSync(directory)
  if (uid !== 0) fchownSync(file, uid, gid)
}
