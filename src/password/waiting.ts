/** A comparison as the queue sees it: whose it is, what it costs, until when it must start. */
import type { Ticket } from '../policy/ticket.ts'
import type { HeapEntry } from './heap.ts'
import { Turn } from './share.ts'

/**
 * Why a comparison was not made. It is a metric's label.
 *
 * - `late`: its deadline had passed when it came
 * - `no_time`: by the estimate it could not be answered before its deadline
 * - `overtaken`: it waited, and by what came before it cannot be answered any more
 * - `lane_full`, `share_full`, `pair_full`: as many wait as may, of all, of its network, of its mailbox and network
 * - `fault`: it started, and a thread or memory was lost
 * - `closed`: the daemon stops
 */
export type Shed =
  'late' | 'no_time' | 'overtaken' | 'lane_full' | 'share_full' | 'pair_full' | 'fault' | 'closed'

export abstract class Waiting implements HeapEntry {
  readonly ticket: Ticket
  /** Estimated milliseconds of a worker. */
  readonly costMs: number
  /** Memory that is counted while it runs: argon2's; the others need next to none. */
  readonly memoryKib: number
  /** Monotonic. The following are the queue's. */
  queuedAtMs = 0
  startByMs = Infinity
  /** When it is looked at again. */
  checkAtMs = Infinity
  /** When it is expected to end, once it runs. */
  endsMs = 0
  line: Line | undefined
  heapAt = -1

  constructor(ticket: Ticket, costMs: number, memoryKib: number) {
    this.ticket = ticket
    this.costMs = costMs
    this.memoryKib = memoryKib
  }

  abstract start(): void
  abstract refuse(why: Shed): void
}

/** The jobs of one pair (mailbox and network), oldest first. */
export class Line extends Turn {
  readonly jobs: Waiting[] = []
  running = 0
  /** Its first job waits for memory or for others' long comparisons; it takes no turns meanwhile. */
  isParked = false
}
