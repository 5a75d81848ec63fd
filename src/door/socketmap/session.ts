/**
 * The server's side of one socketmap connection, without I/O: bytes in, effects out.
 *
 *   request --lookup--> waiting --answer, or 7.8 s: TEMP--> answered --all before it are--> written
 *
 * Requests may be pipelined; they are looked up side by side and answered in their order, since a reply carries no id.
 * Beyond `maxPending` of them nothing is read until one is written. What is no netstring ends the connection: there is
 * no telling where the next request begins. Silence does not: Postfix keeps a connection, and closes it itself.
 */
import type { MapAnswer } from '../../account/maps/lookup.ts'
import { ANSWER_WITHIN_MS } from '../../login/request.ts'
import { SWEEP_MS, type Due, type Timetable } from '../../timetable.ts'
import { NetstringReader } from './netstring.ts'
import { formatMapReply, parseMapRequest, replyOf, type MapReply, type MapRequest } from './reply.ts'

/** Postfix waits 100 s, its SMTP client less; the sweep may come two ticks late. */
const GIVE_UP_MS = ANSWER_WITHIN_MS - 2 * SWEEP_MS

const LATE = formatMapReply('TEMP', 'deadline')
const MALFORMED = formatMapReply('PERM', 'a request is a map name, a space and a key')

/** One request from its arrival until its reply is written. */
export class Question implements Due {
  readonly map: string
  readonly receivedAtMs: number
  reply: MapReply | undefined
  bucket: number | undefined = undefined
  readonly #onDue: (question: Question, nowMs: number) => void

  constructor(map: string, receivedAtMs: number, onDue: (question: Question, nowMs: number) => void) {
    this.map = map
    this.receivedAtMs = receivedAtMs
    this.#onDue = onDue
  }

  due(nowMs: number): void {
    this.#onDue(this, nowMs)
  }
}

export interface MapSessionOptions {
  readonly maxPending: number
  readonly timetable: Timetable
}

export interface MapSessionEffects {
  /** Appends to what is to be sent. */
  write(text: string): void
  /**
   * A look-up is wanted. Its answer comes by `session.answer(question, …)`, or `session.refuse` where there is no such
   * map, before this returns or later.
   */
  lookup(question: Question, request: MapRequest): void
  /** Told of every request once, when its reply is known. */
  answered(question: Question, reply: MapReply, nowMs: number): void
  /** Fewer than `maxPending` requests wait again: there may be bytes left to receive. */
  readOn(): void
  /** Nothing more will be written: send what was, then end the connection. `broken` says what the client did wrong. */
  close(broken: string | undefined): void
}

export class MapSession {
  readonly #options: MapSessionOptions
  readonly #effects: MapSessionEffects
  readonly #reader: NetstringReader
  /** In the order of their arrival. */
  readonly #questions: Question[] = []
  #nowMs = 0
  #isClosed = false
  #isDraining = false
  /** Requests that came whole. */
  requests = 0

  constructor(options: MapSessionOptions, effects: MapSessionEffects) {
    this.#options = options
    this.#effects = effects
    this.#reader = new NetstringReader((bytes, start, end) => {
      this.requests += 1
      this.#request(parseMapRequest(bytes, start, end))
      return !this.#isClosed && !this.isFull
    })
  }

  get isFull(): boolean {
    return this.#questions.length >= this.#options.maxPending
  }

  /** The client has begun a request, and the rest is still to come. */
  get isUnfinished(): boolean {
    return this.#reader.isUnfinished
  }

  /** Takes bytes of the client, cut anywhere, and gives how many: fewer than all when the session is full then. */
  receive(chunk: Buffer, nowMs: number): number {
    if (this.#isClosed) return chunk.length
    if (this.isFull) return 0
    this.#nowMs = nowMs
    const taken = this.#reader.push(chunk)
    if (taken !== -1) return taken
    this.#close('not a netstring of at most 10,000 bytes')
    return chunk.length
  }

  /** The answer to `question`; without effect when it was given up meanwhile. */
  answer(question: Question, answer: MapAnswer, nowMs: number): void {
    this.#settle(question, replyOf(answer), nowMs)
  }

  /** The question cannot be asked at all. */
  refuse(question: Question, reason: string, nowMs: number): void {
    this.#settle(question, formatMapReply('PERM', reason), nowMs)
  }

  /** From now on the session closes as soon as everything is answered. */
  drain(): void {
    this.#isDraining = true
    this.#closeWhenDrained()
  }

  /** The connection is gone: forgets everything. Calls no effect. */
  end(): void {
    this.#isClosed = true
    for (const question of this.#questions) this.#options.timetable.remove(question)
    this.#questions.length = 0
  }

  #request(request: MapRequest | undefined): void {
    const question = new Question(request?.map ?? '', this.#nowMs, this.#onDue)
    this.#questions.push(question)
    if (request === undefined) return this.#settle(question, MALFORMED, this.#nowMs)
    this.#effects.lookup(question, request)
    // Not yet answered: it will be, by the map or by the timetable.
    if (question.reply === undefined && !this.#isClosed)
      this.#options.timetable.add(question, question.receivedAtMs + GIVE_UP_MS)
  }

  readonly #onDue = (question: Question, nowMs: number): void => this.#settle(question, LATE, nowMs)

  #settle(question: Question, reply: MapReply, nowMs: number): void {
    if (this.#isClosed || question.reply !== undefined) return
    question.reply = reply
    this.#options.timetable.remove(question)
    this.#effects.answered(question, reply, nowMs)
    const wasFull = this.isFull
    for (let first = this.#questions[0]; first?.reply !== undefined; first = this.#questions[0]) {
      this.#questions.shift()
      this.#effects.write(first.reply.bytes)
    }
    if (wasFull && !this.isFull) this.#effects.readOn()
    this.#closeWhenDrained()
  }

  #closeWhenDrained(): void {
    if (this.#isDraining && this.#questions.length === 0) this.#close(undefined)
  }

  #close(broken: string | undefined): void {
    if (this.#isClosed) return
    this.end()
    this.#effects.close(broken)
  }
}
