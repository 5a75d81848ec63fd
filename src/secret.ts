/**
 * A secret is bytes that print as `[secret]`. Passwords stay bytes from the wire to the hash: a string
 * could be kept alive by V8 (slices pin their parent) and would not survive bytes that are not UTF-8.
 */
import { inspect } from 'node:util'

/** Up to here a loop costs less than the call of a built-in function (0.1 us and more). */
const SHORT_BYTES = 128

/** Overwrites `bytes[from, to)`, which may be a password, with zeros. */
export function wipe(bytes: Uint8Array, from = 0, to = bytes.length): void {
  if (to - from > SHORT_BYTES) bytes.fill(0, from, to)
  else for (let at = from; at < to; at += 1) bytes[at] = 0
}

export class Secret {
  readonly #bytes: Buffer
  #isWiped = false

  private constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Takes a copy of `bytes` from `from` on, so that the caller's buffer (a line, a body) is not pinned by the secret. */
  static copyOf(bytes: Uint8Array, from = 0): Secret {
    // allocUnsafeSlow: not a slice of the shared pool, whose neighbours would live as long as the secret.
    const own = Buffer.allocUnsafeSlow(bytes.length - from)
    for (let at = 0; at < own.length; at += 1) own[at] = bytes[from + at] ?? 0
    return new Secret(own)
  }

  /** The secret of a text, as UTF-8. */
  static fromText(text: string): Secret {
    return Secret.copyOf(Buffer.from(text, 'utf8'))
  }

  /** The bytes themselves. Do not keep them, do not turn them into a cached string. */
  reveal(): Buffer {
    return this.#bytes
  }

  get byteLength(): number {
    return this.#bytes.length
  }

  /** True once the bytes are gone: what is compared from then on says nothing about the password. */
  get isWiped(): boolean {
    return this.#isWiped
  }

  /** Overwrites the bytes. The secret is empty of meaning afterwards. */
  wipe(): void {
    this.#isWiped = true
    wipe(this.#bytes)
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
