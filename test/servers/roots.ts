/**
 * Where a server's programs are: the host, or a chroot made by `npm run servers`. A server's temporary directory
 * lives inside its root, so that a path means the same to the server and, with the root before it, to a test.
 */
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SERVERS_DIR = process.env['MAILPASSD_SERVERS_DIR'] ?? '/opt/mailpassd-servers'

/** `host` is Debian 12 itself; the others are names of chroots. */
export type RootName = 'host' | 'trixie' | 'exim' | 'bare'

export interface ServerRoot {
  /** '' for the host. */
  readonly root: string
  /** The temporary directory as the server sees it. */
  readonly dir: string
  /** The same as the test sees it. */
  readonly hostDir: string
  /** The command line that runs a program of this root. */
  readonly command: (program: string, ...args: string[]) => [string, string[]]
  readonly remove: () => Promise<void>
}

function rootPath(name: RootName): string {
  return name === 'host' ? '' : join(SERVERS_DIR, name)
}

/** Why a program cannot be run, or undefined when it can. */
export function missing(name: RootName, program: string): string | undefined {
  if (!existsSync(rootPath(name) + program)) {
    return `${name === 'host' ? '' : `${name}: `}${program} is not installed (npm run servers)`
  }
  if (process.getuid?.() !== 0) return `${program} needs root`
  return undefined
}

/** A fresh temporary directory in a root, open for the users that a mail server runs its parts as. */
export async function makeRoot(name: RootName): Promise<ServerRoot> {
  const root = rootPath(name)
  const hostDir = await mkdtemp(join(root === '' ? tmpdir() : join(root, 'tmp'), 'mailpassd-'))
  await chmod(hostDir, 0o755)
  return {
    root,
    dir: hostDir.slice(root.length),
    hostDir,
    command: (program, ...args) => (root === '' ? [program, args] : ['chroot', [root, program, ...args]]),
    remove: () => rm(hostDir, { recursive: true, force: true }),
  }
}
