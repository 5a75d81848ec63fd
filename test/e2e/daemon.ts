/** `./mailpassd serve` as a child process on free ports, with a configuration file and a data directory of its own. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, type Child } from '../servers/child.ts'
import { isRecord } from './json.ts'

export const MAILPASSD = join(import.meta.dirname, '../../mailpassd')

/** Scopes login and read. */
export const TOKEN = 'token-of-the-end-to-end-suites'

export interface DaemonWish {
  /** Sections of the configuration file beside the listeners and tokens, as TOML. */
  readonly config: string
  /** UNIX sockets for mail servers, bound with mode 0666. */
  readonly saslSockets?: readonly string[]
  /** The same for socketmap. */
  readonly mapSockets?: readonly string[]
  /** Default 2000, as shipped. */
  readonly failureDelayMs?: number
  /** More of Node's own options, by NODE_OPTIONS. */
  readonly nodeOptions?: string
  /** Keeps the ports of a daemon that was stopped or killed before. */
  readonly ports?: { readonly http: number; readonly sasl: number; readonly admin: number }
  /** Keeps its data directory; the caller removes it. */
  readonly dataDir?: string
}

export interface RunningDaemon {
  readonly pid: number
  readonly url: string
  readonly adminUrl: string
  readonly ports: { readonly http: number; readonly sasl: number; readonly admin: number }
  readonly dataDir: string
  readonly configFile: string
  /** Everything it wrote. */
  readonly log: () => string
  /** Its log, parsed: one object a line; what is no JSON is left out. */
  readonly lines: () => Record<string, unknown>[]
  readonly kill: () => Promise<void>
  readonly stop: () => Promise<void>
}

function configuration(wish: DaemonWish): string {
  const { http = 0, sasl = 0, admin = 0 } = wish.ports ?? {}
  const socket = (path: string): string => `[[sasl.listeners]]\nlisten = "unix:${path}"\nmode = "0666"\n`
  const maps = (path: string): string => `[[socketmap.listeners]]\nlisten = "unix:${path}"\nmode = "0666"\n`
  return `${wish.config}
[http]
listen = ["127.0.0.1:${http}"]
[admin]
listen = ["127.0.0.1:${admin}", "unix:admin.sock"]
[sasl]
failure_delay_ms = ${wish.failureDelayMs ?? 2000}
[[sasl.listeners]]
listen = "127.0.0.1:${sasl}"
${(wish.saslSockets ?? []).map(socket).join('')}
${(wish.mapSockets ?? []).map(maps).join('')}
[[tokens]]
name = "suites"
scopes = ["login", "read"]
secret = "${TOKEN}"
`
}

export function parseLines(text: string): Record<string, unknown>[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return []
    const value: unknown = JSON.parse(line)
    return isRecord(value) ? [value] : []
  })
}

function portOf(ready: Record<string, unknown>, door: string): number {
  const addresses = ready[door]
  const tcp = Array.isArray(addresses)
    ? addresses.map(String).find((text) => !text.startsWith('unix:'))
    : undefined
  if (tcp === undefined) throw new Error(`no TCP address for ${door}`)
  return Number(tcp.slice(tcp.lastIndexOf(':') + 1))
}

function isReady(line: Record<string, unknown>): boolean {
  return line['msg'] === 'ready'
}

/** Starts it and waits until it says that it is ready. Throws with its log when it does not get so far. */
export async function startDaemon(wish: DaemonWish): Promise<RunningDaemon> {
  const dataDir = wish.dataDir ?? (await mkdtemp(join(tmpdir(), 'mailpassd-data-')))
  const configFile = join(dataDir, 'mailpassd.toml')
  await writeFile(configFile, configuration(wish), { mode: 0o600 })
  // Whatever runs as another user under a chroot must reach nothing in here.
  await chmod(dataDir, 0o700)
  const env = wish.nodeOptions === undefined ? {} : { NODE_OPTIONS: wish.nodeOptions }
  const child: Child = startChild(MAILPASSD, ['serve', '--config', configFile, '--data-dir', dataDir], {
    env,
  })
  const remove = async (): Promise<void> => {
    if (wish.dataDir === undefined) await rm(dataDir, { recursive: true, force: true })
  }
  const find = () => parseLines(child.output()).find(isReady)
  try {
    await child.until(() => find() !== undefined)
  } catch (error) {
    await child.stop()
    await remove()
    throw error
  }
  const ready = find() ?? {}
  const ports = { http: portOf(ready, 'http'), sasl: portOf(ready, 'sasl'), admin: portOf(ready, 'admin') }
  return {
    pid: child.pid,
    url: `http://127.0.0.1:${ports.http}`,
    adminUrl: `http://127.0.0.1:${ports.admin}`,
    ports,
    dataDir,
    configFile,
    log: child.output,
    lines: () => parseLines(child.output()),
    kill: async () => {
      child.signal('SIGKILL')
      await child.ended
    },
    stop: async () => {
      await child.stop()
      await remove()
    },
  }
}

/** POST /v1/login: status and body. */
export async function httpLogin(
  url: string,
  username: string,
  password: string,
  service = 'imap',
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${url}/v1/login`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username, password, service, remote_ip: '192.0.2.1' }),
  })
  const body: unknown = await response.json()
  return { status: response.status, body: isRecord(body) ? body : {} }
}
