/** Starts listener-process.ts and talks to it. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export interface ListenerChild {
  readonly address: string
  /** Resident memory after a garbage collection, bytes. */
  rss(): Promise<number>
  /** Writes a heap snapshot, taken after a garbage collection, to `path`. */
  snapshot(path: string): Promise<void>
  stop(): Promise<void>
}

export async function startListener(maxConnections = 1000): Promise<ListenerChild> {
  const child = fork(join(import.meta.dirname, 'listener-process.ts'), ['listen', String(maxConnections)], {
    // Without a bound V8 lets the young generation grow for about 10 s under load, by 100 MB, and the kernel keeps
    // what it once was: a leak could not be told from it.
    execArgv: ['--expose-gc', '--max-semi-space-size=16'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const answer = async (key: string): Promise<unknown> => {
    const died = ended.then(([code]: unknown[]) => {
      throw new Error(`the listener's process ended with ${String(code)}`)
    })
    const [message]: unknown[] = await Promise.race([once(child, 'message'), died])
    if (typeof message !== 'object' || message === null) throw new Error('no message')
    return Object.entries(message).find(([name]) => name === key)?.[1]
  }
  const address = String(await answer('address'))
  return {
    address,
    async rss() {
      child.send('rss')
      return Number(await answer('rss'))
    },
    async snapshot(path) {
      child.send({ snapshot: path })
      await answer('snapshot')
    },
    async stop() {
      child.disconnect()
      await ended
    },
  }
}
