/**
 * Comparisons of one lane that wait, in a tree of shares (share.ts):
 *
 *     lane > network, wide to narrow > pair's line: job job
 *          > contested > mailbox > network, wide to narrow > pair's line        (strangers alone)
 *
 * A mailbox that strangers try from several networks at once is contested: what comes for it from further networks
 * counts in one share with all contested mailboxes, which has the turns of one network. So a thousand networks that try
 * one mailbox, or many, do not take a thousand turns from those who try another; and whoever does it gains nothing but
 * that one share.
 */
import type { Ticket } from '../policy/ticket.ts'
import { activate, charge, costAhead, costBeside, countQueued, deactivate, enter, leave } from './share.ts'
import { Share } from './share.ts'
import { Line, type Shed, type Waiting } from './waiting.ts'

/** A mailbox is contested when strangers from so many networks (the widest named) have comparisons under way. */
const CONTESTED_NETWORKS = 4
const CONTESTED = 'contested'

/** Jobs of one pair that wait; identical ones have been made one before they come here. */
const MAX_LINE = 8

/** Lines looked at and put aside in one search for the next job; the others are looked at with the next. */
const MAX_PARKS = 64

/** What a job can lack when it is its turn. */
export type Scarce = 'memory' | 'long'

export interface LaneOptions {
  readonly isStrangers: boolean
  /** Jobs that wait; a quarter of them in one network of the widest named, an eighth in one within it, and so on. */
  readonly maxQueued: number
  /** Jobs of one pair that run at a time. */
  readonly maxRunningPerPair: number
}

export class Lane {
  readonly #options: LaneOptions
  readonly #root = new Share('', undefined)
  /** Lines with jobs that wait or run, by mailbox and network. */
  readonly #lines = new Map<string, Line>()
  readonly #parked: Readonly<Record<Scarce, Set<Line>>> = { memory: new Set(), long: new Set() }
  /** Mailbox -> widest network -> jobs that wait or run. */
  readonly #origins = new Map<string, Map<string, number>>()

  constructor(options: LaneOptions) {
    this.#options = options
  }

  get queued(): number {
    return this.#root.queued
  }

  get queuedMs(): number {
    return this.#root.queuedMs
  }

  isAwaited(scarce: Scarce): boolean {
    return this.#parked[scarce].size > 0
  }

