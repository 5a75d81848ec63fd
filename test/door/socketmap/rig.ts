/** A session without a socket: what it writes, what it asks, whether it closed; time moved by hand. */
import type { MapAnswer } from '../../../src/account/maps/lookup.ts'
import type { MapRequest } from '../../../src/door/socketmap/reply.ts'
import { MapSession, type Question } from '../../../src/door/socketmap/session.ts'
import { SWEEP_MS, Timetable } from '../../../src/timetable.ts'

/** A netstring of latin1 text. */
export function netstring(text: string): string {
  return `${text.length}:${text},`
}

/** The contents of netstrings, as latin1; throws where something is none. */
export function parseNetstrings(text: string): string[] {
  const contents: string[] = []
  for (let at = 0; at < text.length;) {
    const colon = text.indexOf(':', at)
    const end = colon + 1 + Number(text.slice(at, colon))
    if (colon === -1 || text.charAt(end) !== ',') throw new Error(`no netstring at ${at}: ${text}`)
    contents.push(text.slice(colon + 1, end))
    at = end + 1
  }
  return contents
}

/** Keys tell what is answered: `absent…`, `down…`, `later…` (not yet), anything else is found as itself. */
export function answerTo({ key }: MapRequest): MapAnswer | 'later' {
  if (key.startsWith('absent')) return { kind: 'absent' }
  if (key.startsWith('down')) return { kind: 'temp_fail', why: 'store_down' }
  return key.startsWith('later') ? 'later' : { kind: 'found', value: key }
}

export class MapRig {
  readonly timetable = new Timetable(0)
  readonly session: MapSession
  nowMs = 0
  /** As latin1. */
  output = ''
  /** undefined while open; what the client broke, or `` when the session ended by itself. */
  closed: string | undefined
  /** How often it said that there is room again. */
  readOns = 0
  readonly requests: MapRequest[] = []
  readonly statuses: string[] = []
  readonly #questions: Question[] = []

  constructor(options: { readonly maxPending?: number; readonly map?: string } = {}) {
    const map = options.map ?? 'map'
    this.session = new MapSession(
      { maxPending: options.maxPending ?? 100, timetable: this.timetable },
      {
        write: (text) => {
          if (this.closed !== undefined) throw new Error('written after close')
          this.output += Buffer.from(text).toString('latin1')
        },
        lookup: (question, request) => {
          this.requests.push(request)
          this.#questions.push(question)
          if (request.map !== map) return this.session.refuse(question, 'no such map', this.nowMs)
          const answer = answerTo(request)
          if (answer !== 'later') this.session.answer(question, answer, this.nowMs)
        },
        answered: (_question, { status }) => this.statuses.push(status),
        readOn: () => {
          this.readOns += 1
        },
        close: (broken) => {
          if (this.closed !== undefined) throw new Error('closed twice')
          this.closed = broken ?? ''
        },
      },
    )
  }

  /** Sends latin1 text; gives how many bytes were taken. */
  send(text: string): number {
    return this.session.receive(Buffer.from(text, 'latin1'), this.nowMs)
  }

  /** Answers the look-up asked as number `index`. */
  answer(index: number, answer: MapAnswer): void {
    const question = this.#questions[index]
    if (question === undefined) throw new Error(`no look-up ${index}`)
    this.session.answer(question, answer, this.nowMs)
  }

  replies(): string[] {
    return parseNetstrings(this.output)
  }

  /** Moves on, sweeping as a listener does. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms
    while (this.nowMs < untilMs) {
      this.nowMs = Math.min(untilMs, this.nowMs + SWEEP_MS)
      this.timetable.sweep(this.nowMs)
    }
  }
}
