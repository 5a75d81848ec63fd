/** Free loopback ports for servers that cannot be told to take one themselves. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'

/** Below it nothing is well known to be there, and above is where the kernel takes ports of outgoing connections. */
const LOWEST = 10_240

/**
 * ip_local_port_range of ip(7). A port from there may be taken by any client of any suite between being found free and
 * being bound; there are thousands of those, and Postfix or Dovecot would then not start, or another answer for it.
 */
function lowestEphemeral(): number {
  try {
    const low = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').split(/\s/)[0])
    return low > LOWEST + 1000 ? low : 65_536
  } catch {
    return 65_536
  }
}

const range = lowestEphemeral() - LOWEST
/** Suites run side by side: each process begins elsewhere, and goes on from where it was. */
let next = (process.pid * 211) % range

async function hold(port: number): Promise<Server | undefined> {
  const server = createServer()
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    return server
  } catch {
    return undefined
  }
}

/**
 * As many different ports as asked for, free on 127.0.0.1 a moment ago. All are held until the last is known, so
 * that no two are the same.
 */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>()
  for (let tried = 0; held.size < count && tried < range; tried += 1) {
    const port = LOWEST + next
    next = (next + 1) % range
    const server = await hold(port)
    if (server !== undefined) held.set(port, server)
  }
  await Promise.all(
    [...held.values()].map(async (server) => {
      server.close()
      await once(server, 'close')
    }),
  )
  if (held.size < count) throw new Error(`only ${held.size} of ${count} ports are free`)
  return [...held.keys()]
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  if (port === undefined) throw new Error('no port')
  return port
}

/** Whether something listens on this loopback port now. */
export async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
