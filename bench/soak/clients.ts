/** The two ways in: Dovecot's auth protocol over TCP, one request at a time as Postfix has it, and HTTP. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Agent, request } from 'undici'
import { hello, auth, parseServerLine, plainMessage } from '../../test/door/dovecot-auth/client.ts'
import type { Answer, Attempt } from './people.ts'

/** Longer than the daemon may take: who comes here has found one that never answered. */
const GIVE_UP_MS = 20_000

export interface Client {
  /** Rejects where nothing came within 20 s, or more than one answer came. */
  login(attempt: Attempt): Promise<Answer>
  close(): Promise<void>
}

export function httpClient(url: string, token: string): Client {
  const agent = new Agent({ connections: 64, keepAliveTimeout: 3000 })
  return {
    async login({ username, password, remoteIp }) {
      const { statusCode, body } = await request(`${url}/v1/login`, {
        method: 'POST',
        dispatcher: agent,
        headersTimeout: GIVE_UP_MS,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ username, password, service: 'imap', remote_ip: remoteIp }),
      })
      await body.dump()
      if (statusCode === 200) return 'ok'
      if (statusCode === 401 || statusCode === 403) return 'refused'
      if (statusCode === 429 || statusCode === 503) return 'later'
      throw new Error(`HTTP ${statusCode}`)
    },
    close: () => agent.close(),
  }
}

/** One connection, made anew whenever it was closed. */
export function saslClient(port: number): Client {
  let socket: Socket | undefined
  let waiting: { readonly id: number; readonly settle: (answer: Answer) => void } | undefined
  let lastId = 0
  let surplus = 0

  async function open(): Promise<Socket> {
    if (socket !== undefined) return socket
    const opened = connect({ host: '127.0.0.1', port, noDelay: true })
    opened.on('error', () => {})
    opened.on('close', () => {
      if (socket === opened) socket = undefined
      waiting?.settle('later')
    })
    createInterface({ input: opened }).on('line', (line) => {
      const parsed = parseServerLine(line)
      if (parsed === undefined) return
      if (waiting?.id !== parsed.id) surplus += 1
      else if (parsed.kind === 'OK') waiting.settle('ok')
      else waiting.settle(parsed.fields.includes('code=temp_fail') ? 'later' : 'refused')
    })
    await once(opened, 'connect')
    opened.write(hello())
    socket = opened
    return opened
  }

  return {
    async login({ username, password, remoteIp }) {
      const opened = await open()
      lastId += 1
      const id = lastId
      const { promise, resolve, reject } = Promise.withResolvers<Answer>()
      const timer = setTimeout(() => reject(new Error('no answer within 20 s')), GIVE_UP_MS)
      waiting = { id, settle: resolve }
      const parameters = ['service=imap', 'secured', `rip=${remoteIp}`]
      opened.write(auth(id, 'PLAIN', plainMessage(username, password), parameters))
      try {
        const answer = await promise
        if (surplus > 0) throw new Error('a line came that answers no request')
        return answer
      } finally {
        clearTimeout(timer)
        waiting = undefined
      }
    },
    close: async () => {
      const closing = socket
      socket = undefined
      if (closing === undefined || closing.destroyed) return
      closing.destroy()
      await once(closing, 'close')
    },
  }
}
