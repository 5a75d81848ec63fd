/**
 * The server's side of one connection of Dovecot's auth protocol, without I/O: bytes in, effects out.
 *
 *   session:  version --VERSION 1.x--> cpid --CPID--> open --> closed
 *             Any other line in the first two, an unknown or malformed line, a line too long, an unknown mechanism,
 *             a duplicate id, id 0, no service, a parameter after resp: closed, as Dovecot 2.3 does.
 *
 *   request:                .--------------- CONT ---------------.
 *                           v                                    |
 *      AUTH -----------> mechanism --challenge--> asked ---------'    asked --150 s--> forgotten
 *                           |credentials
 *                           v
 *                       verifying --ok--> OK                          verifying --CONT--> FAIL (unexpected)
 *                           |  \--not found out, or 7.8 s--> FAIL code=temp_fail, or the session is closed
 *                           v
 *                        refused --failure_delay_ms or more (penalty) after the credentials came--> FAIL
 *
 * CANCEL forgets a request in any state, without an answer. A request is in the table from its AUTH line to its final
 * line, and the only way to write a final line takes it out of the table: there cannot be two. Ids of requests that
 * are not in the table are free, and a CONT for one is answered like one for a request that timed out (as Dovecot).
 *
 * Other than Dovecot, an id stays taken while its failure is delayed, and CANCEL then still cancels it. Dovecot frees
 * the id at once, so that the late FAIL can fall on a second request of the same id.
 *
 * More than 300 lines: one state machine, whose transitions are read together.
 */
import { refusal } from '../../login/decide.ts'
import { ANSWER_WITHIN_MS, type LoginRequest } from '../../login/request.ts'
import type { Outcome } from '../../login/outcome.ts'
import type { Why } from '../../login/why.ts'
import type { Refusal, Step } from '../../sasl/mechanism.ts'
import { findMechanism } from '../../sasl/mechanisms.ts'
import { Secret, wipe } from '../../secret.ts'
import { decodeBase64 } from './base64.ts'
import { parseCommand, type AuthCommand, type Command } from './command.ts'
import { Framer, MAX_LINE_BYTES } from './framer.ts'
import { Pending } from './pending.ts'
import { answerOf, formatCont, formatFail } from './reply.ts'
import { SWEEP_MS, type Timetable } from '../../timetable.ts'

const MAJOR = 1
/** Dovecot's MASTER_AUTH_SERVER_TIMEOUT_SECS: an unfinished exchange is forgotten after it. */
const UNFINISHED_MS = 150_000
/** The sweep may come two ticks late, and the answer still has to leave in time. */
const GIVE_UP_MS = ANSWER_WITHIN_MS - 2 * SWEEP_MS
/** Login is told an earlier end, so that its own answer, which knows why, comes first. */
const LOGIN_WITHIN_MS = GIVE_UP_MS - 300

const TIMED_OUT = { reason: 'Authentication request timed out' } as const
const UNEXPECTED = { reason: 'Unexpected continuation' } as const
const BAD_INITIAL = { code: 'invalid_base64', reason: 'Invalid base64 data in initial response' } as const
const BAD_CONTINUED = { code: 'invalid_base64', reason: 'Invalid base64 data in continued response' } as const

const WHY: Readonly<Record<Refusal, Why>> = {
  malformed: 'address_invalid',
  authzid_differs: 'authzid_differs',
}

const NOTHING = new Uint8Array(0)

/** Decoded responses, one at a time, overwritten after use. */
const scratch = Buffer.allocUnsafeSlow(MAX_LINE_BYTES)

export interface SessionOptions {
  /** How "not found out" is told: `close` for Postfix and Exim, to whom every FAIL is permanent. */
  readonly tempFail: 'close' | 'reply'
  readonly failureDelayMs: number
  /** Requests in flight; one more is answered as "not found out". */
  readonly maxPending: number
  readonly timetable: Timetable
}

export interface SessionEffects {
  /** Appends a line to what is to be sent. */
  write(line: string): void
  /**
   * A login is wanted. The outcome comes by `session.answer(pending, …)`, before this returns or later; the secret
   * is the callee's to wipe.
   */
  login(pending: Pending, request: LoginRequest): void
  /** A login was refused before anybody was asked (another authzid, malformed credentials): to be recorded. */
  refused(request: LoginRequest, outcome: Outcome): void
  /** Nothing more will be written: send what was, then end the connection. `broken` says what the client did wrong. */
  close(broken: string | undefined): void
}

