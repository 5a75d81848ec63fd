/**
 * An HTTP proxy of our own between mailpassd and a real Keycloak, which spoils answers in the way that a test asks for
 * at the moment. Faultless it passes everything on as it came, Host included: Keycloak writes that into its tokens.
 */
import { once } from 'node:events'
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'

export const HTTP_FAULTS = [
  /** Connections are refused. */
  'stopped',
  /** The whole answer comes 3 s late. */
  'slow',
  /** The head comes at once, the body a byte at a time: longer than anybody waits. */
  'dripping',
  /** Requests are taken and never answered. */
  'silent',
  /** 500. */
  'failing',
  /** 401. */
  'refusing',
  /** A page of HTML with 200, as a proxy under maintenance has it. */
  'html',
  /** The connection ends in the middle of the body. */
  'half',
] as const
export type HttpFault = (typeof HTTP_FAULTS)[number]

export interface FaultProxy {
  readonly url: string
  /**
   * Ends every connection, as a restart of the server does, and meets requests in this way from now on; undefined is
   * faultless.
   */
  readonly set: (fault: HttpFault | undefined) => Promise<void>
  /** Requests that came since the last `set`. */
  readonly requests: () => number
  readonly stop: () => Promise<void>
}

/** Longer than the 2 s that a login waits for its directory, shorter than the 15 s of a look-up. */
const SLOW_MS = 3000
const DRIP_MS = 200

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Asks the server the same and gives its whole answer. */
async function askServer(origin: URL, request: IncomingMessage, signal: AbortSignal): Promise<Answer> {
  const { method = 'GET', url = '/', headers } = request
  const { hostname, port } = origin
  const asking = ask({ hostname, port, method, path: url, headers, signal })
  asking.end(await buffer(request))
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  asking.once('response', resolve).on('error', reject)
  const response = await promise
  const body = await buffer(response)
  return { status: response.statusCode ?? 502, headers: response.headers, body }
}

function json(status: number, value: object): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(value)) }
}

const PAGE: Answer = {
  status: 200,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: Buffer.from('<!doctype html><title>Maintenance</title><p>We are back soon.</p>'),
}

function writeHead(response: ServerResponse, { status, headers, body }: Answer): void {
  const { 'transfer-encoding': _chunked, connection: _connection, ...own } = headers
  response.writeHead(status, { ...own, 'content-length': body.length })
}

function writeWhole(response: ServerResponse, answer: Answer): void {
  writeHead(response, answer)
  response.end(answer.body)
}

async function answerWith(
  fault: HttpFault | undefined,
  askKeycloak: () => Promise<Answer>,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  switch (fault) {
    case 'stopped':
      response.destroy()
      return
    case 'silent':
      return
    case 'failing':
      writeWhole(response, json(500, { error: 'unknown_error' }))
      return
    case 'refusing':
      writeWhole(response, json(401, { error: 'HTTP 401 Unauthorized' }))
      return
    case 'html':
      writeWhole(response, PAGE)
      return
    case undefined:
      writeWhole(response, await askKeycloak())
      return
    case 'slow': {
      const answer = await askKeycloak()
      await wait(SLOW_MS, undefined, { signal })
      writeWhole(response, answer)
      return
    }
    case 'dripping': {
      const answer = await askKeycloak()
      writeHead(response, answer)
      for (const byte of answer.body) {
        response.write(Buffer.of(byte))
        await wait(DRIP_MS, undefined, { signal })
      }
      response.end()
      return
    }
    case 'half': {
      const answer = await askKeycloak()
      writeHead(response, answer)
      response.write(answer.body.subarray(0, answer.body.length / 2), () => response.destroy())
    }
  }
}

/** Starts it before the server at `upstream` (http://host:port), faultless. Keeps its port while it is `stopped`. */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const origin = new URL(upstream)
  const sockets = new Set<Socket>()
  let fault: HttpFault | undefined
  let requests = 0

  const server = createServer((request, response) => {
    requests++
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const askKeycloak = (): Promise<Answer> => askServer(origin, request, gone.signal)
    // Whoever asked has gone, or the real server is: nobody is left to tell.
    answerWith(fault, askKeycloak, response, gone.signal).catch(() => response.destroy())
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })

  async function listen(port: number): Promise<void> {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  async function endConnections(): Promise<void> {
    const ended = [...sockets].map((socket) => once(socket, 'close'))
    for (const socket of sockets) socket.destroy()
    await Promise.all(ended)
  }
  async function close(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    await endConnections()
    await closed
  }

  await listen(0)
  const { port } = addressOf(server.address())
  return {
    url: `http://127.0.0.1:${port}`,
    set: async (next) => {
      fault = next
      requests = 0
      if (next === 'stopped') await close()
      else if (server.listening) await endConnections()
      else await listen(port)
    },
    requests: () => requests,
    stop: close,
  }
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  return address
}
