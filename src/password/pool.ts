/**
 * The password pool: compares a stored hash with a password, the slow schemes off the calling thread, a bounded number
 * at a time. It knows what a ticket says of lane, share and deadline and what a comparison costs in memory, nothing
 * else.
 *
 *     verify -> (immediate answer) | queue -> running -> answer
 *                                    full, or deadline passed while waiting -> 'busy'
 */
import { availableParallelism } from 'node:os'
import type { Cancel, Clock } from '../clock.ts'
import type { HashAnswer, HashFacts, HashInspector, HashVerifier } from '../credential/hash-verifier.ts'
import type { Ticket } from '../policy/ticket.ts'
import type { Secret } from '../secret.ts'
import { verifyArgon2 } from './argon2.ts'
import { loadNativeBcrypt, verifyBcrypt, type Bcrypt, type NativeBcrypt } from './bcrypt.ts'
import { readAllowed, type Slow, type WorkerCrypt } from './comparison.ts'
import { equalBytes } from './equal.ts'
import { inspectHash } from './inspect.ts'
import { MAX_PASSWORD_BYTES } from './limits.ts'
import { verifyPbkdf2 } from './pbkdf2.ts'
import { JobQueue } from './queue.ts'
import { CryptThreads } from './threads.ts'
import { isUnusable, unusable } from './unusable.ts'

export interface PasswordPoolOptions {
  /** Whether hashes of weak schemes (unsalted, DES, MD5, plain text) may match. */
  readonly allowWeak: boolean
  /**
   * Memory that argon2 comparisons may use together. One that does not fit beside those that run waits for them; one
   * that needs more than all of it is unusable, so that the figure is a promise to the machine's owner.
   */
  readonly argon2MemoryMib: number
  /** Comparisons at a time; 0: one for each core. */
  readonly workers: number
  readonly clock: Clock
  /** Waiting comparisons for each lane; a quarter of it for one share. */
  readonly maxQueuedPerLane?: number
  /** A worker thread ends when nothing came for this long. */
  readonly threadIdleMs?: number
  /** The script of worker threads, and the native bcrypt (null: none): for tests. */
  readonly threadScript?: URL
  readonly nativeBcrypt?: NativeBcrypt | null
}

/** Figures for metrics. `running` to `argon2MemoryKib` are of now, the others since the start. */
export interface PasswordPoolFigures {
  readonly running: number
  readonly queued: number
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

interface Job {
  readonly comparison: Slow
  /** Our own copy, wiped after the comparison: the caller may wipe its secret at any time. */
  readonly password: Buffer
  readonly ticket: Ticket
  readonly answer: (answer: HashAnswer) => void
}

const MAX_QUEUED_PER_LANE = 512
const THREAD_IDLE_MS = 30_000
const MAX_RUN_MS = 60_000

export function createPasswordPool(options: PasswordPoolOptions): PasswordPool {
  return new Pool(options)
}

class Pool implements PasswordPool {
  readonly #options: PasswordPoolOptions
  readonly #maxRunning: number
  readonly #queue: JobQueue<Job>
  readonly #threads: CryptThreads
  readonly #nativeBcrypt: Promise<NativeBcrypt | null>
  #running = 0
  #argon2MemoryKib = 0
  #done = 0
  #busy = 0
  #failed = 0
  #closed = false
  #sweepAtMs = Infinity
  #cancelSweep: Cancel = () => {}

  constructor(options: PasswordPoolOptions) {
    this.#options = options
    this.#maxRunning = options.workers > 0 ? options.workers : availableParallelism()
    this.#queue = new JobQueue(options.maxQueuedPerLane ?? MAX_QUEUED_PER_LANE)
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
    if (comparison.kind === 'immediate') return comparison.compare(secret.reveal()) ? 'match' : 'mismatch'
    // crypt(3) ends a password at its first NUL: `right\0anything` would match, and with bcrypt, which repeats
    // password and NUL, so would `right\0right`. The other schemes are of bytes.
    if (isCrypt(comparison) && secret.reveal().includes(0)) return 'mismatch'
    return this.#enqueue(comparison, secret, ticket)
  }

