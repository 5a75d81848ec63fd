/**
 * A line of a client of Dovecot's auth protocol -> a typed command. Works on bytes: only fields that are wanted become
 * text, each by itself, and a response stays bytes (it holds a password). Whatever Dovecot 2.3 answers by dropping
 * the connection is `broken`, with a reason that quotes nothing of the line.
 */
import { isIP } from 'node:net'
import { parseService, type Service } from '../../login/service.ts'
import { unescapeTabs } from './tab-escape.ts'

const TAB = 0x09
const EQUALS = 0x3d
const MAX_UINT32 = 4_294_967_295
/** Longest textual IPv6 address (RFC 4291 §2.2 with an IPv4 tail), and room for a zone. */
const MAX_IP_BYTES = 64
const ESCAPE = 0x01
/** Words that come with nearly every request: no text has to be made of them. */
const MECHANISMS = ['PLAIN', 'LOGIN']
const SERVICES = ['smtp', 'imap', 'pop3', 'sieve']
/** Longer words name nothing we know. */
const MAX_WORD_BYTES = 64
const MAX_SESSION_BYTES = 255

export interface AuthCommand {
  readonly kind: 'auth'
  readonly id: number
  /** As it came; mechanisms are found without regard to case. */
  readonly mechanism: string
  readonly service: Service
  readonly remoteIp: string | undefined
  readonly localIp: string | undefined
  /** The mail server's word that its client cannot be overheard (TLS, or from the same host). */
  readonly secured: boolean
  readonly sessionId: string | undefined
  /** Base64 of the initial response, or absent. A view of the line: use it at once. */
  readonly response: Buffer | undefined
}

export type Command =
  | { readonly kind: 'version'; readonly major: number; readonly minor: number }
  | { readonly kind: 'cpid'; readonly pid: number }
  | AuthCommand
  /** `response` is base64, a view of the line. */
  | { readonly kind: 'cont'; readonly id: number; readonly response: Buffer }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'broken'; readonly reason: string }

function broken(reason: string): Command {
  return { kind: 'broken', reason }
}

/** Parses `line[start, end)`, which has no LF. Never throws. */
export function parseCommand(line: Buffer, start: number, end: number): Command {
  const wordEnd = fieldEnd(line, start, end)
  const at = wordEnd + 1
  if (isWord(line, start, wordEnd, 'AUTH')) return parseAuth(line, at, end)
  if (isWord(line, start, wordEnd, 'CONT')) return parseCont(line, at, end)
  if (isWord(line, start, wordEnd, 'CANCEL')) {
    const id = parseUint32(line, at, end)
    return id === undefined ? broken('malformed CANCEL') : { kind: 'cancel', id }
  }
  if (isWord(line, start, wordEnd, 'VERSION')) {
    const majorEnd = fieldEnd(line, at, end)
    const major = parseUint32(line, at, majorEnd)
    const minor = parseUint32(line, majorEnd + 1, end)
    return major === undefined || minor === undefined
      ? broken('malformed VERSION')
      : { kind: 'version', major, minor }
  }
  if (isWord(line, start, wordEnd, 'CPID')) {
    const pid = parseUint32(line, at, end)
    return pid === undefined || pid === 0 ? broken('malformed CPID') : { kind: 'cpid', pid }
  }
  return broken('unknown command')
}

/** CONT TAB id TAB base64: all that follows the id is data, and unlike AUTH's fields it is not escaped. */
function parseCont(line: Buffer, start: number, end: number): Command {
  const idEnd = fieldEnd(line, start, end)
  const id = parseUint32(line, start, idEnd)
  if (id === undefined || idEnd === end) return broken('malformed CONT')
  return { kind: 'cont', id, response: line.subarray(idEnd + 1, end) }
}

