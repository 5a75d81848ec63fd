/** One authentication request between its AUTH line and its final line. Belongs to one session (session.ts). */
import type { LoginRequest } from '../../login/request.ts'
import type { Service } from '../../login/service.ts'
import type { Exchange, MechanismName } from '../../sasl/mechanism.ts'
import type { Secret } from '../../secret.ts'
import type { AuthCommand } from './command.ts'
import type { Due } from '../../timetable.ts'

/**
 * asked: the client owes an answer to a challenge. verifying: login owes an outcome. refused: the outcome is known and
 * its line waits for its time. The diagram is in session.ts.
 */
export type PendingState = 'asked' | 'verifying' | 'refused'

export class Pending implements Due {
  readonly id: number
  readonly exchange: Exchange
  readonly mechanism: MechanismName
  readonly service: Service
  readonly remoteIp: string | undefined
  readonly localIp: string | undefined
  readonly tls: boolean
  readonly sessionId: string | undefined
  readonly startedAtMs: number
  state: PendingState = 'asked'
  /** When the last piece of the credentials came. */
  receivedAtMs: number
  /** The name as it came; empty until it is known. */
  user = ''
  /** The line to send when state is `refused`. */
  line = ''
  bucket: number | undefined = undefined
  readonly #onDue: (pending: Pending, nowMs: number) => void

  /** Copies fields instead of keeping `command`, whose response is a view of the whole line. */
  constructor(
    command: AuthCommand,
    mechanism: MechanismName,
    exchange: Exchange,
    nowMs: number,
    onDue: (pending: Pending, nowMs: number) => void,
  ) {
    this.id = command.id
    this.exchange = exchange
    this.mechanism = mechanism
    this.service = command.service
    this.remoteIp = command.remoteIp
    this.localIp = command.localIp
    this.tls = command.secured
    this.sessionId = command.sessionId
    this.startedAtMs = nowMs
    this.receivedAtMs = nowMs
    this.#onDue = onDue
  }

  /** What login is asked, once name and secret are there. */
  request(secret: Secret, withinMs: number): LoginRequest {
    return {
      door: 'sasl',
      mechanism: this.mechanism,
      service: this.service,
      username: this.user,
      secret,
      remoteIp: this.remoteIp,
      localIp: this.localIp,
      tls: this.tls,
      sessionId: this.sessionId,
      receivedAtMs: this.receivedAtMs,
      deadlineMs: this.receivedAtMs + withinMs,
    }
  }

  due(nowMs: number): void {
    this.#onDue(this, nowMs)
  }
}
