/**
 * The order in which slow comparisons start, how many at a time, and which are refused because they could not be
 * answered in time. It is bounded by waiting time: what waits has, by the estimate, time enough.
 *
 *     push > refused at once (no room, no time)
 *          > waits > started, in turn
 *                  > refused as soon as it is clear that it would start too late
 *
 * Known users go before strangers. While known users wait, too, strangers have one start in four, and no more than a
 * quarter of the work. Within a lane shares take turns (lane.ts).
 */
import type { Ticket } from '../policy/ticket.ts'
import { Heap } from './heap.ts'
import { Lane, type Scarce } from './lane.ts'
import type { Shed, Waiting } from './waiting.ts'

export interface JobQueueOptions {
  /** Comparisons at a time. */
  readonly workers: number
  /** Memory of argon2 comparisons that run at a time. */
  readonly memoryKib: number
  readonly maxQueuedPerLane: number
}

type LaneName = Ticket['lane']

/** Of strangers' comparisons over this, one worker is kept free, where there are several: known users come. */
const LONG_MS = 500

/** While both wait, this many known users start, or this much work of theirs is done, for one of a stranger. */
const KNOWN_TO_STRANGERS = 3

/** A job that waits is looked at again after half of the time it has left, but not sooner than this. */
const MIN_CHECK_MS = 100

/** Looks in one go; the others are due still. */
const MAX_CHECKS = 256

/** An estimate beyond the deadline by this part of the time left is believed of a job that was let in. */
const TOLERANCE = 0.25

export class JobQueue {
  readonly #options: JobQueueOptions
  readonly #lanes: Readonly<Record<LaneName, Lane>>
  readonly #checks = new Heap<Waiting>((a, b) => a.checkAtMs < b.checkAtMs)
  #running = 0
  /** Sum of the times at which those that run are expected to end. */
  #runningEndsMs = 0
  #memoryKib = 0
  #longStrangers = 0
  #knownInARow = 0
  #strangersDebtMs = 0

  constructor(options: JobQueueOptions) {
    this.#options = options
    // Two, and never all workers: one pair does not keep others waiting until both of its comparisons end.
    const maxRunningPerPair = Math.min(2, Math.max(1, options.workers - 1))
    const lane = (isStrangers: boolean): Lane =>
      new Lane({ isStrangers, maxQueued: options.maxQueuedPerLane, maxRunningPerPair })
    this.#lanes = { known: lane(false), stranger: lane(true) }
  }

  get running(): number {
    return this.#running
  }

  get memoryKib(): number {
    return this.#memoryKib
  }

  queued(lane: LaneName): number {
    return this.#lanes[lane].queued
  }

  /** When `check` has something to look at (monotonic milliseconds); Infinity where nothing waits. */
  get nextCheckMs(): number {
    return this.#checks.peek()?.checkAtMs ?? Infinity
  }

  /** Puts a job in; or says why not, and has nothing to do with it. */
  push(job: Waiting, nowMs: number): Shed | undefined {
    const { ticket, costMs } = job
    const { deadlineMs } = ticket
    if (deadlineMs <= nowMs) return 'late'
    const lane = this.#lanes[ticket.lane]
    const full = lane.whyFull(ticket)
    if (full !== undefined) return full
    const waitMs = Math.max(this.waitMs(ticket, costMs, nowMs), lane.pairDelayMs(ticket))
    if (waitMs > 0 && nowMs + waitMs + costMs > deadlineMs) return 'no_time'
    job.queuedAtMs = nowMs
    // What starts at once is tried however long it may take: nobody else can do it sooner.
    job.startByMs = waitMs > 0 ? deadlineMs - costMs : deadlineMs
    job.checkAtMs = nextCheckMs(job, nowMs)
    this.#checks.push(job)
    lane.push(job)
    return undefined
  }