/** AUTH TAB id TAB mechanism {TAB name[=value]}. Unknown names are ignored, of a repeated one the last counts. */
function parseAuth(line: Buffer, start: number, end: number): Command {
  const idEnd = fieldEnd(line, start, end)
  const id = parseUint32(line, start, idEnd)
  if (id === undefined || id === 0 || idEnd === end) return broken('malformed AUTH')
  let stop = fieldEnd(line, idEnd + 1, end)
  const mechanism = word(line, idEnd + 1, stop, MECHANISMS) ?? ''

  let service: Service | undefined
  let protocol: Service | undefined
  let remoteIp: string | undefined
  let localIp: string | undefined
  let secured = false
  let sessionId: string | undefined
  let response: Buffer | undefined
  while (stop < end) {
    // A parameter after the response was put there by somebody who could smuggle a TAB into it.
    if (response !== undefined) return broken('parameter after resp')
    const from = stop + 1
    const nameEnd = nameEndOf(line, from, end)
    stop = line[nameEnd] === EQUALS ? fieldEnd(line, nameEnd, end) : nameEnd
    const value = Math.min(nameEnd + 1, stop)
    switch (nameEnd - from) {
      case 3:
        if (isWord(line, from, nameEnd, 'rip')) remoteIp = ip(line, value, stop)
        else if (isWord(line, from, nameEnd, 'lip')) localIp = ip(line, value, stop)
        break
      case 4:
        if (isWord(line, from, nameEnd, 'resp')) response = unescapeTabs(line.subarray(value, stop))
        break
      case 7:
        if (isWord(line, from, nameEnd, 'service')) {
          service = parseService(word(line, value, stop, SERVICES) ?? '?')
        } else if (isWord(line, from, nameEnd, 'secured')) secured = true
        else if (isWord(line, from, nameEnd, 'session')) sessionId = session(line, value, stop)
        break
      case 8:
        // What Dovecot 2.4's own client (doveadm auth test) sends in the place of service.
        if (isWord(line, from, nameEnd, 'protocol')) {
          protocol = parseService(word(line, value, stop, SERVICES) ?? '?')
        }
        break
    }
  }
  service ??= protocol
  if (service === undefined) return broken('AUTH without service')
  return { kind: 'auth', id, mechanism, service, remoteIp, localIp, secured, sessionId, response }
}

/** Where the field that begins at `start` ends: at a TAB or at `end`. */
function fieldEnd(line: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && line[at] !== TAB) at += 1
  return at
}

function nameEndOf(line: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && line[at] !== TAB && line[at] !== EQUALS) at += 1
  return at
}

function isWord(line: Buffer, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false
  for (let at = 0; at < word.length; at += 1) {
    if (line[start + at] !== word.charCodeAt(at)) return false
  }
  return true
}

/** An unsigned 32-bit decimal, digits only, or undefined. */
function parseUint32(line: Buffer, start: number, end: number): number | undefined {
  if (start >= end) return undefined
  let value = 0
  for (let at = start; at < end; at += 1) {
    const digit = (line[at] ?? 0) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
    if (value > MAX_UINT32) return undefined
  }
  return value
}

/** A short field; `usual` are words that it mostly is. */
function word(line: Buffer, start: number, end: number, usual: readonly string[]): string | undefined {
  return usual.find((known) => isWord(line, start, end, known)) ?? text(line, start, end, MAX_WORD_BYTES)
}

function text(line: Buffer, start: number, end: number, maxBytes: number): string | undefined {
  if (end - start > maxBytes) return undefined
  for (let at = start; at < end; at += 1)
    if (line[at] === ESCAPE) return unescapeTabs(line.subarray(start, end)).toString('latin1')
  return line.toString('latin1', start, end)
}

/** Postfix sends an empty `rip=` for an unknown address; what is no address is ignored, as by Dovecot. */
function ip(line: Buffer, start: number, end: number): string | undefined {
  const address = text(line, start, end, MAX_IP_BYTES)
  return address !== undefined && isIP(address) !== 0 ? address : undefined
}

function session(line: Buffer, start: number, end: number): string | undefined {
  const id = unescapeTabs(line.subarray(start, Math.min(end, start + MAX_SESSION_BYTES))).toString('utf8')
  return id === '' ? undefined : id
}
