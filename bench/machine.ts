/** What a run was measured on, and with which versions of what it is compared with. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isRecord } from '../test/e2e/json.ts'
import { makeRoot, type RootName } from '../test/servers/roots.ts'

const run = promisify(execFile)

/** The first version number that a program tells; undefined where it is not there. */
async function versionOf(root: RootName, program: string): Promise<string | undefined> {
  const place = await makeRoot(root).catch(() => undefined)
  if (place === undefined) return undefined
  try {
    const { stdout } = await run(...place.command(program, '--version'))
    return /\d+(?:\.\d+)+/.exec(stdout)?.[0]
  } catch {
    return undefined
  } finally {
    await place.remove()
  }
}

async function ownVersion(): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '../package.json'), 'utf8')
  const found: unknown = JSON.parse(text)
  return isRecord(found) ? String(found['version']) : ''
}

/** Names and values, in the order of the page. */
export async function describeMachine(rounds: number): Promise<readonly (readonly [string, string])[]> {
  const [dovecot23, dovecot24, mariadb] = await Promise.all([
    versionOf('host', '/usr/sbin/dovecot'),
    versionOf('trixie', '/usr/sbin/dovecot'),
    versionOf('host', '/usr/sbin/mariadbd'),
  ])
  const others = [
    ['Dovecot', dovecot23],
    ['Dovecot', dovecot24],
    ['MariaDB', mariadb],
  ].flatMap(([name, version]) => (version === undefined ? [] : [`${name} ${version}`]))
  return [
    ['date', new Date().toISOString().slice(0, 10)],
    ['cores', `${cpus().length} (${cpus()[0]?.model ?? 'unknown'})`],
    ['memory', `${Math.round(totalmem() / 2 ** 30)} GiB`],
    ['system', `Linux ${release()}`],
    ['mailpassd', `${await ownVersion()}, Node ${process.versions.node}`],
    ['beside it', others.join(', ') || 'nothing'],
    ['rounds', String(rounds)],
  ]
}
