/**
 * Worker threads that compute crypt(3) (worker.ts). A thread is started when a request finds none idle and ended when
 * nothing came for a while, so that an idle daemon has none. The caller bounds how many requests run at a time.
 *
 *     starting -> busy -> idle -> busy ... -> ended (idle too long, crashed, took too long, closed)
 */
import { Worker } from 'node:worker_threads'
import type { Cancel, Clock } from '../clock.ts'
import type { CryptReply, CryptRequest } from './worker.ts'

/** A thread ended before it answered: nothing is known of the password. */
export class ThreadLost extends Error {
  override readonly name = 'ThreadLost'
}

interface Thread {
  readonly worker: Worker
  /** Ends the request that runs on it, if one does. */
  settle: ((outcome: CryptReply | ThreadLost) => void) | null
  cancelTimer: Cancel
}

export interface CryptThreadsOptions {
  readonly clock: Clock
  /** An idle thread ends after this. */
  readonly idleMs: number
  /** A request that takes longer has lost its thread; over ten times what the dearest allowed hash takes. */
  readonly maxRunMs: number
  readonly script: URL
}

export class CryptThreads {
  readonly #options: CryptThreadsOptions
  readonly #all = new Set<Thread>()
  readonly #idle: Thread[] = []
  #closed = false

  constructor(options: CryptThreadsOptions) {
    this.#options = options
  }

  /** Threads that exist now. */
  get size(): number {
    return this.#all.size
  }

  /**
   * The hash text of `password` under `setting` (a hash or its beginning); null where it cannot be computed.
   *
   * @param password copied; the copy is moved to the thread and wiped there
   * @throws ThreadLost when the thread ends first
   */
  crypt(setting: string, password: Uint8Array): Promise<CryptReply> {
    if (this.#closed) return Promise.reject(new ThreadLost('closed'))
    return new Promise((resolve, reject) => {
      const thread = this.#idle.pop() ?? this.#start()
      thread.cancelTimer()
      thread.cancelTimer = this.#options.clock.after(this.#options.maxRunMs, () => void this.#end(thread))
      thread.settle = (outcome) => (outcome instanceof ThreadLost ? reject(outcome) : resolve(outcome))
      const copy = Uint8Array.from(password)
      const request: CryptRequest = { setting, password: copy }
      thread.worker.ref()
      thread.worker.postMessage(request, [copy.buffer])
    })
  }

  /** Ends all threads; requests that run on them are rejected. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#all].map((thread) => this.#end(thread)))
  }

  #start(): Thread {
    const worker = new Worker(this.#options.script, {
      name: 'password',
      env: threadEnvironment(),
      // Nothing of the parent's loaders or inspector; small heaps, for the work is in one buffer.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 },
    })
    const thread: Thread = { worker, settle: null, cancelTimer: () => {} }
    this.#all.add(thread)
    worker.on('message', (reply: CryptReply) => this.#rest(thread, reply))
    // 'exit' follows every 'error'; without a listener the error would end the process.
    worker.on('error', () => {})
    worker.on('exit', () => this.#forget(thread))
    return thread
  }

  #rest(thread: Thread, reply: CryptReply): void {
    const { settle } = thread
    thread.settle = null
    thread.cancelTimer()
    if (this.#all.has(thread)) {
      thread.worker.unref()
      thread.cancelTimer = this.#options.clock.after(this.#options.idleMs, () => void this.#end(thread))
      this.#idle.push(thread)
    }
    settle?.(reply)
  }

  #end(thread: Thread): Promise<number> {
    this.#forget(thread)
    return thread.worker.terminate()
  }

  #forget(thread: Thread): void {
    this.#all.delete(thread)
    const at = this.#idle.indexOf(thread)
    if (at >= 0) this.#idle.splice(at, 1)
    thread.cancelTimer()
    thread.settle?.(new ThreadLost('thread ended'))
    thread.settle = null
  }
}

/** Nothing but the compile cache: with it a thread starts in half the time and without a type stripper in memory. */
function threadEnvironment(): Record<string, string> {
  const { NODE_COMPILE_CACHE: cache } = process.env
  return cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }
}
