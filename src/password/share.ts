/**
 * Fair turns in a tree: each share (a network, a network in it, ... a pair) takes turns with those beside it by what
 * their jobs cost, not by their number. Start-time fair queueing (Goyal, Vin, Cheng 1996), at every level:
 *
 *     take:    of the shares that have something to start, the one with the smallest start tag;
 *              the parent's virtual time becomes that tag, the share's next start tag is tag + cost
 *     return:  a share that comes (back) starts at virtual time, or where it had got to, if that is later
 *
 * Of shares that always have something to start, none is ahead of another by more than one job's cost each. A share
 * that had its turn is remembered while it is ahead, so that coming back with one job at a time gains nothing.
 */
import { Heap, type HeapEntry } from './heap.ts'

/** Shares ahead of their turn that a parent remembers; those the least ahead are forgotten first. */
const MAX_AT_REST = 4096

/** What an estimate looks at of the shares beside one; more of them are rated by these. */
const MAX_SAMPLE = 64

/** What takes turns: a share with others in it, or a pair's line of jobs. */
export class Turn implements HeapEntry {
  readonly name: string
  readonly parent: Share | undefined
  /** In the parent's heap of those that have something to start. */
  isActive = false
  startTag = 0
  finishTag = 0
  /** Among equal tags who came first. */
  sequence = 0
  /** Jobs that wait in it, and what they cost together. */
  queued = 0
  queuedMs = 0
  /** Jobs that wait or run in it; with none it is at rest. */
  inFlight = 0
  heapAt = -1

  constructor(name: string, parent: Share | undefined) {
    this.name = name
    this.parent = parent
  }
}

export class Share extends Turn {
  readonly children = new Map<string, Turn>()
  readonly active = new Heap<Turn>((a, b) =>
    a.startTag === b.startTag ? a.sequence < b.sequence : a.startTag < b.startTag,
  )
  readonly atRest = new Heap<Turn>((a, b) => a.finishTag < b.finishTag)
  virtualMs = 0
  #sequence = 0

  /** The child's place behind those of its tag. */
  place(turn: Turn): void {
    turn.sequence = this.#sequence++
  }
}

/** Counts jobs that came to wait (1) or wait no more (-1) in the turn and all that it is in. */
export function countQueued(turn: Turn, by: 1 | -1, costMs: number): void {
  for (let at: Turn | undefined = turn; at !== undefined; at = at.parent) {
    at.queued += by
    // Sums of fractions drift: nothing waits, nothing costs.
    at.queuedMs = at.queued === 0 ? 0 : Math.max(0, at.queuedMs + by * costMs)
  }
}

/** A job came into the turn. */
export function enter(turn: Turn): void {
  for (let at: Turn | undefined = turn; at !== undefined; at = at.parent) {
    if (at.heapAt >= 0 && !at.isActive) at.parent?.atRest.remove(at)
    at.inFlight++
  }
}

/** A job of the turn was answered. What is at rest then is forgotten, or remembered while it is ahead. */
export function leave(turn: Turn): void {
  for (let at: Turn | undefined = turn; at !== undefined; at = at.parent) {
    at.inFlight--
    if (at.inFlight === 0) rest(at)
  }
}

/** It has something to start; it has been entered. */
export function activate(turn: Turn): void {
  for (let at = turn; at.parent !== undefined && !at.isActive; at = at.parent) {
    const { parent } = at
    at.isActive = true
    at.startTag = nextTag(at, parent)
    parent.place(at)
    parent.active.push(at)
  }
}

/** It has nothing to start any more. */
export function deactivate(turn: Turn): void {
  for (let at = turn; at.parent !== undefined && at.isActive; at = at.parent) {
    at.isActive = false
    at.parent.active.remove(at)
    if (at.parent.active.size > 0) return
  }
}

/** A job of the turn starts, which costs so much. */
export function charge(turn: Turn, costMs: number): void {
  for (let at = turn; at.parent !== undefined; at = at.parent) {
    const { parent } = at
    const tag = nextTag(at, parent)
    parent.virtualMs = Math.max(parent.virtualMs, tag)
    at.finishTag = tag + costMs
    if (at.isActive) {
      at.startTag = at.finishTag
      parent.place(at)
      parent.active.moved(at)
    }
    forgetCaughtUp(parent)
  }
}

/**
 * The cost of what starts before something that waits in `turn` behind `aheadMs` of the turn's own: in all that the
 * turn is in, as it is now. Costs at most 64 looks a level.
 */
export function costAhead(turn: Turn, aheadMs: number): number {
  let sumMs = aheadMs
  for (let at = turn; at.parent !== undefined; at = at.parent) {
    sumMs += costBeside(at.parent, at, nextTag(at, at.parent) + sumMs)
  }
  return sumMs
}

/** The cost of what starts in `share` up to a tag, but for what `itself` starts. */
export function costBeside({ active }: Share, itself: Turn | undefined, untilTag: number): number {
  const step = Math.max(1, Math.ceil(active.size / MAX_SAMPLE))
  let sumMs = 0
  let seen = 0
  for (let place = 0; place < active.size; place += step) {
    const other = active.at(place)
    seen++
    if (other === undefined || other === itself || other.startTag > untilTag) continue
    const oneMs = other.queuedMs / Math.max(1, other.queued)
    sumMs += Math.min(other.queuedMs, untilTag - other.startTag + oneMs)
  }
  return seen === 0 ? 0 : (sumMs * active.size) / seen
}

function nextTag(turn: Turn, parent: Share): number {
  return turn.isActive ? turn.startTag : Math.max(parent.virtualMs, turn.finishTag)
}

function rest(turn: Turn): void {
  if (turn instanceof Share) {
    turn.children.clear()
    turn.atRest.clear()
  }
  const { parent } = turn
  if (parent === undefined) return
  if (turn.finishTag <= parent.virtualMs) {
    parent.children.delete(turn.name)
    return
  }
  parent.atRest.push(turn)
  if (parent.atRest.size > MAX_AT_REST) forgetFirst(parent)
}

function forgetCaughtUp(share: Share): void {
  for (let first = share.atRest.peek(); first !== undefined; first = share.atRest.peek()) {
    if (first.finishTag > share.virtualMs) return
    forgetFirst(share)
  }
}

function forgetFirst(share: Share): void {
  const first = share.atRest.peek()
  if (first === undefined) return
  share.atRest.remove(first)
  share.children.delete(first.name)
}
