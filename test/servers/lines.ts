/** A client of line protocols (POP3, ManageSieve, raw IMAP and SMTP): sends a line, waits for one that fits. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const WAIT_MS = 30_000

export class LineClient {
  readonly #socket: Socket
  #text = ''
  #ended = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      this.#text += chunk
      this.#wake()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#wake()
    })
    socket.on('error', () => {})
  }

  static async open(port: number): Promise<LineClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new LineClient(socket)
  }

  /** Writes bytes (latin1) as they are. */
  write(bytes: string): void {
    this.#socket.write(bytes, 'latin1')
  }

  /** The first line that fits, without its end; what came before it is dropped. Rejects after 30 s or at the end. */
  async line(pattern: RegExp): Promise<string> {
    const until = Date.now() + WAIT_MS
    for (;;) {
      const end = this.#text.indexOf('\n')
      if (end >= 0) {
        const line = this.#text.slice(0, end).replace(/\r$/, '')
        this.#text = this.#text.slice(end + 1)
        if (pattern.test(line)) return line
        continue
      }
      if (this.#ended) throw new Error(`connection ended before ${pattern}; last: ${this.#text}`)
      const left = until - Date.now()
      if (left <= 0) throw new Error(`no line matched ${pattern} in time`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Sends a line with CRLF and gives the first line of the answer that fits. */
  async ask(line: string, pattern: RegExp): Promise<string> {
    this.write(`${line}\r\n`)
    return await this.line(pattern)
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** The base64 of a PLAIN response (RFC 4616), from bytes given as latin1. */
export function plainResponse(user: string, password: string): string {
  return Buffer.from(`\0${user}\0${password}`, 'latin1').toString('base64')
}

/** One POP3 login: the server's answer to PASS, and the connection when it succeeded. */
export async function pop3Login(port: number, user: string, password: string): Promise<string> {
  const client = await LineClient.open(port)
  try {
    await client.line(/^\+OK/)
    const hello = await client.ask(`USER ${user}`, /^(\+OK|-ERR)/)
    if (hello.startsWith('-ERR')) return hello
    return await client.ask(`PASS ${password}`, /^(\+OK|-ERR)/)
  } finally {
    client.close()
  }
}

/** One ManageSieve login (RFC 5804): OK, NO or BYE with what follows it. */
export async function sieveLogin(port: number, user: string, password: string): Promise<string> {
  const client = await LineClient.open(port)
  try {
    await client.line(/^OK/)
    return await client.ask(`AUTHENTICATE "PLAIN" "${plainResponse(user, password)}"`, /^(OK|NO|BYE)/)
  } finally {
    client.close()
  }
}

/** One IMAP login by AUTHENTICATE PLAIN: the tagged answer. */
export async function imapLogin(port: number, user: string, password: string): Promise<string> {
  const client = await LineClient.open(port)
  try {
    await client.line(/^\* OK/)
    return await client.ask(`a AUTHENTICATE PLAIN ${plainResponse(user, password)}`, /^a /)
  } finally {
    client.close()
  }
}

/** One SMTP AUTH PLAIN: the answer to it, such as "235 2.7.0 …"; also when the server hangs up first. */
export async function smtpLogin(port: number, user: string, password: string): Promise<string> {
  const client = await LineClient.open(port)
  try {
    await client.line(/^220 /)
    await client.ask('EHLO client.example', /^250 /)
    return await client.ask(`AUTH PLAIN ${plainResponse(user, password)}`, /^\d{3} /)
  } finally {
    client.close()
  }
}