  inspect(hash: string): HashFacts {
    return inspectHash(hash, this.#options)
  }

  figures(): PasswordPoolFigures {
    return {
      running: this.#running,
      queued: this.#queue.size,
      threads: this.#threads.size,
      argon2MemoryKib: this.#argon2MemoryKib,
      done: this.#done,
      busy: this.#busy,
      failed: this.#failed,
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelSweep()
    for (const job of this.#queue.expire(Infinity)) this.#refuse(job)
    await this.#threads.close()
  }

  #enqueue(comparison: Slow, secret: Secret, ticket: Ticket): HashAnswer | Promise<HashAnswer> {
    if (this.#closed || ticket.deadlineMs <= this.#options.clock.monotonicMs()) {
      this.#busy++
      return 'busy'
    }
    const password = Buffer.allocUnsafeSlow(secret.byteLength)
    password.set(secret.reveal())
    const answer = Promise.withResolvers<HashAnswer>()
    const job: Job = { comparison, password, ticket, answer: answer.resolve }
    if (this.#queue.push(job)) {
      this.#startNext()
      this.#sweepBy(ticket.deadlineMs)
    } else {
      this.#refuse(job)
    }
    return answer.promise
  }

  #startNext(): void {
    // Once an argon2 job does not fit, none that comes later in turn may overtake it: it would wait for ever.
    let isMemoryAwaited = false
    const mayStart = (job: Job): boolean => {
      const memoryKib = memoryKibOf(job.comparison)
      if (memoryKib === 0) return true
      const fits = this.#argon2MemoryKib + memoryKib <= this.#options.argon2MemoryMib * 1024
      if (!fits) isMemoryAwaited = true
      return fits && !isMemoryAwaited
    }
    while (this.#running < this.#maxRunning) {
      const job = this.#queue.take(mayStart)
      if (job === undefined) return
      if (job.ticket.deadlineMs <= this.#options.clock.monotonicMs()) this.#refuse(job)
      else void this.#run(job)
    }
  }

  async #run(job: Job): Promise<void> {
    const memoryKib = memoryKibOf(job.comparison)
    this.#running++
    this.#argon2MemoryKib += memoryKib
    let answer: HashAnswer
    try {
      answer = await this.#compare(job.comparison, job.password)
      this.#done++
    } catch {
      // A lost thread, or no memory for argon2: nothing was found out.
      answer = 'busy'
      this.#failed++
    }
    this.#running--
    this.#argon2MemoryKib -= memoryKib
    job.password.fill(0)
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

  #refuse(job: Job): void {
    this.#busy++
    job.password.fill(0)
    job.answer('busy')
  }

  /** One timer for all waiting jobs: it fires at the earliest deadline. */
  #sweepBy(deadlineMs: number): void {
    if (this.#queue.size === 0 || deadlineMs >= this.#sweepAtMs) return
    this.#cancelSweep()
    this.#sweepAtMs = deadlineMs
    const delayMs = Math.min(60_000, Math.max(1, deadlineMs - this.#options.clock.monotonicMs()))
    this.#cancelSweep = this.#options.clock.after(delayMs, () => {
      this.#sweepAtMs = Infinity
      for (const job of this.#queue.expire(this.#options.clock.monotonicMs())) this.#refuse(job)
      this.#sweepBy(this.#queue.earliestDeadlineMs())
    })
  }
}

function isCrypt({ kind }: Slow): boolean {
  return kind === 'bcrypt' || kind.endsWith('-crypt')
}

/** Memory that is counted while the comparison runs: argon2's; the others need next to none. */
function memoryKibOf(comparison: Slow): number {
  return 'memoryKib' in comparison ? comparison.memoryKib : 0
}
