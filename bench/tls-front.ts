/**
 * `node bench/tls-front.ts KEY CERT UPSTREAM`: TLS before our HTTP door, which ends every connection after one answer: what
 * stands between mailcow's Dovecot and its PHP. Connections to the door itself are kept. Prints `ready PORT`.
 */
import { readFileSync } from 'node:fs'
import { Agent, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'

const [keyFile = '', certFile = '', upstream = ''] = process.argv.slice(2)
const { hostname, port } = new URL(upstream)
const agent = new Agent({ keepAlive: true })

function forward(request: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers } = request
  const { connection: _connection, expect: _expect, ...kept } = headers
  const asking = ask({ hostname, port, method, path: url, headers: kept, agent }, (answer) => {
    const type = answer.headers['content-type'] ?? 'application/json'
    response.writeHead(answer.statusCode ?? 502, { 'content-type': type, connection: 'close' })
    answer.pipe(response)
  })
  asking.on('error', () => response.destroy())
  request.pipe(asking)
}

const server = createServer({ key: readFileSync(keyFile), cert: readFileSync(certFile) }, forward)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`ready ${address.port}`)
})
