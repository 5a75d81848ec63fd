/** Somebody's webhook: keeps what is posted to it, and answers what the test says. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'

export interface Posted {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Receiver {
  readonly port: number
  readonly url: string
  readonly posted: readonly Posted[]
  readonly stop: () => Promise<void>
}

/** `answer` ends the response, or does not. */
export async function startReceiver(
  answer: (response: ServerResponse, count: number) => void,
  options: { readonly tls?: { readonly cert: string; readonly key: string }; readonly port?: number } = {},
): Promise<Receiver> {
  const posted: Posted[] = []
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      posted.push({ method, path: url, headers, body: Buffer.concat(chunks).toString() })
      answer(response, posted.length)
    })
  }
  const { tls } = options
  const server =
    tls === undefined ? createServer(take) : createTlsServer({ cert: tls.cert, key: tls.key }, take)
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  return {
    port: address.port,
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}/hook?token=of-the-url`,
    posted,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

export function answering(status: number, headers: Record<string, string> = {}) {
  return (response: ServerResponse): void => void response.writeHead(status, headers).end('{}')
}
