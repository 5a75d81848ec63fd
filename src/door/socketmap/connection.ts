/**
 * A socketmap session on a socket. Replies are collected and written once: at the end of the bytes that caused them, or
 * at the end of the turn in which answers came. Input that the session does not take yet waits, and the socket with it.
 */
import type { Socket } from 'node:net'
import type { MailMaps, MapAnswer } from '../../account/maps/lookup.ts'
import type { Clock } from '../../clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MapReply, MapRequest } from './reply.ts'
import { Patience, PATIENCE_MS } from '../patience.ts'
import { MapSession, type MapSessionEffects, type MapSessionOptions, type Question } from './session.ts'

/** A peer that does not read what it was sent before the end is given up on after this. */
const LINGER_MS = 8000
/** Taken at once: some hundred requests of the shortest kind, 2 ms. */
const SLICE_BYTES = 4096
/** Names in the log. */
const MAX_SHOWN = 64

/** What the listener does for its connections. */
export interface MapConnectionHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly maps: MailMaps
  /** `map` is one of the maps' names, or `other`. */
  answered(map: string, reply: MapReply, durationMs: number): void
  /** Calls `connection.flush()` at the end of this turn. */
  flushLater(connection: MapConnection): void
  /** The timetable may have got its first entry. */
  armSweep(): void
  /** The socket is gone. */
  forget(connection: MapConnection): void
}

const INTERNAL: MapAnswer = { kind: 'temp_fail', why: 'internal' }

export class MapConnection implements MapSessionEffects {
  readonly #socket: Socket
  readonly #host: MapConnectionHost
  readonly #session: MapSession
  /** For the rest of a request, and for reading. */
  readonly #unfinished: Patience
  readonly #unread: Patience
  #output = ''
  /** Input that the session has not taken; the socket is paused while there is some. */
  #waiting: Buffer | undefined
  /** The peer does not read: more than the high-water mark is pending, and we do not read either. */
  #isChoked = false
  #isReceiving = false
  /** Nothing more will come. */
  #hasEnded = false
  #isEnding = false

  constructor(socket: Socket, options: MapSessionOptions, host: MapConnectionHost) {
    this.#socket = socket
    this.#host = host
    this.#session = new MapSession(options, this)
    const { timetable } = options
    this.#unfinished = new Patience(timetable, () => this.#giveUp('left a request unfinished'))
    this.#unread = new Patience(timetable, () => this.#giveUp('did not read its answers'))
    socket.on('data', (chunk: Buffer) => {
      this.#waiting = chunk
      this.#receive()
    })
    socket.on('drain', () => {
      this.#isChoked = false
      this.#unread.done()
      this.#receive()
    })
    socket.on('end', () => {
      this.#hasEnded = true
      this.#receive()
    })
    // A reset says nothing that `close` does not.
    socket.on('error', (error) => host.logger.debug({ err: error }, 'socketmap connection failed'))
    socket.on('close', () => {
      this.#isEnding = true
      this.#waiting = undefined
      this.#output = ''
      this.#session.end()
      this.#unfinished.done()
      this.#unread.done()
      host.forget(this)
    })
  }

  /** Nothing has been received from the peer yet. */
  get isSilent(): boolean {
    return this.#socket.bytesRead === 0
  }

  /** Writes what was collected. */
  flush(): void {
    if (this.#output === '') return
    const output = this.#output
    this.#output = ''
    if (this.#socket.writable && !this.#socket.write(output)) {
      this.#isChoked = true
      this.#socket.pause()
      this.#unread.begin(this.#host.clock.monotonicMs())
      this.#host.armSweep()
    }
  }

  /** Ends when everything that was asked is answered. */
  drain(): void {
    this.#session.drain()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  write(text: string): void {
    if (this.#output === '' && !this.#isReceiving) this.#host.flushLater(this)
    this.#output += text
  }

  lookup(question: Question, { map, key }: MapRequest): void {
    const lookup = this.#host.maps.get(map)
    if (lookup === undefined) {
      const maps = [...this.#host.maps.keys()].join(', ')
      this.#host.logger.warn(
        { map: map.slice(0, MAX_SHOWN) },
        `a mail server asks for a map that there is not; there are: ${maps}`,
      )
      this.#session.refuse(
        question,
        `there is no such map; there are: ${maps}`,
        this.#host.clock.monotonicMs(),
      )
      return
    }
    void lookup(key)
      .catch((error: unknown) => {
        this.#host.logger.error({ err: error }, 'a map threw')
        return INTERNAL
      })
      .then((answer) => this.#session.answer(question, answer, this.#host.clock.monotonicMs()))
  }

  answered(question: Question, reply: MapReply, nowMs: number): void {
    const map = this.#host.maps.has(question.map) ? question.map : 'other'
    this.#host.answered(map, reply, Math.max(0, nowMs - question.receivedAtMs))
  }

  readOn(): void {
    // Not from within the session: it is settling the question that made room.
    if (!this.#isReceiving) setImmediate(() => this.#receive())
  }

  close(broken: string | undefined): void {
    if (broken !== undefined) this.#host.logger.warn({ broken }, 'socketmap client broke the protocol')
    this.#isEnding = true
    this.#waiting = undefined
    this.flush()
    this.#socket.destroySoon()
    if (this.#socket.destroyed) return
    const cancel = this.#host.clock.after(LINGER_MS, () => this.#socket.destroy())
    this.#socket.once('close', cancel)
  }

  #giveUp(why: string): void {
    this.#host.logger.warn({}, `socketmap client ${why} for ${PATIENCE_MS / 1000} s`)
    this.#socket.destroy()
  }

  /** Goes on with what waits, else with the socket; neither while the peer does not read. */
  #receive(): void {
    if (this.#isEnding || this.#isChoked) return
    const chunk = this.#waiting
    if (chunk !== undefined) {
      this.#isReceiving = true
      const nowMs = this.#host.clock.monotonicMs()
      const requestsBefore = this.#session.requests
      const taken = this.#session.receive(chunk.subarray(0, SLICE_BYTES), nowMs)
      this.#isReceiving = false
      if (this.#session.requests !== requestsBefore) this.#unfinished.done()
      if (this.#session.isUnfinished && !this.#isEnding) this.#unfinished.begin(nowMs)
      this.#waiting = taken < chunk.length ? chunk.subarray(taken) : undefined
      this.flush()
      this.#host.armSweep()
    }
    if (this.#isEnding || this.#isChoked) return
    if (this.#waiting === undefined) {
      if (this.#hasEnded) this.#session.drain()
      else this.#socket.resume()
      return
    }
    this.#socket.pause()
    // A full session says itself when it has room.
    if (!this.#session.isFull) this.readOn()
  }
}
