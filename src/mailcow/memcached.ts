/**
 * Empties SOGo's memcached after a new mailbox, as mailcow does: SOGo remembers there that it did not know the user.
 * memcached's text protocol (protocol.txt): `flush_all` is answered by `OK`.
 */
import { connect } from 'node:net'
import type { Clock } from '../clock.ts'
import { parseListen } from '../config/listen.ts'
import { MailpassdError } from '../errors.ts'

const TIMEOUT_MS = 2000
/** Its longest answer to this is an error of a few words. */
const MAX_REPLY_BYTES = 512
/** One flush for all mailboxes that were made meanwhile: it costs SOGo everything that it had remembered. */
const GATHER_MS = 1000

/** `host:port` of the configuration. */
export interface Memcached {
  /**
   * Flushes once for all who ask within a second; resolves when it has begun after the call, and is done.
   * Rejects with MailpassdError consumer_failed.
   */
  flush(): Promise<void>
}

export function createMemcached(place: string, clock: Clock): Memcached {
  let next: Promise<void> | undefined
  async function gathered(): Promise<void> {
    await new Promise<void>((resolve) => void clock.after(GATHER_MS, resolve))
    // Who asks from now on may have made a mailbox that this flush comes too early for.
    next = undefined
    await flushOnce(place)
  }
  return {
    flush() {
      next ??= gathered()
      return next
    },
  }
}

/** One `flush_all`. Rejects with MailpassdError consumer_failed within 2 s. */
export async function flushOnce(place: string): Promise<void> {
  await ask(place, 'flush_all', (reply) => reply === 'OK')
}

/** Its version. Rejects with MailpassdError consumer_failed within 2 s. */
export async function askVersion(place: string): Promise<string> {
  const reply = await ask(place, 'version', (line) => line.startsWith('VERSION '))
  return reply.slice('VERSION '.length)
}

/** A command of one line and its answer of one, which must be a good one. */
async function ask(place: string, command: string, isGood: (reply: string) => boolean): Promise<string> {
  const address = parseListen(place)
  const failed = (text: string) => new MailpassdError('consumer_failed', `memcached ${place}: ${text}`)
  if (address?.kind !== 'tcp') throw failed('no address')
  const socket = connect({ host: address.host, port: address.port })
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const timer = setTimeout(() => reject(failed(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS)
  let reply = ''
  socket
    .on('connect', () => socket.write(`${command}\r\n`))
    .on('data', (bytes: Buffer) => {
      reply += bytes.toString('latin1')
      const end = reply.indexOf('\r\n')
      const line = reply.slice(0, end)
      if (end >= 0 && isGood(line)) resolve(line)
      else if (end >= 0 || reply.length > MAX_REPLY_BYTES)
        reject(failed(`answers ${JSON.stringify(reply.slice(0, 60))}`))
    })
    .on('error', (error) => reject(failed(error.message)))
    .on('close', () => reject(failed('closes the connection')))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}
