/**
 * How long a peer may owe us something: the rest of a handshake or of a request, or reading what it was sent. Silence
 * between requests is no debt: Postfix keeps its connection for as long as an smtpd process lives.
 */
import type { Due, Timetable } from '../timetable.ts'

/** Mail servers do each of it in milliseconds; who takes longer holds a connection that others need. */
export const PATIENCE_MS = 30_000

export class Patience implements Due {
  bucket: number | undefined = undefined
  readonly #timetable: Timetable
  readonly #end: () => void

  /** `end` is called once when the peer has owed for PATIENCE_MS. */
  constructor(timetable: Timetable, end: () => void) {
    this.#timetable = timetable
    this.#end = end
  }

  /** The peer owes; if it did already, since then. */
  begin(nowMs: number): void {
    if (this.bucket === undefined) this.#timetable.add(this, nowMs + PATIENCE_MS)
  }

  /** It has done what it owed. */
  done(): void {
    this.#timetable.remove(this)
  }

  due(): void {
    this.#end()
  }
}
