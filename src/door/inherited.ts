/**
 * Sockets that systemd bound before we were started (socket activation, sd_listen_fds(3)). Clients that come while the
 * daemon is down or restarts wait in the kernel's queue instead of being refused.
 *
 * A socket is used for the listener whose address it has, which the kernel is asked for (proc_net(5)): names given by
 * units (FileDescriptorName=) are for messages alone. So a mistyped unit can never put the admin door, or a SASL
 * listener that takes everybody, where another door was meant to be: what the configuration says of an address holds.
 */
import { readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { MailpassdError } from '../errors.ts'
import { formatAddress, type ListenAddress } from './sockets.ts'

/** sd_listen_fds(3): after stdin, stdout and stderr. */
const FIRST_FD = 3
/** More than the configuration can have listeners. */
const MAX_FDS = 64

export interface InheritedSocket {
  readonly fd: number
  readonly address: ListenAddress
}

/** A descriptor, and the socket's line of /proc/self/net: what the two readers give. Tests have readers of their own. */
export interface SocketTables {
  /** What /proc/self/fd/N links to; undefined where there is no such descriptor. */
  readonly link: (fd: number) => string | undefined
  readonly table: (name: 'tcp' | 'tcp6' | 'unix') => string
}

const KERNEL: SocketTables = {
  link: (fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return undefined
    }
  },
  table: (name) => {
    try {
      return readFileSync(`/proc/self/net/${name}`, 'latin1')
    } catch {
      // No IPv6 on this machine, or no /proc: the socket is not found then, which is told.
      return ''
    }
  },
}

/** The sockets that came with the process, until listeners have taken them. */
export class InheritedSockets {
  readonly #left: InheritedSocket[]
  readonly #names: ReadonlyMap<number, string>

  constructor(sockets: readonly InheritedSocket[], names: ReadonlyMap<number, string> = new Map()) {
    this.#left = [...sockets]
    this.#names = names
  }

  /** The descriptor of the socket that is bound to `address`, once; undefined where we have to bind it ourselves. */
  async take(address: ListenAddress): Promise<number | undefined> {
    if (this.#left.length === 0) return undefined
    const wanted = new Set(await spellings(address))
    const at = this.#left.findIndex(({ address }) => wanted.has(spell(address)))
    return this.#left.splice(at, at === -1 ? 0 : 1)[0]?.fd
  }

  /** Throws config_invalid when a socket was passed that no listener has taken. */
  checkAllTaken(): void {
    if (this.#left.length === 0) return
    const list = this.#left.map(({ fd, address }) => {
      const name = this.#names.get(fd)
      return `${formatAddress(address)}${name === undefined ? '' : ` (${name})`}`
    })
    throw new MailpassdError(
      'config_invalid',
      `systemd passed sockets that no listener of the configuration has: ${list.join(', ')}; ` +
        'write the same address into the configuration and as ListenStream= of the socket unit',
    )
  }
}

/**
 * The sockets passed by $LISTEN_PID, $LISTEN_FDS and $LISTEN_FDNAMES; none where those are for another process. The
 * variables are taken out of `env`, so that no child takes them for its own; Node itself keeps children from inheriting
 * the descriptors (FD_CLOEXEC, set before any of our code runs).
 * Throws config_invalid: malformed variables, descriptors that are no listening stream sockets.
 */
export function takeInherited(
  env: Record<string, string | undefined>,
  pid: number = process.pid,
  tables: SocketTables = KERNEL,
): InheritedSockets {
  const { LISTEN_PID: forPid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = env
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'])
    Reflect.deleteProperty(env, name)
  if (forPid === undefined || count === undefined || Number(forPid) !== pid) return new InheritedSockets([])
  if (!/^\d{1,3}$/.test(count) || Number(count) > MAX_FDS)
    throw invalid(`LISTEN_FDS: expected a number up to ${MAX_FDS}, got ${JSON.stringify(count.slice(0, 20))}`)
  const given = names?.split(':') ?? []
  const fds = Array.from({ length: Number(count) }, (_, index) => FIRST_FD + index)
  const named = new Map(fds.flatMap((fd, index) => (given[index] ? [[fd, given[index]] as const] : [])))
  const listening = listeningSockets(tables)
  const sockets = fds.map((fd) => {
    const inode = /^socket:\[(\d+)\]$/.exec(tables.link(fd) ?? '')?.[1]
    const address = inode === undefined ? undefined : listening.get(inode)
    if (address === undefined)
      throw invalid(
        `descriptor ${fd}${named.has(fd) ? ` (${named.get(fd)})` : ''} is no listening stream socket of this network ` +
          'namespace; use ListenStream= with Accept=no, and no PrivateNetwork=',
      )
    return { fd, address }
  })
  return new InheritedSockets(sockets, named)
}

function invalid(text: string): MailpassdError {
  return new MailpassdError('config_invalid', `socket activation: ${text}`)
}

/** Inode -> address of every listening stream socket of this network namespace. */
function listeningSockets({ table }: SocketTables): Map<string, ListenAddress> {
  const found = new Map<string, ListenAddress>()
  for (const name of ['tcp', 'tcp6'] as const)
    for (const line of table(name).split('\n')) {
      // sl, local address, remote address, state (0A: LISTEN), queues, timer, retransmits, uid, timeout, inode.
      const fields = line.trim().split(/\s+/)
      const [hex = '', port = ''] = (fields[1] ?? '').split(':')
      const inode = fields[9]
      if (fields[3] !== '0A' || inode === undefined) continue
      found.set(inode, { kind: 'tcp', host: parseHexAddress(hex), port: Number.parseInt(port, 16) })
    }
  for (const line of table('unix').split('\n')) {
    // Address, reference count, protocol, flags (__SO_ACCEPTCON: listening), type (SOCK_STREAM), state, inode, path.
    const match = /^\S+ \S+ \S+ 00010000 0001 \S+ +(\d+) (\/.*)$/.exec(line)
    if (match?.[1] !== undefined && match[2] !== undefined)
      // Read byte by byte, because a path may be anything; the configuration's are UTF-8.
      found.set(match[1], { kind: 'unix', path: Buffer.from(match[2], 'latin1').toString('utf8') })
  }
  return found
}

/** The kernel prints each 32 bits of an address as a number in its own byte order: little-endian where Node runs. */
function parseHexAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex').swap32()
  if (bytes.length === 4) return [...bytes].join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  return canonical(groups.join(':'))
}

/** One spelling for each IPv6 address (RFC 5952), as URLs have it, which have no zones (RFC 4007 §11). */
function canonical(host: string): string {
  return isIP(host) === 6 && !host.includes('%') ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host
}

function spell(address: ListenAddress): string {
  if (address.kind === 'tcp') return formatAddress({ ...address, host: canonical(address.host) })
  try {
    // /var/run and /run are one directory.
    return formatAddress({
      kind: 'unix',
      path: join(realpathSync(dirname(address.path)), basename(address.path)),
    })
  } catch {
    return formatAddress(address)
  }
}

/** The address, or for a name all that it stands for. */
async function spellings(address: ListenAddress): Promise<string[]> {
  if (address.kind === 'unix' || isIP(address.host) !== 0) return [spell(address)]
  const found = await lookup(address.host, { all: true }).catch(() => [])
  return found.map(({ address: host }) => spell({ ...address, host }))
}
