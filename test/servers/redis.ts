/** A real Redis and a real memcached for one suite each, on free ports of 127.0.0.1. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { startChild } from './child.ts'
import { accepts, freePort } from './ports.ts'

const REDIS = '/usr/bin/redis-server'
const MEMCACHED = '/usr/bin/memcached'

/** Why there is no Redis here, or undefined. */
export function redisMissing(): string | undefined {
  return existsSync(REDIS) ? undefined : 'no redis-server (npm run servers)'
}

export function memcachedMissing(): string | undefined {
  return existsSync(MEMCACHED) ? undefined : 'no memcached (npm run servers)'
}

export interface RedisServer {
  readonly port: number
  readonly socket: string
  /** A client of the test's own, logged in. */
  readonly client: Redis
  /** SIGSTOP and SIGCONT: it takes connections and answers nothing. */
  readonly pause: () => void
  readonly resume: () => void
  readonly stop: () => Promise<void>
}

/**
 * Starts one that wants this password (of its user `default`; '': none), without persistence. `port`: one that was used
 * before. `more`: further arguments.
 */
export async function startRedis(
  password: string,
  port?: number,
  more: readonly string[] = [],
): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-redis-'))
  const own = port ?? (await freePort())
  const socket = join(dir, 'redis.sock')
  const options = { port: own, bind: '127.0.0.1', dir, unixsocket: socket, save: '', requirepass: password }
  const args = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)])
  const child = startChild(REDIS, [...args, ...more])
  const stop = async (): Promise<void> => {
    child.signal('SIGCONT')
    await child.stop()
    await rm(dir, { recursive: true, force: true })
  }
  try {
    await child.until(() => accepts(own))
  } catch (error) {
    await stop()
    throw error
  }
  const client = new Redis({ port: own, host: '127.0.0.1', password, protocol: 2, disableClientInfo: true })
  // It goes with its server.
  client.on('error', () => undefined)
  return {
    port: own,
    socket,
    client,
    pause: () => child.signal('SIGSTOP'),
    resume: () => child.signal('SIGCONT'),
    stop: async () => {
      client.disconnect()
      await stop()
    },
  }
}

export interface MemcachedServer {
  readonly port: number
  readonly stop: () => Promise<void>
}

/** Starts one on this or a free port. */
export async function startMemcached(port?: number): Promise<MemcachedServer> {
  const own = port ?? (await freePort())
  const child = startChild(MEMCACHED, [
    '-l',
    '127.0.0.1',
    '-p',
    String(own),
    '-U',
    '0',
    '-m',
    '8',
    '-u',
    userInfo().username,
  ])
  try {
    await child.until(() => accepts(own))
  } catch (error) {
    await child.stop()
    throw error
  }
  return { port: own, stop: () => child.stop() }
}
