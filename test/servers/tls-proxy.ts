/** A TLS front before a plain server, with a certificate of the test's choice; passes bytes on as they are. */
import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { createServer } from 'node:tls'
import type { Test } from 'tap'
import type { Issued } from './certificates.ts'

/** Ends with the test. `upstream` is http://host:port; gives https://127.0.0.1:port. */
export async function tlsProxy(
  t: Pick<Test, 'teardown'>,
  upstream: string,
  { key, cert }: Pick<Issued, 'key' | 'cert'>,
): Promise<string> {
  const { hostname, port } = new URL(upstream)
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    // Whoever is at the other end has gone.
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
  }
  const server = createServer({ key, cert }, (near) => {
    const far = connect(Number(port), hostname)
    keep(near)
    keep(far)
    near.pipe(far)
    far.pipe(near)
  })
  server.on('connection', keep)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  })
  return `https://127.0.0.1:${addressOf(server.address()).port}`
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  return address
}
