/**
 * A session on a socket. Output is collected and written once: at the end of the bytes that caused it, or at the end
 * of the turn in which answers came. Large input is taken in slices, so that one client's thousand pipelined requests
 * do not hold up everybody else's.
 */
import type { Socket } from 'node:net'
import type { Clock } from '../../clock.ts'
import { refusal } from '../../login/decide.ts'
import type { Login } from '../../login/login.ts'
import type { Outcome } from '../../login/outcome.ts'
import type { LoginRequest } from '../../login/request.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { wipe } from '../../secret.ts'
import { Patience, PATIENCE_MS } from '../patience.ts'
import type { Pending } from './pending.ts'
import { Session, type SessionEffects, type SessionOptions } from './session.ts'

/** About 150 logins, 2 ms. */
const SLICE_BYTES = 16_384
/** A peer that does not read what it was sent before the end is given up on after this. */
const LINGER_MS = 8000

/** What the listener does for its connections. */
export interface ConnectionHost {
  readonly clock: Clock
  readonly logger: Logger
  readonly login: Login
  /** A login that the mechanism itself refused. */
  recordRefused(request: LoginRequest, outcome: Outcome): void
  /** Calls `connection.flush()` at the end of this turn. */
  flushLater(connection: Connection): void
  /** The timetable may have got its first entry. */
  armSweep(): void
  /** The socket is gone. */
  forget(connection: Connection): void
}

export class Connection implements SessionEffects {
  readonly id: number
  readonly #socket: Socket
  readonly #host: ConnectionHost
  readonly #session: Session
  /** For the rest of a handshake or a line, and for reading. */
  readonly #unfinished: Patience
  readonly #unread: Patience
  #output = ''
  /** Input that waits for its turn; the socket is paused while there is some. */
  #waiting: Buffer | undefined
  /** The peer does not read: more than the high-water mark is pending, and we do not read either. */
  #isChoked = false
  /** A turn for `#waiting` is on its way. */
  #isScheduled = false
  #isReceiving = false
  #isEnding = false

  constructor(id: number, socket: Socket, handshake: string, options: SessionOptions, host: ConnectionHost) {
    this.id = id
    this.#socket = socket
    this.#host = host
    this.#session = new Session(options, this)
    const { timetable } = options
    this.#unfinished = new Patience(timetable, () => this.#giveUp('left a handshake or a line unfinished'))
    this.#unread = new Patience(timetable, () => this.#giveUp('did not read its answers'))
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => {
      this.#isChoked = false
      this.#unread.done()
      this.#readOn()
    })
    // A reset says nothing that `close` does not.
    socket.on('error', (error) => host.logger.debug({ connection: id, err: error }, 'sasl connection failed'))
    socket.on('close', () => {
      this.#isEnding = true
      this.#waiting = undefined
      this.#output = ''
      this.#session.end()
      this.#unfinished.done()
      this.#unread.done()
      host.forget(this)
    })
    this.#unfinished.begin(host.clock.monotonicMs())
    host.armSweep()
    this.write(handshake)
    this.flush()
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

  /** Ends when no request waits for its answer any more. */
  drain(): void {
    this.#session.drain()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  write(line: string): void {
    if (this.#output === '' && !this.#isReceiving) this.#host.flushLater(this)
    this.#output += line
  }

  refused(request: LoginRequest, outcome: Outcome): void {
    this.#host.recordRefused(request, outcome)
  }

  login(pending: Pending, request: LoginRequest): void {
    let outcome: Outcome | Promise<Outcome>
    try {
      outcome = this.#host.login(request)
    } catch (error) {
      outcome = this.#failed(error)
    }
    if (!(outcome instanceof Promise)) {
      this.#answer(pending, outcome)
      return
    }
    outcome.then(
      (outcome) => this.#answer(pending, outcome),
      (error: unknown) => this.#answer(pending, this.#failed(error)),
    )
  }

  close(broken: string | undefined): void {
    if (broken !== undefined) {
      this.#host.logger.warn({ connection: this.id, broken }, 'sasl client broke the protocol')
    }
    this.#isEnding = true
    this.#waiting = undefined
    this.flush()
    this.#socket.destroySoon()
    if (this.#socket.destroyed) return
    const cancel = this.#host.clock.after(LINGER_MS, () => this.#socket.destroy())
    this.#socket.once('close', cancel)
  }

  #giveUp(why: string): void {
    this.#host.logger.warn({ connection: this.id }, `sasl client ${why} for ${PATIENCE_MS / 1000} s`)
    this.#socket.destroy()
  }

  #answer(pending: Pending, outcome: Outcome): void {
    this.#session.answer(pending, outcome, this.#host.clock.monotonicMs())
  }

  #failed(error: unknown): Outcome {
    this.#host.logger.error({ connection: this.id, err: error }, 'login threw')
    return refusal('internal', undefined)
  }

  #receive(chunk: Buffer): void {
    if (this.#isEnding) return
    const isLong = chunk.length > SLICE_BYTES
    const slice = isLong ? chunk.subarray(0, SLICE_BYTES) : chunk
    this.#waiting = isLong ? chunk.subarray(SLICE_BYTES) : undefined
    this.#isReceiving = true
    const nowMs = this.#host.clock.monotonicMs()
    const linesBefore = this.#session.lines
    this.#session.receive(slice, nowMs)
    this.#isReceiving = false
    if (this.#session.lines !== linesBefore) this.#unfinished.done()
    if (this.#session.isUnfinished && !this.#isEnding) this.#unfinished.begin(nowMs)
    // There may be a password in it; the framer has copied what it still needs.
    wipe(slice)
    this.flush()
    this.#host.armSweep()
    if (isLong) this.#readOn()
  }

  /** Goes on with what waits, else with the socket; neither while the peer does not read. */
  #readOn(): void {
    if (this.#isEnding || this.#isChoked) return
    if (this.#waiting === undefined) {
      this.#socket.resume()
      return
    }
    this.#socket.pause()
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      if (this.#isEnding || this.#isChoked || this.#waiting === undefined) return
      this.#receive(this.#waiting)
      this.#readOn()
    })
  }
}
