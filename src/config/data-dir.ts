/** Where the daemon keeps what is its own: SQLite file, realm file, UNIX sockets. */
import { existsSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Problem } from './problem.ts'

/** The checkout: the directory of package.json. */
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/**
 * The data directory, absolute: `--data-dir`, else systemd's $STATE_DIRECTORY, else /var/lib/mailpassd where a
 * configuration file is given, else `var` beside package.json (the embedded default leaves the system alone); where
 * that belongs to a package (/usr), the user's own directory for state, after the XDG Base Directory Specification.
 */
export function chooseDataDir(options: {
  readonly dataDir?: string | undefined
  readonly path?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}): string {
  if (options.dataDir !== undefined && options.dataDir !== '') return resolve(options.dataDir)
  // systemd.exec(5): several directories are separated by colons; ours is the first.
  const state = options.env['STATE_DIRECTORY']?.split(':')[0]
  if (state !== undefined && state !== '') return resolve(state)
  if (options.path !== undefined) return '/var/lib/mailpassd'
  return ROOT.startsWith('/usr/') ? resolve(stateHome(options.env), 'mailpassd') : resolve(ROOT, 'var')
}

function stateHome(env: Readonly<Record<string, string | undefined>>): string {
  const named = env['XDG_STATE_HOME']
  return named?.startsWith('/') ? named : resolve(env['HOME'] ?? '/', '.local/state')
}

/** Not mkdir's own `recursive`: where a parent is there and yet takes no directory (/proc), that tries for ever. */
async function makeDirectories(path: string): Promise<void> {
  const parent = dirname(path)
  if (parent !== path && !existsSync(parent)) await makeDirectories(parent)
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  })
}

/** Makes the data directory (mode 0700) where it is absent. */
export async function makeDataDir(dataDir: string): Promise<Problem | undefined> {
  try {
    await makeDirectories(dataDir)
    const found = await stat(dataDir)
    return found.isDirectory() ? undefined : { key: '', text: `data directory ${dataDir}: not a directory` }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    return {
      key: '',
      text: `data directory ${dataDir}: cannot be made (${code}); name another by --data-dir`,
    }
  }
}

/** A warning when others may look into an existing data directory: hashes are in it. */
export async function dataDirWarning(dataDir: string): Promise<string | undefined> {
  const found = await stat(dataDir).catch(() => undefined)
  if (found === undefined || (found.mode & 0o007) === 0) return undefined
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  return `data directory ${dataDir}: open to others (mode ${mode}), and hashes are in it; run: chmod o= ${dataDir}`
}
