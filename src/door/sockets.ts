/**
 * Where doors listen: listen strings, UNIX sockets that are left over from a crash, binding with errors that say what
 * to do. Used by every door.
 */
import { existsSync } from 'node:fs'
import { chmod, lstat, unlink } from 'node:fs/promises'
import { connect, type AddressInfo, type Server } from 'node:net'
import { dirname, resolve } from 'node:path'
import { MailpassdError } from '../errors.ts'

export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** Sockets that somebody bound for us before we were started: inherited.ts. */
export interface BoundBefore {
  /** The descriptor of a listening socket with this address, once; undefined where there is none. */
  take(address: ListenAddress): Promise<number | undefined>
}

/** sun_path of sockaddr_un is 108 bytes on Linux with its NUL (unix(7)); longer paths would be cut silently. */
const MAX_UNIX_PATH_BYTES = 107
/**
 * Connections the kernel keeps until they are accepted: Postfix opens one for each smtpd at once, and a thousand may come
 * in a second. The kernel cuts it to net.core.somaxconn, 4096 since Linux 5.4.
 */
const BACKLOG = 4096
/** Connections that come while we restart wait there; the kernel cuts it to net.core.somaxconn. */
const INHERITED_BACKLOG = 65_535
const PROBE_MS = 2000

const TCP = /^(?:\[(?<v6>[0-9A-Fa-f:.%\w-]+)\]|(?<host>[A-Za-z0-9._-]+)):(?<port>[0-9]{1,5})$/

/**
 * The address that `text` names: `host:port`, `[::1]:port` or `unix:path`, the path relative to `dataDir`.
 * Port 0 takes any free one. Throws config_invalid.
 */
export function parseListen(text: string, dataDir: string): ListenAddress {
  if (text.startsWith('unix:')) {
    const given = text.slice('unix:'.length)
    if (given === '' || given.includes('\u0000')) throw invalid(text, 'no path after `unix:`')
    const path = resolve(dataDir, given)
    if (Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES) {
      throw invalid(
        text,
        `the path ${path} is longer than ${MAX_UNIX_PATH_BYTES} bytes, which no UNIX socket may be`,
      )
    }
    return { kind: 'unix', path }
  }
  const groups = TCP.exec(text)?.groups
  const port = Number(groups?.['port'])
  const host = groups?.['v6'] ?? groups?.['host']
  if (host === undefined || !(port <= 65_535)) {
    throw invalid(text, 'expected host:port, [IPv6 address]:port or unix:path')
  }
  return { kind: 'tcp', host, port }
}

function invalid(text: string, why: string): MailpassdError {
  return new MailpassdError('config_invalid', `listen address "${text}": ${why}`)
}

/** True for addresses that nobody outside of this machine can reach. */
export function isLoopback(address: ListenAddress): boolean {
  return address.kind === 'unix' || /^(?:127\.[0-9.]+|::1|::ffff:127\.[0-9.]+|localhost)$/i.test(address.host)
}

/** As `parseListen` reads it, the port being the one that was bound. */
export function formatAddress(address: ListenAddress, bound?: AddressInfo | string | null): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  return address.host.includes(':') ? `[${address.host}]:${port}` : `${address.host}:${port}`
}

/**
 * Makes room for a UNIX socket at `path`: removes one that nobody listens on any more (left by a crash). A file that
 * is no socket, or a socket somebody answers on, stays. Throws listen_failed.
 */
export async function prepareUnixPath(path: string): Promise<void> {
  let isSocket: boolean
  try {
    isSocket = (await lstat(path)).isSocket()
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    // Said here because bind says EACCES for it (libuv turns ENOENT into that).
    if (!existsSync(dirname(path))) {
      throw failed(`unix:${path}`, 'the directory of the socket does not exist; make it', error)
    }
    return
  }
  if (!isSocket) throw failed(`unix:${path}`, 'a file that is no socket is in the way; move it')
  if (await isListenedOn(path)) {
    throw failed(`unix:${path}`, 'another process listens there; stop it, or use another path')
  }
  try {
    await unlink(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') {
      throw failed(`unix:${path}`, 'the socket of an earlier run cannot be removed', error)
    }
  }
}

/** Only a refused connection says that nobody is there: full backlogs, missing rights and time-outs do not. */
function isListenedOn(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const probe = connect(path)
  probe.setTimeout(PROBE_MS, () => probe.destroy(new Error('no answer')))
  probe.once('connect', () => {
    probe.destroy()
    resolve(true)
  })
  probe.once('error', (error) => resolve(codeOf(error) !== 'ECONNREFUSED' && codeOf(error) !== 'ENOENT'))
  return promise
}

/**
 * Binds `server` to `address` and resolves once it listens. A UNIX socket gets `mode` (octal text, as in the
 * configuration) and is closed to everybody until then; its path is made free first. A socket of `bound` that has this
 * address is used as it is instead: mode and owner are its maker's, and its file stays when we end.
 * Throws listen_failed.
 */
export async function bindServer(
  server: Server,
  address: ListenAddress,
  mode: string,
  bound?: BoundBefore,
): Promise<void> {
  const fd = await bound?.take(address)
  if (address.kind === 'unix') {
    if (fd === undefined) await prepareUnixPath(address.path)
    else await checkMode(address.path, mode)
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onError = (error: unknown): void => reject(bindError(address, error))
  server.once('error', onError)
  server.once('listening', () => resolve())
  if (fd !== undefined) {
    // Node takes the backlog of a descriptor from the second argument; listen(2) sets it anew.
    server.listen({ fd }, INHERITED_BACKLOG)
  } else if (address.kind === 'unix') {
    // Bound inside of listen(), so the mask is narrow for this call alone.
    const umask = process.umask(0o177)
    try {
      server.listen({ path: address.path, backlog: BACKLOG })
    } finally {
      process.umask(umask)
    }
  } else {
    server.listen({ host: address.host, port: address.port, backlog: BACKLOG })
  }
  await promise
  server.removeListener('error', onError)
  if (fd === undefined && address.kind === 'unix') await chmod(address.path, Number.parseInt(mode, 8))
}

/** Whoever bound the socket shall not have opened it to more users than the configuration does. */
async function checkMode(path: string, mode: string): Promise<void> {
  const allowed = Number.parseInt(mode, 8)
  let found: number
  try {
    found = (await lstat(path)).mode & 0o777
  } catch (error) {
    throw failed(`unix:${path}`, 'the socket that systemd passed is no longer there', error)
  }
  if ((found & ~allowed) === 0) return
  const octal = (bits: number) => bits.toString(8).padStart(4, '0')
  throw failed(
    `unix:${path}`,
    `the socket that systemd passed has mode ${octal(found)}, wider than ${octal(allowed)}; set SocketMode= in its unit`,
  )
}

function bindError(address: ListenAddress, error: unknown): MailpassdError {
  const name = formatAddress(address)
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return failed(name, 'another process listens there; stop it, or choose another address', error)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return failed(name, 'this machine has no such address', error)
    case 'EACCES':
    case 'EPERM':
      return address.kind === 'unix'
        ? failed(name, `no right to make a socket in ${dirname(address.path)}`, error)
        : failed(name, 'no right to bind that port; take one above 1023, or give CAP_NET_BIND_SERVICE', error)
    default:
      return failed(name, error instanceof Error ? error.message : 'unknown error', error)
  }
}

function failed(name: string, why: string, cause?: unknown): MailpassdError {
  return new MailpassdError('listen_failed', `cannot listen on ${name}: ${why}`, { cause })
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
