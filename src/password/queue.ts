/**
 * The order in which slow comparisons start. Known users go before strangers, but one start in four is a stranger's
 * where one waits; within a lane the shares (networks) take turns, so that a flood from one network delays itself.
 *
 *     lane known    { share a: job job job   share b: job }      -> a b a a ...
 *     lane stranger { share c: job ... }
 *
 * Bounded: a lane holds `maxPerLane` jobs, one share a quarter of that.
 */
import type { Ticket } from '../policy/ticket.ts'

export interface Queued {
  readonly ticket: Ticket
}

/** Jobs of one lane: share -> waiting jobs, oldest first. The map's order is whose turn it is. */
class Lane<J extends Queued> {
  readonly #shares = new Map<string, J[]>()
  size = 0

  push(job: J, maxJobs: number, maxOfShare: number): boolean {
    const name = job.ticket.networks.at(-1) ?? ''
    const share = this.#shares.get(name) ?? []
    if (this.size >= maxJobs || share.length >= maxOfShare) return false
    share.push(job)
    this.#shares.set(name, share)
    this.size++
    return true
  }

  /** The next job that `mayStart`, by turns. */
  take(mayStart: (job: J) => boolean): J | undefined {
    for (const [share, jobs] of this.#shares) {
      const at = jobs.findIndex(mayStart)
      const [job] = at < 0 ? [] : jobs.splice(at, 1)
      if (job === undefined) continue
      this.size--
      this.#shares.delete(share)
      if (jobs.length > 0) this.#shares.set(share, jobs)
      return job
    }
    return undefined
  }

  *[Symbol.iterator](): Generator<J> {
    for (const jobs of this.#shares.values()) yield* jobs
  }
}

export class JobQueue<J extends Queued> {
  readonly #lanes = { known: new Lane<J>(), stranger: new Lane<J>() }
  readonly #maxPerLane: number
  #knownInARow = 0

  constructor(maxPerLane: number) {
    this.#maxPerLane = maxPerLane
  }

  get size(): number {
    return this.#lanes.known.size + this.#lanes.stranger.size
  }

  /** False where the job's lane or its share in it is full. */
  push(job: J): boolean {
    const maxOfShare = Math.max(1, Math.floor(this.#maxPerLane / 4))
    return this.#lanes[job.ticket.lane].push(job, this.#maxPerLane, maxOfShare)
  }

  /** Removes and gives the next job of those that `mayStart`. */
  take(mayStart: (job: J) => boolean): J | undefined {
    const { known, stranger } = this.#lanes
    const [first, second] = this.#knownInARow >= 3 ? [stranger, known] : [known, stranger]
    const fromFirst = first.take(mayStart)
    const job = fromFirst ?? second.take(mayStart)
    if (job === undefined) return undefined
    this.#knownInARow = job.ticket.lane === 'known' ? this.#knownInARow + 1 : 0
    return job
  }

  /** Removes and gives all jobs whose deadline is not after `nowMs` (monotonic). */
  expire(nowMs: number): J[] {
    const late: J[] = []
    const isLate = (job: J): boolean => job.ticket.deadlineMs <= nowMs
    for (const lane of Object.values(this.#lanes)) {
      for (let job = lane.take(isLate); job !== undefined; job = lane.take(isLate)) late.push(job)
    }
    return late
  }

  /** The earliest deadline of all waiting jobs (monotonic milliseconds), Infinity where none waits. */
  earliestDeadlineMs(): number {
    let earliest = Infinity
    for (const lane of Object.values(this.#lanes)) {
      for (const job of lane) earliest = Math.min(earliest, job.ticket.deadlineMs)
    }
    return earliest
  }
}
