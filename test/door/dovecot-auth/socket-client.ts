/** A client of a SASL listener over a real socket: collects lines, waits for them. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { parseListen } from '../../../src/door/sockets.ts'

const WAIT_MS = 30_000

export class SocketClient {
  readonly socket: Socket
  /** All that was received, as latin1. */
  text = ''
  /** Pieces as they were received. */
  readonly chunks: string[] = []
  isClosed = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1')
      this.chunks.push(chunk.toString('latin1'))
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  /** Connects to a listen string. */
  static async open(address: string): Promise<SocketClient> {
    const to = parseListen(address, '/')
    const socket = to.kind === 'unix' ? connect(to.path) : connect(to.port, to.host)
    const client = new SocketClient(socket)
    await once(socket, 'connect')
    return client
  }

  /** Sends latin1 text. */
  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Resolves once `isDone`; rejects after 30 s, which no healthy run comes near. */
  async until(isDone: () => boolean): Promise<void> {
    const untilMs = Date.now() + WAIT_MS
    while (!isDone()) {
      const leftMs = untilMs - Date.now()
      if (leftMs <= 0) throw new Error(`not seen in time; so far: ${JSON.stringify(this.text.slice(-500))}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(leftMs, 50))
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Resolves once `text` has been received, and gives all that was. */
  async seen(text: string): Promise<string> {
    await this.until(() => this.text.includes(text) || this.isClosed)
    if (!this.text.includes(text)) throw new Error(`closed before ${JSON.stringify(text)}: ${this.text}`)
    return this.text
  }

  /** Resolves once the server has closed, and gives all that was received after the handshake. */
  async closed(): Promise<string> {
    await this.until(() => this.isClosed)
    return this.afterHandshake()
  }

  afterHandshake(): string {
    const at = this.text.indexOf('DONE\n')
    return at === -1 ? '' : this.text.slice(at + 'DONE\n'.length)
  }

  destroy(): void {
    this.socket.destroy()
  }
}
