/**
 * A stand-in for mailpassd's HTTP auth door: answers /v1/login and /v1/userdb from a table, so that the shipped
 * Dovecot files are tested for every verdict, also those that are hard to bring about.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export const FAKE_TOKEN = 'a-token-for-the-test-of-the-lua-file'

export interface FakeRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  /** The body's bytes as latin1. */
  readonly body: string
  /** Which TCP connection it came over: 1, 2, … */
  readonly connection: number
}

export interface FakeAnswer {
  readonly status: number
  /** An object is sent as JSON, a string as HTML. */
  readonly body: object | string
}

export interface FakeLogin {
  readonly url: string
  readonly requests: readonly FakeRequest[]
  readonly stop: () => Promise<void>
}

/** Starts it on 127.0.0.1; `answer` is asked for every request with its path and its body's text. */
export async function startFakeLogin(
  answer: (path: string, body: string) => FakeAnswer,
  port = 0,
): Promise<FakeLogin> {
  const requests: FakeRequest[] = []
  const connections = new Map<unknown, number>()
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = []
    if (!connections.has(request.socket)) connections.set(request.socket, connections.size + 1)
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const path = decodeURIComponent(request.url ?? '')
      const body = Buffer.concat(chunks).toString('latin1')
      requests.push({
        method: request.method ?? '',
        path,
        authorization: request.headers.authorization,
        body,
        connection: connections.get(request.socket) ?? 0,
      })
      const planned = answer(path, body)
      const isText = typeof planned.body === 'string'
      response.writeHead(planned.status, { 'content-type': isText ? 'text/html' : 'application/json' })
      response.end(isText ? planned.body : JSON.stringify(planned.body))
    })
  }
  const server = createServer({ keepAliveTimeout: 65_000 }, onRequest)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    stop: async () => {
      if (!server.listening) return
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
