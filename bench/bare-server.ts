/**
 * `node bench/bare-server.ts SOCKET PORT`: our framing and parsing on Node's sockets, and a fixed answer. It handles bytes
 * as the SASL door does: the same listener options, the AUTH line with its base64 decoded, one write for all answers to
 * what was read, reading stopped while the peer does not read, what may hold a password overwritten. No session, no
 * mechanism, no rooms, no log, and no timetable: what a login costs before anything of mailpassd is decided.
 */
import { createServer, type Socket } from 'node:net'
import { decodeBase64 } from '../src/door/dovecot-auth/base64.ts'
import { parseCommand } from '../src/door/dovecot-auth/command.ts'
import { Framer, MAX_LINE_BYTES } from '../src/door/dovecot-auth/framer.ts'
import { formatHandshake, formatOk } from '../src/door/dovecot-auth/reply.ts'
import { wipe } from '../src/secret.ts'

/** As socket.ts has them. */
const OPTIONS = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
  highWaterMark: 50 * 1024,
} as const

const scratch = Buffer.allocUnsafeSlow(MAX_LINE_BYTES)

function serve(socket: Socket): void {
  let output = formatHandshake(process.pid, 1, '0'.repeat(32))
  const flush = () => {
    const text = output
    output = ''
    if (text !== '' && socket.writable && !socket.write(text)) socket.pause()
  }
  const framer = new Framer((line, start, end) => {
    const command = parseCommand(line, start, end)
    if (command.kind === 'auth') {
      const length = command.response === undefined ? 0 : decodeBase64(command.response, scratch)
      if (length === -1) return false
      wipe(scratch, 0, length)
      output += formatOk(command.id, 'user@example.org') ?? ''
    }
    return command.kind !== 'broken'
  })
  socket.on('data', (chunk: Buffer) => {
    if (!framer.push(chunk)) socket.destroy()
    wipe(chunk)
    flush()
  })
  socket.on('drain', () => socket.resume())
  socket.on('error', () => socket.destroy())
  flush()
}

const [path, port] = process.argv.slice(2)
const listening = [
  createServer(OPTIONS, serve).listen(path),
  createServer(OPTIONS, serve).listen(Number(port), '127.0.0.1'),
]
let ready = 0
for (const server of listening) {
  server.once('listening', () => {
    ready += 1
    if (ready === listening.length) console.log('ready')
  })
}
