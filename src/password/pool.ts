/**
 * The password pool: compares a stored hash with a password, the slow schemes off the calling thread, a bounded number
 * at a time. It knows what a ticket says of lane, networks, mailbox and deadline and what a comparison costs, nothing
 * else.
 *
 *     verify -> (immediate answer) | queue (queue.ts) -> running -> answer
 *                                    no room, no time -> 'busy'
 */
import { setImmediate } from 'node:timers/promises'
import type { Cancel, Clock } from '../clock.ts'
import type { HashAnswer, HashFacts, HashInspector, HashVerifier } from '../credential/hash-verifier.ts'
import type { Ticket } from '../policy/ticket.ts'
import type { Secret } from '../secret.ts'
import { verifyArgon2 } from './argon2.ts'
import { loadNativeBcrypt, verifyBcrypt, type Bcrypt, type NativeBcrypt } from './bcrypt.ts'
import { readAllowed, type Slow, type WorkerCrypt } from './comparison.ts'
import { Costs } from './cost.ts'
import { equalBytes } from './equal.ts'
import { inspectHash } from './inspect.ts'
import { countComparison, Job } from './job.ts'
import { MAX_PASSWORD_BYTES } from './limits.ts'
import { verifyPbkdf2 } from './pbkdf2.ts'
import { JobQueue } from './queue.ts'
import { threadpoolSize, workersOf } from './threadpool.ts'
import { CryptThreads } from './threads.ts'
import { isUnusable, unusable } from './unusable.ts'
import type { Shed } from './waiting.ts'

export interface PasswordPoolOptions {
  /** Whether hashes of weak schemes (unsalted, DES, MD5, plain text) may match. */
  readonly allowWeak: boolean
  /**
   * Memory that argon2 comparisons may use together. One that does not fit beside those that run waits for them; one
   * that needs more than all of it is unusable, so that the figure is a promise to the machine's owner.
   */
  readonly argon2MemoryMib: number
  /** Comparisons at a time; 0: one for each core. Some of libuv's threads are left free in any case. */
  readonly workers: number
  readonly clock: Clock
  readonly metrics?: PasswordMetrics
  /** libuv's threads; as the process was started, unless given. */
  readonly threadpool?: number
  /** Waiting comparisons for each lane; parts of it for a network, see lane.ts. */
  readonly maxQueuedPerLane?: number
  /** A worker thread ends when nothing came for this long. */
  readonly threadIdleMs?: number
  /** The script of worker threads, and the native bcrypt (null: none): for tests. */
  readonly threadScript?: URL
  readonly nativeBcrypt?: NativeBcrypt | null
}

/** What is counted of each slow comparison. */
export interface PasswordMetrics {
  /** It starts, having waited so long. */
  recordPasswordWait(lane: Ticket['lane'], waitMs: number): void
  recordPasswordShed(lane: Ticket['lane'], why: Shed): void
}

/** Figures for metrics and status. `busy`, `failed` and `done` are since the start, the others of now. */
export interface PasswordPoolFigures {
  readonly workers: number
  readonly running: number
  readonly queued: Readonly<Record<Ticket['lane'], number>>
  /** What somebody would wait who comes now, from a network of which nothing waits. */
  readonly waitMs: Readonly<Record<Ticket['lane'], number>>
  readonly threads: number
  readonly argon2MemoryKib: number
  /** Slow comparisons that came to an answer other than busy. */
  readonly done: number
  readonly busy: number
  /** Slow comparisons that failed for a fault of ours, such as a lost thread; they were answered busy. */
  readonly failed: number
}

export interface PasswordPool extends HashVerifier, HashInspector {
  figures(): PasswordPoolFigures
  /** Answers what waits or runs in a worker thread with busy, and ends the threads. Slow comparisons are busy then. */
  close(): Promise<void>
}

/** 10 MB at most, with the longest passwords. */
const MAX_QUEUED_PER_LANE = 10_000
const THREAD_IDLE_MS = 30_000
const MAX_RUN_MS = 60_000
const CLOSED_AT_ONCE = 100

