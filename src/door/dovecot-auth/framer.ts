/**
 * Bytes -> lines of Dovecot's auth protocol: LF ends a line, there is no CR, nothing longer than Dovecot's own
 * bound. A line is handed on as a range of a buffer, without a copy where it arrived in one piece, and no string is
 * made of it: it may hold a password. What had to be kept is overwritten once its line is complete.
 */

/** Dovecot's AUTH_CLIENT_MAX_LINE_LENGTH; the LF counts. */
export const MAX_LINE_BYTES = 16_384
const FIRST_HELD_BYTES = 256
const LF = 0x0a

/** `line[start, end)`, without the LF. Valid during the call only. Returns false to stop reading. */
export type OnLine = (line: Buffer, start: number, end: number) => boolean

export class Framer {
  readonly #onLine: OnLine
  /** The beginning of a line whose end has not come yet; absent while there is none. */
  #held: Buffer | undefined
  #heldBytes = 0

  constructor(onLine: OnLine) {
    this.#onLine = onLine
  }

  /**
   * Takes the next bytes. Returns false once a line is too long (more than 16,384 bytes with its LF); then, and
   * after `onLine` returned false, the rest is dropped and the framer must not be used any more.
   */
  push(chunk: Buffer): boolean {
    let from = 0
    if (this.#held !== undefined) {
      const end = chunk.indexOf(LF)
      if (!this.#hold(chunk, 0, end === -1 ? chunk.length : end)) return false
      if (end === -1) return true
      const line = this.#held
      const bytes = this.#heldBytes
      this.#held = undefined
      this.#heldBytes = 0
      const goOn = bytes < MAX_LINE_BYTES && this.#onLine(line, 0, bytes)
      line.fill(0)
      if (!goOn) return bytes < MAX_LINE_BYTES
      from = end + 1
    }
    while (from < chunk.length) {
      const end = chunk.indexOf(LF, from)
      if (end === -1) return this.#hold(chunk, from, chunk.length)
      if (end - from >= MAX_LINE_BYTES) return false
      if (!this.#onLine(chunk, from, end)) return true
      from = end + 1
    }
    return true
  }

  /** The end of a line is still to come. */
  get isUnfinished(): boolean {
    return this.#held !== undefined
  }

  /** Forgets an unfinished line. */
  clear(): void {
    this.#held?.fill(0)
    this.#held = undefined
    this.#heldBytes = 0
  }

  /** Appends a part of a line. The room doubles, so that a line sent byte by byte is copied about twice in all. */
  #hold(chunk: Buffer, from: number, to: number): boolean {
    const bytes = this.#heldBytes + (to - from)
    if (bytes > MAX_LINE_BYTES) return false
    const old = this.#held
    if (old === undefined || old.length < bytes) {
      let room = old?.length ?? FIRST_HELD_BYTES
      while (room < bytes) room *= 2
      // Not of the shared pool: its neighbours would live as long as this line.
      this.#held = Buffer.allocUnsafeSlow(room)
      old?.copy(this.#held, 0, 0, this.#heldBytes)
      old?.fill(0)
    }
    if (this.#held !== undefined) chunk.copy(this.#held, this.#heldBytes, from, to)
    this.#heldBytes = bytes
    return true
  }
}
