/**
 * `node bench/bare-server.ts SOCKET PORT`: our framing and parsing on Node's sockets, and a fixed answer. No session, no
 * mechanism, no rooms, no log: what a login costs before anything of mailpassd happens.
 */
import { createServer, type Socket } from 'node:net'
import { parseCommand } from '../src/door/dovecot-auth/command.ts'
import { Framer } from '../src/door/dovecot-auth/framer.ts'
import { formatHandshake, formatOk } from '../src/door/dovecot-auth/reply.ts'

function serve(socket: Socket): void {
  let output = formatHandshake(process.pid, 1, '0'.repeat(32))
  const flush = () => {
    if (output !== '') socket.write(output)
    output = ''
  }
  const framer = new Framer((line, start, end) => {
    const command = parseCommand(line, start, end)
    if (command.kind === 'auth') output += formatOk(command.id, 'user@example.org') ?? ''
    return command.kind !== 'broken'
  })
  socket.on('data', (chunk: Buffer) => {
    if (!framer.push(chunk)) socket.destroy()
    flush()
  })
  socket.on('error', () => socket.destroy())
  flush()
}

const [path, port] = process.argv.slice(2)
const listening = [
  createServer(serve).listen(path),
  createServer({ noDelay: true }, serve).listen(Number(port), '127.0.0.1'),
]
let ready = 0
for (const server of listening) {
  server.once('listening', () => {
    ready += 1
    if (ready === listening.length) console.log('ready')
  })
}