export function createPasswordPool(options: PasswordPoolOptions): PasswordPool {
  return new Pool(options)
}

/** Whose wait the figures tell. */
const NEWCOMER = { networks: [], mailbox: '', delayMs: 0, deadlineMs: Infinity }

class Pool implements PasswordPool {
  readonly #options: PasswordPoolOptions
  readonly #workers: number
  readonly #queue: JobQueue
  readonly #costs = new Costs()
  readonly #threads: CryptThreads
  readonly #nativeBcrypt: Promise<NativeBcrypt | null>
  readonly #ends = {
    run: (job: Job): void => void this.#run(job),
    shed: (job: Job, why: Shed): void => this.#shed(job, why),
  }
  #done = 0
  #busy = 0
  #failed = 0
  #closed = false
  #checkAtMs = Infinity
  #cancelCheck: Cancel = () => {}

  constructor(options: PasswordPoolOptions) {
    this.#options = options
    this.#workers = workersOf(options.workers, options.threadpool ?? threadpoolSize(process.env))
    this.#queue = new JobQueue({
      workers: this.#workers,
      memoryKib: options.argon2MemoryMib * 1024,
      maxQueuedPerLane: options.maxQueuedPerLane ?? MAX_QUEUED_PER_LANE,
    })
    this.#threads = new CryptThreads({
      clock: options.clock,
      idleMs: options.threadIdleMs ?? THREAD_IDLE_MS,
      maxRunMs: MAX_RUN_MS,
      script: options.threadScript ?? new URL('./worker.ts', import.meta.url),
    })
    // At start, not at the first login: loading a native module takes milliseconds of the event loop.
    this.#nativeBcrypt =
      options.nativeBcrypt === undefined ? loadNativeBcrypt() : Promise.resolve(options.nativeBcrypt)
  }

  verify(hash: string, secret: Secret, ticket: Ticket): HashAnswer | Promise<HashAnswer> {
    const comparison = readAllowed(hash, this.#options)
    if (isUnusable(comparison)) return comparison
    if (secret.byteLength > MAX_PASSWORD_BYTES) return 'mismatch'
    if (comparison.kind === 'immediate') {
      countComparison(ticket, 1)
      return comparison.compare(secret.reveal()) ? 'match' : 'mismatch'
    }
    // crypt(3) ends a password at its first NUL: `right\0anything` would match, and with bcrypt, which repeats
    // password and NUL, so would `right\0right`. The other schemes are of bytes.
    if (isCrypt(comparison) && secret.reveal().includes(0)) return 'mismatch'
    return this.#enqueue(comparison, secret, ticket)
  }

  inspect(hash: string): HashFacts {
    return inspectHash(hash, this.#options)
  }

  figures(): PasswordPoolFigures {
    const nowMs = this.#options.clock.monotonicMs()
    const waitMs = (lane: Ticket['lane']): number =>
      Math.round(this.#queue.waitMs({ ...NEWCOMER, lane }, 0, nowMs))
    return {
      workers: this.#workers,
      running: this.#queue.running,
      queued: { known: this.#queue.queued('known'), stranger: this.#queue.queued('stranger') },
      waitMs: { known: waitMs('known'), stranger: waitMs('stranger') },
      threads: this.#threads.size,
      argon2MemoryKib: this.#queue.memoryKib,
      done: this.#done,
      busy: this.#busy,
      failed: this.#failed,
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelCheck()
    const ending = this.#threads.close()
    // Each answer ends a login: ten thousand at once would block for a quarter of a second.
    for (
      let jobs = this.#queue.clear(CLOSED_AT_ONCE);
      jobs.length > 0;
      jobs = this.#queue.clear(CLOSED_AT_ONCE)
    ) {
      for (const job of jobs) job.refuse('closed')
      await setImmediate()
    }
    await ending
  }

  #enqueue(comparison: Slow, secret: Secret, ticket: Ticket): HashAnswer | Promise<HashAnswer> {
    const password = Buffer.allocUnsafeSlow(secret.byteLength)
    password.set(secret.reveal())
    const { promise, resolve } = Promise.withResolvers<HashAnswer>()
    const costMs = this.#costs.estimate(comparison, password.length)
    const job = new Job({ comparison, password, ticket, costMs, answer: resolve }, this.#ends)
    const why = this.#closed ? 'closed' : this.#queue.push(job, this.#options.clock.monotonicMs())
    if (why !== undefined) {
      job.refuse(why)
      return 'busy'
    }
    this.#startNext()
    return promise
  }

  #startNext(): void {
    if (this.#closed) return
    const queue = this.#queue
    const nowMs = this.#options.clock.monotonicMs()
    for (const job of queue.check(nowMs)) job.refuse('overtaken')
    for (let job = queue.take(nowMs); job !== undefined; job = queue.take(nowMs)) job.start()
    this.#checkBy(queue.nextCheckMs)
  }

  async #run(job: Job): Promise<void> {
    const { comparison, password, ticket, queuedAtMs } = job
    const { clock, metrics } = this.#options
    const startedMs = clock.monotonicMs()
    metrics?.recordPasswordWait(ticket.lane, startedMs - queuedAtMs)
    countComparison(ticket, 1)
    let answer: HashAnswer
    try {
      answer = await this.#compare(comparison, password)
      this.#done++
      this.#costs.measured(comparison, password.length, clock.monotonicMs() - startedMs)
    } catch {
      // A lost thread, or no memory for argon2: nothing was found out.
      answer = 'busy'
      countComparison(ticket, -1)
      this.#failed++
      metrics?.recordPasswordShed(ticket.lane, 'fault')
    }
    this.#queue.done(job)
    password.fill(0)
    job.answer(answer)
    this.#startNext()
  }

  async #compare(comparison: Slow, password: Buffer): Promise<HashAnswer> {
    switch (comparison.kind) {
      case 'bcrypt': {
        const native = await this.#nativeBcrypt
        if (native === null) return this.#compareInThread(comparison, comparison.text, password)
        return (await verifyBcrypt(native, password, comparison)) ? 'match' : 'mismatch'
      }
      case 'argon2i':
      case 'argon2id':
        return (await verifyArgon2(password, comparison)) ? 'match' : 'mismatch'
      case 'pbkdf2':
        return (await verifyPbkdf2(password, comparison)) ? 'match' : 'mismatch'
      case 'sha256-crypt':
      case 'sha512-crypt':
      case 'md5-crypt':
      case 'des-crypt':
        return this.#compareInThread(comparison, comparison.setting + comparison.digest, password)
    }
  }

  async #compareInThread(
    comparison: Bcrypt | WorkerCrypt,
    text: string,
    password: Buffer,
  ): Promise<HashAnswer> {
    const computed = await this.#threads.crypt(text, password)
    if (computed !== null) return equalBytes(Buffer.from(computed), Buffer.from(text)) ? 'match' : 'mismatch'
    return unusable(
      comparison.kind === 'bcrypt' ? 'BLF-CRYPT needs its native build for this password' : 'malformed hash',
    )
  }

  #shed(job: Job, why: Shed): void {
    this.#busy++
    this.#options.metrics?.recordPasswordShed(job.ticket.lane, why)
    job.password.fill(0)
    job.answer('busy')
  }

  /** One timer for all waiting jobs: it fires when the first of them is due to be looked at. */
  #checkBy(atMs: number): void {
    if (this.#closed || atMs >= this.#checkAtMs) return
    this.#cancelCheck()
    this.#checkAtMs = atMs
    const delayMs = Math.min(60_000, Math.max(1, atMs - this.#options.clock.monotonicMs()))
    this.#cancelCheck = this.#options.clock.after(delayMs, () => {
      this.#checkAtMs = Infinity
      this.#startNext()
    })
  }
}

function isCrypt({ kind }: Slow): boolean {
  return kind === 'bcrypt' || kind.endsWith('-crypt')
}