  /** How long another job would wait by what waits and runs now; milliseconds. */
  waitMs(ticket: Ticket, costMs: number, nowMs: number): number {
    if (this.#running < this.#options.workers && this.#queued === 0) return 0
    return this.#waitMs(ticket.lane, this.#lanes[ticket.lane].aheadOfNew(ticket), costMs, nowMs)
  }

  /** Takes the next job to start, if one may; `done` must be called with it. */
  take(nowMs: number): Waiting | undefined {
    if (this.#running >= this.#options.workers) return undefined
    const order = this.#isStrangersTurn()
      ? (['stranger', 'known'] as const)
      : (['known', 'stranger'] as const)
    for (const name of order) {
      const job = this.#lanes[name].take((candidate) => this.#lacks(candidate))
      if (job === undefined) continue
      this.#checks.remove(job)
      this.#started(job, nowMs)
      return job
    }
    return undefined
  }

  /** A job that was taken has ended. */
  done(job: Waiting): void {
    this.#lanes[job.ticket.lane].done(job)
    this.#running--
    this.#runningEndsMs = this.#running === 0 ? 0 : this.#runningEndsMs - job.endsMs
    this.#memoryKib -= job.memoryKib
    if (isLongStranger(job)) this.#longStrangers--
  }

  /** Removes and gives the jobs that cannot be answered in time any more, of those that are due to be looked at. */
  check(nowMs: number): Waiting[] {
    const late: Waiting[] = []
    for (let looks = 0; looks < MAX_CHECKS && this.nextCheckMs <= nowMs; looks++) {
      const job = this.#checks.peek()
      if (job === undefined) break
      if (this.#isHopeless(job, nowMs)) {
        this.#remove(job)
        late.push(job)
      } else {
        job.checkAtMs = nextCheckMs(job, nowMs)
        this.#checks.moved(job)
      }
    }
    return late
  }

  /** Removes and gives what waits, at most so many. */
  clear(most: number): Waiting[] {
    const jobs: Waiting[] = []
    for (let job = this.#checks.peek(); job !== undefined && jobs.length < most; job = this.#checks.peek()) {
      this.#remove(job)
      jobs.push(job)
    }
    return jobs
  }

  get #queued(): number {
    return this.#lanes.known.queued + this.#lanes.stranger.queued
  }

  #remove(job: Waiting): void {
    this.#checks.remove(job)
    this.#lanes[job.ticket.lane].remove(job)
  }

  #isHopeless(job: Waiting, nowMs: number): boolean {
    if (job.startByMs < nowMs) return true
    const { ticket, costMs } = job
    const lane = this.#lanes[ticket.lane]
    const waitMs = Math.max(
      this.#waitMs(ticket.lane, lane.aheadOf(job), costMs, nowMs),
      lane.pairDelayMs(ticket, job),
    )
    return waitMs > (job.startByMs - nowMs) * (1 + TOLERANCE)
  }

  /** Of the other lane as much goes before as the lanes' turns allow. */
  #waitMs(name: LaneName, aheadMs: number, costMs: number, nowMs: number): number {
    const otherMs =
      name === 'known'
        ? Math.min(this.#lanes.stranger.queuedMs, aheadMs / KNOWN_TO_STRANGERS)
        : Math.min(this.#lanes.known.queuedMs, (aheadMs + costMs) * KNOWN_TO_STRANGERS)
    const runningMs = Math.max(0, this.#runningEndsMs - this.#running * nowMs)
    return (runningMs + aheadMs + otherMs) / this.#options.workers
  }

  #isStrangersTurn(): boolean {
    return this.#knownInARow >= KNOWN_TO_STRANGERS && this.#strangersDebtMs <= 0
  }

  #started(job: Waiting, nowMs: number): void {
    this.#running++
    job.endsMs = nowMs + job.costMs
    this.#runningEndsMs += job.endsMs
    this.#memoryKib += job.memoryKib
    if (isLongStranger(job)) this.#longStrangers++
    const { known, stranger } = this.#lanes
    if (job.ticket.lane === 'stranger') {
      this.#knownInARow = 0
      this.#strangersDebtMs = known.queued === 0 ? 0 : job.costMs * KNOWN_TO_STRANGERS
    } else {
      this.#knownInARow = stranger.queued === 0 ? 0 : this.#knownInARow + 1
      this.#strangersDebtMs = Math.max(0, this.#strangersDebtMs - job.costMs)
    }
  }

  #lacks(job: Waiting): Scarce | undefined {
    const { workers, memoryKib } = this.#options
    if (isLongStranger(job) && workers > 1 && this.#longStrangers >= workers - 1) return 'long'
    if (job.memoryKib === 0) return undefined
    if (this.#memoryKib + job.memoryKib > memoryKib) return 'memory'
    return job.ticket.lane === 'stranger' && this.#lanes.known.isAwaited('memory') ? 'memory' : undefined
  }
}

function isLongStranger({ ticket, costMs }: Waiting): boolean {
  return ticket.lane === 'stranger' && costMs > LONG_MS
}

function nextCheckMs({ startByMs }: Waiting, nowMs: number): number {
  if (startByMs === Infinity) return Infinity
  // At the time itself it may still start.
  return Math.min(startByMs + 1, nowMs + Math.max(MIN_CHECK_MS, (startByMs - nowMs) / 2))
}
