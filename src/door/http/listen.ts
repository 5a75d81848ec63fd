/**
 * Gives an app its connections: one HTTP server per address, several at once, UNIX sockets among them, with the
 * bounds that keep strangers from holding connections, and a drain that lets logins finish.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { bindServer, formatAddress, parseListen, type BoundBefore, type ListenAddress } from '../sockets.ts'
import { ApiError } from './api-error.ts'
import { markUnixPeer } from './peer.ts'

// Not imported: an import evaluates every export, WebSocket among them, and with it Node's own undici: 70 ms and 10 MB.
const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http')

/** Longer than the 60 s for which Dovecot's HTTP client keeps a connection: the client closes first, not we. */
const KEEP_ALIVE_MS = 75_000
const HEADERS_WITHIN_MS = 10_000
/** Head and body together; the answer has its own deadline. */
const REQUEST_WITHIN_MS = 15_000
const CHECK_EVERY_MS = 5_000
/** On each address. */
export const MAX_CONNECTIONS = 4096
/** A login that came last has 8 s, and its answer must leave. */
const DRAIN_WITHIN_MS = 10_000
const DRAIN_STEP_MS = 50

export interface HttpListener {
  /** As configured, with the ports that were bound. */
  readonly addresses: readonly string[]
  /** Open connections. */
  readonly connections: number
  /** Takes no more connections, lets requests under way finish (10 s at most), then closes the app. */
  close(): Promise<void>
}

/**
 * Listens on every address of `listen` (`host:port`, `unix:path`, relative to `dataDir`); `mode` is that of UNIX
 * sockets, octal; sockets of `bound` are used where they have one of the addresses. Throws MailpassdError
 * config_invalid, listen_failed; nothing is left bound then.
 */
export async function listenHttp(
  app: FastifyInstance,
  listen: readonly string[],
  dataDir: string,
  mode: string,
  bound?: BoundBefore,
): Promise<HttpListener> {
  const wanted = listen.map((text) => parseListen(text, dataDir))
  await app.ready()
  const servers: DrainableServer[] = []
  const addresses: string[] = []
  try {
    for (const address of wanted) {
      const drainable = serverFor(app, address)
      await bindServer(drainable.server, address, mode, bound)
      servers.push(drainable)
      addresses.push(formatAddress(address, drainable.server.address()))
    }
  } catch (error) {
    await Promise.all(servers.map(drain))
    throw error
  }
  return {
    addresses,
    get connections() {
      return servers.reduce((sum, { connections }) => sum + connections.size, 0)
    },
    async close() {
      await Promise.all(servers.map(drain))
      await app.close()
    },
  }
}

interface DrainableServer {
  readonly server: Server
  readonly connections: ReadonlySet<Socket>
}

function serverFor(app: FastifyInstance, address: ListenAddress): DrainableServer {
  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      maxHeaderSize: 16 * 1024,
      noDelay: true,
    },
    // `Expect: 100-continue` (Dovecot 2.3 sends it with each POST) is answered by Node itself.
    (request, response) => app.routing(request, response),
  )
  const connections = new Set<Socket>()
  server.maxConnections = MAX_CONNECTIONS
  server.on('connection', (socket) => {
    if (address.kind === 'unix') markUnixPeer(socket)
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  server.on('clientError', refuseMalformed)
  return { server, connections }
}

/** What is not HTTP gets one answer in our format. The error holds the bytes received: it is not looked at, not logged. */
function refuseMalformed(error: Error, socket: Duplex): void {
  const code = 'code' in error ? error.code : undefined
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status = code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  const body = JSON.stringify(new ApiError('bad_request', 'the request is malformed').body)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n` +
      `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
}

async function drain({ server, connections }: DrainableServer): Promise<void> {
  const closed = Promise.withResolvers<void>()
  server.close(() => closed.resolve())
  const closeIdle = () => {
    server.closeIdleConnections()
    // Node takes a connection that has not asked anything yet for a busy one.
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy()
  }
  // A connection that came this moment has its request on the way: it is let live until the first sweep. Where systemd
  // holds the socket, its client could not know that it has to ask again.
  server.closeIdleConnections()
  // Requests under way end in connections kept alive: those are closed as soon as they are idle.
  const sweep = setInterval(closeIdle, DRAIN_STEP_MS)
  const end = setTimeout(() => server.closeAllConnections(), DRAIN_WITHIN_MS)
  await closed.promise
  clearInterval(sweep)
  clearTimeout(end)
}
