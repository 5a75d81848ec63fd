/**
 * Rate limits in a mailcow's Redis. A connection for each, and none in between: mailboxes are made seldom, and what is
 * not kept cannot be stale. The library is loaded only where a Redis is configured.
 */
import type { RedisConfig } from '../config/schema.ts'
import { MailpassdError } from '../errors.ts'
import { RATE_LIMIT_KEY } from './rate-limit.ts'

/** Beyond what Redis says of an error. */
const MAX_TEXT = 200

type Client = InstanceType<Awaited<ReturnType<typeof loadClient>>>

export interface RateLimitWriter {
  /** `redis 127.0.0.1:6379`, for messages. */
  readonly where: string
  /** The limit of one mailbox as Rspamd reads it; undefined takes it away. Throws MailpassdError consumer_failed. */
  write(mailbox: string, value: string | undefined): Promise<void>
  /** Whether limits could be written: takes away one that nobody has. Throws MailpassdError consumer_failed. */
  probe(): Promise<void>
}

/** All that is done in a mailcow's Redis. */
export interface MailcowRedis extends RateLimitWriter {
  /** Lines for whoever listens. Throws MailpassdError consumer_failed. */
  publish(channel: string, lines: readonly string[]): Promise<void>
}

async function loadClient() {
  // The library's own debugging, which this variable switches on, prints every argument: the password too.
  delete process.env['DEBUG']
  return (await import('ioredis')).Redis
}

/** Loads the client library; connects to nothing yet. */
export async function openRedis(config: RedisConfig): Promise<MailcowRedis> {
  const Redis = await loadClient()
  const { host = '127.0.0.1', port, socket, user, password, database, timeout_ms: timeoutMs } = config
  const where = `redis ${socket ?? `${host}:${port}`}`

  async function logIn(client: Client): Promise<void> {
    if (password !== undefined)
      await (user === undefined ? client.auth(password) : client.auth(user, password))
    if (database !== 0) await client.select(database)
  }

  async function connected<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Redis({
      ...(socket === undefined ? { host, port } : { path: socket }),
      lazyConnect: true,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
      // Trying again is the outbox's part.
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      // What it would ask by itself needs rights that a user of RL_VALUE alone has not, or a newer Redis.
      enableReadyCheck: false,
      disableClientInfo: true,
      protocol: 2,
    })
    let broken: Error | undefined
    let isLoggedIn = false
    client.on('error', (error: Error) => (broken = error))
    try {
      await client.connect()
      // Sent by ourselves: the library would go on where one of these is refused.
      await logIn(client)
      isLoggedIn = true
      return await work(client)
    } catch (error) {
      // Without the cause: it carries the command with its arguments, the password among them.
      const text = textOf(broken ?? error)
      const said = isLoggedIn || password === undefined ? text : withoutArguments(text, password)
      throw new MailpassdError('consumer_failed', `${where}: ${said}`)
    } finally {
      client.disconnect()
    }
  }

  return {
    where,
    async write(mailbox, value) {
      await connected((client) =>
        value === undefined
          ? client.hdel(RATE_LIMIT_KEY, mailbox)
          : client.hset(RATE_LIMIT_KEY, mailbox, value),
      )
    },
    async publish(channel, lines) {
      await connected(async (client) => Promise.all(lines.map((line) => client.publish(channel, line))))
    },
    async probe() {
      await connected((client) => client.hdel(RATE_LIMIT_KEY, ''))
    },
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  const text = error.message === '' && 'code' in error ? String(error.code) : error.message
  return text.slice(0, MAX_TEXT)
}

/** What refuses AUTH may quote it: "ERR unknown command 'auth', with args beginning with: 'the password'". */
function withoutArguments(text: string, password: string): string {
  const said = /^[^'"`,]*/.exec(text)?.[0].trim() ?? ''
  return said === '' || said.includes(password) ? 'refuses AUTH' : said
}
