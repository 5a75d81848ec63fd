/**
 * JSON bodies whose strings may hold bytes that are not UTF-8. Lua's cjson passes a password's bytes through as they
 * are, and passwords are bytes: a Latin-1 `é` must be compared as the byte it is. Such a body is decoded as Python's
 * surrogateescape (PEP 383) does: each byte above 0x7f becomes a lone surrogate, and textBytes gives the byte back.
 */
import { isUtf8 } from 'node:buffer'
import { ApiError } from './api-error.ts'

/** A body and how its strings are to be read. */
export interface ParsedBody {
  readonly value: unknown
  /** Strings hold bytes as surrogates U+DC80 to U+DCFF: see textBytes. */
  readonly isEscaped: boolean
}

function escapeBytes(body: Buffer): string {
  const units = Buffer.allocUnsafeSlow(body.length * 2)
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at] ?? 0
    units.writeUInt16LE(byte < 0x80 ? byte : 0xdc00 + byte, at * 2)
  }
  const text = units.toString('utf16le')
  units.fill(0)
  return text
}

/** Parses a body of JSON. Throws ApiError bad_request, without anything of the body in it. */
export function parseJsonBody(body: Buffer): ParsedBody {
  const isEscaped = !isUtf8(body)
  try {
    return { value: JSON.parse(isEscaped ? escapeBytes(body) : body.toString('utf8')), isEscaped }
  } catch {
    // V8's message quotes the text around the fault; it is dropped here with its error.
    throw new ApiError('bad_request', 'the body is not JSON')
  }
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}

/**
 * The bytes a string of a body stands for. Undefined where a lone surrogate came by a \u escape: it stands for no
 * bytes at all (RFC 8259 §8.2).
 */
export function textBytes(text: string, isEscaped: boolean): Buffer | undefined {
  if (!isEscaped) return text.isWellFormed() ? Buffer.from(text, 'utf8') : undefined
  const bytes = Buffer.allocUnsafeSlow(text.length * 3)
  let end = 0
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    const isByte = unit >= 0xdc80 && unit <= 0xdcff
    if (unit < 0x80 || isByte) {
      bytes[end] = isByte ? unit - 0xdc00 : unit
      end += 1
    } else {
      // Written as \u escapes: a character, in one unit or in two.
      const isPair = isHigh(unit) && isLow(text.charCodeAt(at + 1))
      if (!isPair && (isHigh(unit) || isLow(unit))) return undefined
      end += bytes.write(text.slice(at, at + (isPair ? 2 : 1)), end, 'utf8')
      if (isPair) at += 1
    }
  }
  return bytes.subarray(0, end)
}
