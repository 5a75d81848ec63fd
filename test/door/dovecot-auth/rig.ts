/** A session without a socket: what it writes, whom it asks, whether it closed; time moved by hand. */
import { Session } from '../../../src/door/dovecot-auth/session.ts'
import type { Pending } from '../../../src/door/dovecot-auth/pending.ts'
import { SWEEP_MS, Timetable } from '../../../src/timetable.ts'
import type { Outcome } from '../../../src/login/outcome.ts'
import type { LoginRequest } from '../../../src/login/request.ts'
import { verdictOf, type Why } from '../../../src/login/why.ts'

export function outcomeOf(why: Why, fields: Partial<Outcome> = {}): Outcome {
  const verdict = verdictOf(why)
  return {
    verdict,
    why,
    mailbox: verdict === 'ok' ? 'joe@example.org' : undefined,
    credential: verdict === 'ok' ? 'main' : undefined,
    provisioned: false,
    recordAgeMs: undefined,
    retryAfterSeconds: undefined,
    ...fields,
  }
}

/** joe@example.org (whatever the case) has the password `secret`; nobody else has one. */
export function joe(request: LoginRequest): Outcome {
  if (request.username.toLowerCase() !== 'joe@example.org') return outcomeOf('no_such_user')
  return request.secret.reveal().toString('latin1') === 'secret'
    ? outcomeOf('verified')
    : outcomeOf('hash_differs')
}

export interface RigOptions {
  readonly login?: (request: LoginRequest) => Outcome | 'later'
  readonly tempFail?: 'close' | 'reply'
  readonly failureDelayMs?: number
  readonly maxPending?: number
}

export class Rig {
  readonly timetable = new Timetable(0)
  readonly session: Session
  nowMs = 0
  output = ''
  /** undefined while open; what the client broke, or `` when the session ended by itself. */
  closed: string | undefined
  readonly requests: LoginRequest[] = []
  /** Passwords as latin1, in the order of `requests`. */
  readonly passwords: string[] = []
  readonly refusals: { readonly request: LoginRequest; readonly outcome: Outcome }[] = []
  readonly #pending: Pending[] = []

  constructor(options: RigOptions = {}) {
    const login = options.login ?? joe
    this.session = new Session(
      {
        tempFail: options.tempFail ?? 'reply',
        failureDelayMs: options.failureDelayMs ?? 0,
        maxPending: options.maxPending ?? 1000,
        timetable: this.timetable,
      },
      {
        write: (line) => {
          if (this.closed !== undefined) throw new Error('written after close')
          this.output += line
        },
        login: (pending, request) => {
          this.requests.push(request)
          this.passwords.push(request.secret.reveal().toString('latin1'))
          this.#pending.push(pending)
          const outcome = login(request)
          if (outcome !== 'later') this.session.answer(pending, outcome, this.nowMs)
        },
        refused: (request, outcome) => this.refusals.push({ request, outcome }),
        close: (broken) => {
          if (this.closed !== undefined) throw new Error('closed twice')
          this.closed = broken ?? ''
        },
      },
    )
  }

  /** Sends latin1 text and gives what was written meanwhile. */
  send(text: string): string {
    const before = this.output.length
    this.session.receive(Buffer.from(text, 'latin1'), this.nowMs)
    return this.output.slice(before)
  }

  /** Answers the login asked as number `index`; gives what was written. */
  answer(index: number, outcome: Outcome): string {
    const pending = this.#pending[index]
    if (pending === undefined) throw new Error(`no login ${index}`)
    const before = this.output.length
    this.session.answer(pending, outcome, this.nowMs)
    return this.output.slice(before)
  }

  /** Moves on, sweeping as a listener does; gives what was written. */
  advance(ms: number): string {
    const before = this.output.length
    const untilMs = this.nowMs + ms
    while (this.nowMs < untilMs) {
      this.nowMs = Math.min(untilMs, this.nowMs + SWEEP_MS)
      this.timetable.sweep(this.nowMs)
    }
    return this.output.slice(before)
  }
}
