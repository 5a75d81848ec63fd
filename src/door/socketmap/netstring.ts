/**
 * Netstrings (`5:hello,`), as socketmap frames requests and replies: bytes -> requests, with the bound that Postfix
 * has. A request is handed on as a range of a buffer; reading can stop after any of them and go on there.
 */

/** Postfix's bound on what it asks (socketmap_max_query_size of 3.12; before, its names are shorter anyway). */
export const MAX_REQUEST_BYTES = 10_000
/** Digits of it. */
const MAX_DIGITS = 5
const COLON = 0x3a
const COMMA = 0x2c
const ZERO = 0x30

/** `bytes[start, end)` is one netstring's content. Valid during the call only. Returns false to stop reading. */
export type OnNetstring = (bytes: Buffer, start: number, end: number) => boolean

export class NetstringReader {
  readonly #onNetstring: OnNetstring
  /** 'length': digits or `:` come next; 'content': `#length` bytes; 'comma': the end. */
  #state: 'length' | 'content' | 'comma' = 'length'
  #digits = 0
  #length = 0
  /** The part of a content that came in earlier pieces; only there while one is unfinished. */
  #held: Buffer | undefined
  #heldBytes = 0

  constructor(onNetstring: OnNetstring) {
    this.#onNetstring = onNetstring
  }

  /** The end of a netstring is still to come. */
  get isUnfinished(): boolean {
    return this.#state !== 'length' || this.#digits > 0
  }

  /**
   * Takes bytes from `from` on and gives where it stopped: at the end, or after the netstring for which `onNetstring`
   * returned false. -1 once something is no netstring or too long; the reader must not be used any more then.
   */
  push(chunk: Buffer, from = 0): number {
    let at = from
    while (at < chunk.length) {
      if (this.#state === 'length') {
        if (!this.#lengthByte(chunk[at] ?? 0)) return -1
        at += 1
      } else if (this.#state === 'content') {
        const end = at + this.#length - this.#heldBytes
        if (end >= chunk.length) {
          // Its comma has not come yet either.
          this.#hold(chunk.subarray(at))
          return chunk.length
        }
        if (chunk[end] !== COMMA) return -1
        const goOn = this.#deliver(chunk, at, end)
        at = end + 1
        if (!goOn) return at
      } else {
        if (chunk[at] !== COMMA) return -1
        at += 1
        if (!this.#deliver(chunk, at, at)) return at
      }
    }
    return at
  }

  /** `0` only before `:` (no leading zeros), and never more than MAX_REQUEST_BYTES. */
  #lengthByte(byte: number): boolean {
    if (byte === COLON) {
      this.#state = 'content'
      return this.#digits > 0
    }
    const digit = byte - ZERO
    if (digit < 0 || digit > 9 || (this.#digits > 0 && this.#length === 0)) return false
    this.#digits += 1
    this.#length = this.#length * 10 + digit
    return this.#digits <= MAX_DIGITS && this.#length <= MAX_REQUEST_BYTES
  }

  #hold(part: Buffer): void {
    this.#held ??= Buffer.allocUnsafeSlow(this.#length)
    part.copy(this.#held, this.#heldBytes)
    this.#heldBytes += part.length
    if (this.#heldBytes === this.#length) this.#state = 'comma'
  }

  /** Hands on a whole content, of which `chunk[start, end)` is the last part. */
  #deliver(chunk: Buffer, start: number, end: number): boolean {
    const held = this.#held
    const length = this.#length
    if (held !== undefined) chunk.copy(held, this.#heldBytes, start, end)
    this.#state = 'length'
    this.#digits = 0
    this.#length = 0
    this.#held = undefined
    this.#heldBytes = 0
    return held === undefined ? this.#onNetstring(chunk, start, end) : this.#onNetstring(held, 0, length)
  }
}

/** `text` as a netstring; lengths are bytes of UTF-8. */
export function formatNetstring(text: string): string {
  return `${Buffer.byteLength(text)}:${text},`
}