  /** Why there is no room for another job of that ticket. */
  whyFull(ticket: Ticket): Shed | undefined {
    const { maxQueued } = this.#options
    if (this.#root.queued >= maxQueued) return 'lane_full'
    if ((this.#lines.get(pairOf(ticket))?.jobs.length ?? 0) >= MAX_LINE) return 'pair_full'
    let share = this.#root
    let maxOfShare = maxQueued / 4
    for (const name of this.#path(ticket)) {
      const child = share.children.get(name)
      if (!(child instanceof Share)) return undefined
      if (child.queued >= Math.max(1, Math.floor(maxOfShare))) return 'share_full'
      share = child
      maxOfShare /= 2
    }
    return undefined
  }

  /** Milliseconds of workers that start before another job of that ticket would, in this lane. */
  aheadOfNew(ticket: Ticket): number {
    const line = this.#lines.get(pairOf(ticket))
    if (line !== undefined) return costAhead(line, line.queuedMs)
    let share = this.#root
    for (const name of [...this.#path(ticket), lineName(ticket)]) {
      const child = share.children.get(name)
      if (child instanceof Line) return costAhead(child, 0)
      if (!(child instanceof Share)) break
      share = child
    }
    return costAhead(share, costBeside(share, undefined, share.virtualMs))
  }

  /** The same for a job that waits. */
  aheadOf(job: Waiting): number {
    const { line } = job
    return line === undefined ? 0 : costAhead(line, beforeInLine(job, line))
  }

  /** Milliseconds until its own pair lets it start, whatever others do: a pair does not run all at once. */
  pairDelayMs(ticket: Ticket, job?: Waiting): number {
    const line = this.#lines.get(pairOf(ticket))
    if (line === undefined) return 0
    return (job === undefined ? line.queuedMs : beforeInLine(job, line)) / this.#options.maxRunningPerPair
  }

  push(job: Waiting): void {
    const { ticket } = job
    const line = this.#lines.get(pairOf(ticket)) ?? this.#lineFor(ticket)
    this.#lines.set(pairOf(ticket), line)
    this.#countOrigin(ticket, 1)
    line.jobs.push(job)
    job.line = line
    enter(line)
    countQueued(line, 1, job.costMs)
    this.#refresh(line)
  }

  /** Takes the next job of those for which `lacks` finds nothing; what lacks something goes when there is some. */
  take(lacks: (job: Waiting) => Scarce | undefined): Waiting | undefined {
    for (const lines of Object.values(this.#parked)) {
      const [line] = lines
      const head = line?.jobs[0]
      if (line === undefined || head === undefined) continue
      if (line.running >= this.#options.maxRunningPerPair || lacks(head) !== undefined) continue
      lines.delete(line)
      line.isParked = false
      return this.#start(line, head)
    }
    for (let parks = 0; parks < MAX_PARKS; parks++) {
      const line = this.#firstLine()
      const head = line?.jobs[0]
      if (line === undefined || head === undefined) return undefined
      // Who waits for memory is not overtaken by those who need less: it would wait for ever.
      const isBehind = head.memoryKib > 0 && this.isAwaited('memory')
      const scarce = isBehind ? 'memory' : lacks(head)
      if (scarce === undefined) return this.#start(line, head)
      line.isParked = true
      this.#parked[scarce].add(line)
      this.#refresh(line)
    }
    return undefined
  }

  /** A job that waits is given up. */
  remove(job: Waiting): void {
    const { line } = job
    if (line === undefined) return
    const at = line.jobs.indexOf(job)
    if (at < 0) return
    line.jobs.splice(at, 1)
    countQueued(line, -1, job.costMs)
    // Another is first now, which may lack nothing.
    if (at === 0) this.#unpark(line)
    this.#left(job, line)
  }

  /** A job that was taken has ended. */
  done(job: Waiting): void {
    const { line } = job
    if (line === undefined) return
    line.running--
    this.#left(job, line)
  }

  #start(line: Line, head: Waiting): Waiting {
    line.jobs.shift()
    line.running++
    countQueued(line, -1, head.costMs)
    charge(line, head.costMs)
    this.#refresh(line)
    return head
  }

  #left(job: Waiting, line: Line): void {
    job.line = undefined
    this.#refresh(line)
    leave(line)
    if (line.inFlight === 0) this.#lines.delete(pairOf(job.ticket))
    this.#countOrigin(job.ticket, -1)
  }

  #unpark(line: Line): void {
    line.isParked = false
    for (const lines of Object.values(this.#parked)) lines.delete(line)
  }

  /** A line takes turns while its first job may start. */
  #refresh(line: Line): void {
    const { maxRunningPerPair } = this.#options
    if (line.jobs.length > 0 && line.running < maxRunningPerPair && !line.isParked) activate(line)
    else deactivate(line)
  }

  #firstLine(): Line | undefined {
    let turn = this.#root.active.peek()
    while (turn instanceof Share) turn = turn.active.peek()
    return turn instanceof Line ? turn : undefined
  }

  #path({ networks, mailbox }: Ticket): readonly string[] {
    const isContested = (this.#origins.get(mailbox)?.size ?? 0) >= CONTESTED_NETWORKS
    return isContested ? [CONTESTED, mailbox, ...networks] : networks
  }

  #lineFor(ticket: Ticket): Line {
    let share = this.#root
    for (const name of this.#path(ticket)) {
      const known = share.children.get(name)
      const child = known instanceof Share ? known : new Share(name, share)
      share.children.set(name, child)
      share = child
    }
    const name = lineName(ticket)
    const known = share.children.get(name)
    const line = known instanceof Line ? known : new Line(name, share)
    share.children.set(name, line)
    return line
  }

  #countOrigin({ mailbox, networks: [widest = ''] }: Ticket, by: 1 | -1): void {
    if (!this.#options.isStrangers) return
    const origins = this.#origins.get(mailbox) ?? new Map<string, number>()
    const count = (origins.get(widest) ?? 0) + by
    if (count > 0) origins.set(widest, count)
    else origins.delete(widest)
    if (origins.size > 0) this.#origins.set(mailbox, origins)
    else this.#origins.delete(mailbox)
  }
}

/** No network and no address has a space. */
function pairOf({ mailbox, networks }: Ticket): string {
  return `${mailbox} ${networks.at(-1) ?? ''}`
}

function lineName({ mailbox }: Ticket): string {
  return ` ${mailbox}`
}

function beforeInLine(job: Waiting, { jobs }: Line): number {
  let sumMs = 0
  for (const other of jobs) {
    if (other === job) break
    sumMs += other.costMs
  }
  return sumMs
}
