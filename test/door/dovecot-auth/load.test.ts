/** A real listener with thousands of connections: MAILPASSD_TEST_CONNECTIONS of them (2,000). */
import t from 'tap'
import { hello, plainLogin } from './client.ts'
import { startListener } from './listener-child.ts'
import { SocketClient } from './socket-client.ts'

const CONNECTIONS = Number(process.env['MAILPASSD_TEST_CONNECTIONS'] ?? 2000)
/** As many at once as a mail server's processes may open in a second. */
const AT_ONCE = 1000

t.test(
  `${CONNECTIONS} connections, ${AT_ONCE} opened at once: all are served, idle ones are cheap`,
  async (t) => {
    const listener = await startListener(CONNECTIONS + 10)
    t.teardown(() => listener.stop())
    const emptyBytes = await listener.rss()

    const clients: SocketClient[] = []
    t.teardown(() => clients.forEach((client) => client.destroy()))
    const startedAtMs = performance.now()
    while (clients.length < CONNECTIONS) {
      const wave = Math.min(AT_ONCE, CONNECTIONS - clients.length)
      const opened = await Promise.all(
        Array.from({ length: wave }, () => SocketClient.open(listener.address)),
      )
      clients.push(...opened)
      for (const client of opened) client.send(hello())
      for (const client of opened) await client.seen('DONE\n')
    }
    const openedInMs = performance.now() - startedAtMs
    const bytesEach = ((await listener.rss()) - emptyBytes) / CONNECTIONS
    t.comment(
      `${Math.round((1000 * CONNECTIONS) / openedInMs)} connections a second, ${Math.round(bytesEach)} bytes each`,
    )
    t.ok(bytesEach < 32 * 1024, 'an idle connection is some kilobytes')

    for (const [index, client] of clients.entries()) client.send(plainLogin(index + 1, 'ok', 'x'))
    for (const [index, client] of clients.entries()) await client.seen(`\t${index + 1}\t`)
    t.equal(clients.filter(({ isClosed }) => isClosed).length, 0, 'each has its answer and stays')
  },
)
