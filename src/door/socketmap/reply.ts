/** What socketmap asks and is told (socketmap_table(5) of Postfix): `name key` -> a status word and what follows it. */
import type { MapAnswer } from '../../account/maps/lookup.ts'
import { formatNetstring } from './netstring.ts'

export interface MapRequest {
  readonly map: string
  readonly key: string
}

/** The answers by their first word. PERM is a fault of the configuration: Postfix defers then, too. */
export type MapStatus = 'OK' | 'NOTFOUND' | 'TEMP' | 'PERM'

export interface MapReply {
  readonly status: MapStatus
  /** As a netstring. */
  readonly bytes: string
}

/** Postfix's bound on a reply (socketmap_max_reply_size); a longer one it takes for a broken server. */
export const MAX_REPLY_BYTES = 100_000

const SPACE = 0x20
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Name and key, cut at the first space; undefined where there is none. A key that is not UTF-8 is nobody's name, which
 * the empty one stands for: strangers can make Postfix ask for such.
 */
export function parseMapRequest(bytes: Buffer, start: number, end: number): MapRequest | undefined {
  const space = bytes.indexOf(SPACE, start)
  if (space === -1 || space >= end) return undefined
  return { map: bytes.toString('latin1', start, space), key: decode(bytes.subarray(space + 1, end)) ?? '' }
}

function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** The space after NOTFOUND belongs to it. Reasons are for Postfix's log. */
export function formatMapReply(status: MapStatus, text: string): MapReply {
  return { status, bytes: formatNetstring(`${status} ${text}`) }
}

export const NOT_FOUND = formatMapReply('NOTFOUND', '')
const TOO_LONG = formatMapReply('TEMP', 'the answer is longer than Postfix takes')

export function replyOf(answer: MapAnswer): MapReply {
  switch (answer.kind) {
    case 'found':
      return Buffer.byteLength(answer.value) + 3 > MAX_REPLY_BYTES
        ? TOO_LONG
        : formatMapReply('OK', answer.value)
    case 'absent':
      return NOT_FOUND
    case 'temp_fail':
      return formatMapReply('TEMP', answer.why)
  }
}
