/**
 * The port of a SASL mechanism (RFC 4422 §3), server side and without I/O: bytes of the client in, a step out.
 * The bytes passed in are views of somebody's buffer; a mechanism keeps copies only.
 */
import { isUtf8 } from 'node:buffer'
import { MAX_USERNAME_BYTES } from '../login/request.ts'
import type { Secret } from '../secret.ts'

export type MechanismName = 'PLAIN' | 'LOGIN'

/** Why a mechanism refuses by itself; no password was looked at. */
export type Refusal = 'malformed' | 'authzid_differs'

export type Step =
  | { readonly kind: 'continue'; readonly challenge: string }
  | {
      readonly kind: 'credentials'
      readonly authid: string
      /** A copy that belongs to whoever gets the step. */
      readonly secret: Secret
    }
  | { readonly kind: 'refused'; readonly reason: Refusal; readonly authid: string | undefined }

/** One run of a mechanism. After `credentials` or `refused` it is not called again. */
export interface Exchange {
  /** `initial` is the initial response; absent is not the same as empty (RFC 4954 §4). */
  start(initial: Buffer | undefined): Step
  /** The client's answer to the last challenge. */
  next(response: Buffer): Step
}

export interface Mechanism {
  readonly name: MechanismName
  begin(): Exchange
}

export const MALFORMED: Step = { kind: 'refused', reason: 'malformed', authid: undefined }

/**
 * A user name of `bytes[start, end)` as text, or undefined when it is empty, longer than 1024 bytes or not UTF-8.
 * Decoded by itself: a slice of a longer decoded string would keep the password in it alive. Bytes that are not
 * UTF-8 are refused because all of them decode to the same U+FFFD: two names would become one.
 */
export function parseName(bytes: Buffer, start: number, end: number): string | undefined {
  const length = end - start
  if (length <= 0 || length > MAX_USERNAME_BYTES) return undefined
  if (isAsciiRange(bytes, start, end)) return bytes.toString('latin1', start, end)
  const name = bytes.subarray(start, end)
  return isUtf8(name) ? name.toString('utf8') : undefined
}

function isAsciiRange(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if ((bytes[at] ?? 0) > 0x7f) return false
  return true
}