export class Session {
  readonly #options: SessionOptions
  readonly #effects: SessionEffects
  readonly #framer: Framer
  readonly #pending = new Map<number, Pending>()
  #state: 'version' | 'cpid' | 'open' | 'closed' = 'version'
  #clientMinor = 0
  #nowMs = 0
  #isDraining = false
  /** Lines that came whole. */
  lines = 0

  constructor(options: SessionOptions, effects: SessionEffects) {
    this.#options = options
    this.#effects = effects
    this.#framer = new Framer((line, start, end) => {
      this.lines += 1
      this.#command(parseCommand(line, start, end))
      return this.#state !== 'closed'
    })
  }

  /** The client has begun something, its handshake or a line, and the rest is still to come. */
  get isUnfinished(): boolean {
    return this.#state === 'version' || this.#state === 'cpid' || this.#framer.isUnfinished
  }

  /** Takes bytes of the client, cut anywhere. They may be overwritten afterwards. */
  receive(chunk: Buffer, nowMs: number): void {
    if (this.#state === 'closed') return
    this.#nowMs = nowMs
    if (!this.#framer.push(chunk)) this.#close('line too long')
  }

  /** The outcome of the login of `pending`; without effect when it was cancelled or given up meanwhile. */
  answer(pending: Pending, outcome: Outcome, nowMs: number): void {
    if (!this.#isCurrent(pending) || pending.state !== 'verifying') return
    this.#nowMs = nowMs
    const answer = answerOf(outcome, pending.id, pending.user)
    switch (answer.kind) {
      case 'ok':
        this.#finish(pending, answer.line)
        return
      case 'fail':
        this.#refuse(pending, answer.line, outcome.delayMs)
        return
      case 'unavailable':
        this.#unavailable(pending)
        return
    }
  }

  /** From now on the session closes as soon as no request waits for login or for its delay. */
  drain(): void {
    this.#isDraining = true
    this.#closeWhenDrained()
  }

  /** The connection is gone: forgets everything. Calls no effect. */
  end(): void {
    this.#state = 'closed'
    for (const pending of this.#pending.values()) this.#options.timetable.remove(pending)
    this.#pending.clear()
    this.#framer.clear()
  }

  #command(command: Command): void {
    if (command.kind === 'broken') {
      this.#close(command.reason)
    } else if (this.#state === 'version') {
      if (command.kind !== 'version') this.#close('first line is not VERSION')
      else if (command.major !== MAJOR) this.#close('another major version')
      else {
        this.#clientMinor = command.minor
        this.#state = 'cpid'
      }
    } else if (this.#state === 'cpid') {
      if (command.kind === 'cpid') this.#state = 'open'
      else this.#close('second line is not CPID')
    } else if (command.kind === 'auth') this.#auth(command)
    else if (command.kind === 'cont') this.#cont(command.id, command.response)
    else if (command.kind === 'cancel') this.#cancel(command.id)
    else this.#close('handshake repeated')
  }

  #auth(command: AuthCommand): void {
    const mechanism = findMechanism(command.mechanism)
    if (mechanism === undefined) return this.#close('unknown mechanism')
    if (this.#pending.has(command.id)) return this.#close('duplicate id')
    const pending = new Pending(command, mechanism.name, mechanism.begin(), this.#nowMs, this.#onDue)
    const isFull = this.#pending.size >= this.#options.maxPending
    this.#pending.set(pending.id, pending)
    if (isFull) return this.#unavailable(pending)
    const response = this.#initialResponse(command.response)
    if (response === undefined) return this.#step(pending, pending.exchange.start(undefined))
    const length = decodeBase64(response, scratch)
    if (length === -1) return this.#finish(pending, formatFail(pending.id, BAD_INITIAL))
    const step = pending.exchange.start(scratch.subarray(0, length))
    wipe(scratch, 0, length)
    this.#step(pending, step)
  }

  /** Below 1.2 an empty `resp=` is none (Exim always sends one); `=` is the empty response (RFC 4954 §4). */
  #initialResponse(response: Buffer | undefined): Buffer | undefined {
    if (response === undefined) return undefined
    if (response.length === 0) return this.#clientMinor < 2 ? undefined : response
    return response.length === 1 && response[0] === 0x3d ? response.subarray(1) : response
  }

  #cont(id: number, response: Buffer): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return this.#effects.write(formatFail(id, TIMED_OUT))
    if (pending.state !== 'asked') return this.#finish(pending, formatFail(id, UNEXPECTED))
    const length = decodeBase64(response, scratch)
    if (length === -1) return this.#finish(pending, formatFail(id, BAD_CONTINUED))
    const step = pending.exchange.next(scratch.subarray(0, length))
    wipe(scratch, 0, length)
    this.#step(pending, step)
  }

  #cancel(id: number): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#forget(pending)
    this.#closeWhenDrained()
  }

  #step(pending: Pending, step: Step): void {
    switch (step.kind) {
      case 'continue':
        this.#options.timetable.add(pending, pending.startedAtMs + UNFINISHED_MS)
        this.#effects.write(formatCont(pending.id, step.challenge))
        return
      case 'credentials':
        this.#options.timetable.remove(pending)
        pending.state = 'verifying'
        pending.receivedAtMs = this.#nowMs
        pending.user = step.authid
        this.#effects.login(pending, pending.request(step.secret, LOGIN_WITHIN_MS))
        // Not yet answered: it will be, by login or by the timetable.
        if (pending.state === 'verifying' && this.#isCurrent(pending)) {
          this.#options.timetable.add(pending, pending.receivedAtMs + GIVE_UP_MS)
        }
        return
      case 'refused':
        pending.receivedAtMs = this.#nowMs
        pending.user = step.authid ?? ''
        this.#effects.refused(
          pending.request(Secret.copyOf(NOTHING), LOGIN_WITHIN_MS),
          refusal(WHY[step.reason], undefined),
        )
        this.#refuse(pending, formatFail(pending.id, { user: step.authid }))
        return
    }
  }

  /** Lets the failure leave `failureDelayMs` after its credentials came, or later by its penalty; at once where passed. */
  #refuse(pending: Pending, line: string, penaltyMs = 0): void {
    const atMs =
      pending.receivedAtMs + Math.min(Math.max(this.#options.failureDelayMs, penaltyMs), GIVE_UP_MS)
    if (atMs <= this.#nowMs) return this.#finish(pending, line)
    pending.state = 'refused'
    pending.line = line
    this.#options.timetable.add(pending, atMs)
  }

  /**
   * Closing takes every other request of the connection with it, also failures that wait for their time: they end as
   * "not found out" as well. Postfix and Exim have one request at a time; a client with many wants `reply`.
   */
  #unavailable(pending: Pending): void {
    if (this.#options.tempFail === 'close') return this.#close(undefined)
    const user = pending.user === '' ? undefined : pending.user
    this.#finish(pending, formatFail(pending.id, { user, code: 'temp_fail' }))
  }

  readonly #onDue = (pending: Pending, nowMs: number): void => {
    if (!this.#isCurrent(pending)) return
    this.#nowMs = nowMs
    switch (pending.state) {
      case 'asked':
        this.#forget(pending)
        return
      case 'verifying':
        this.#unavailable(pending)
        return
      case 'refused':
        this.#finish(pending, pending.line)
        return
    }
  }

  #isCurrent(pending: Pending): boolean {
    return this.#pending.get(pending.id) === pending
  }

  #forget(pending: Pending): void {
    this.#pending.delete(pending.id)
    this.#options.timetable.remove(pending)
  }

  /** The one place that writes a final line for a request in the table, and it leaves the table with it. */
  #finish(pending: Pending, line: string): void {
    if (!this.#isCurrent(pending)) return
    this.#forget(pending)
    this.#effects.write(line)
    this.#closeWhenDrained()
  }

  #closeWhenDrained(): void {
    if (!this.#isDraining) return
    for (const pending of this.#pending.values()) if (pending.state !== 'asked') return
    this.#close(undefined)
  }

  #close(broken: string | undefined): void {
    if (this.#state === 'closed') return
    this.end()
    this.#effects.close(broken)
  }
}
