/** One login attempt as a door hands it to decide: parsed and bounded, nothing of the wire left in it. */
import type { Secret } from '../secret.ts'
import type { Service } from './service.ts'

/** Where a request came in. `mailcow` is the mailcow-compatible HTTP route, with mailcow's own service rules. */
export type Door = 'sasl' | 'http' | 'mailcow' | 'cli'

export interface LoginRequest {
  readonly door: Door
  readonly mechanism: 'PLAIN' | 'LOGIN'
  readonly service: Service
  /** The authid as it came, at most 1024 bytes; may be nonsense. */
  readonly username: string
  readonly secret: Secret
  /** Textual IP addresses, already checked to be such; absent when the client is not known. */
  readonly remoteIp: string | undefined
  readonly localIp: string | undefined
  readonly tls: boolean | undefined
  readonly sessionId: string | undefined
  /** Both on the monotonic clock. The answer is due by `deadlineMs`, at most 8 s after the request came. */
  readonly receivedAtMs: number
  readonly deadlineMs: number
}

/** An answer is due this long after its request came, whatever happens (Postfix gives up after 10 s). */
export const ANSWER_WITHIN_MS = 8000

/** RFC 4616 names no bound; longer passwords are refused before any work (hash flooding). */
export const MAX_PASSWORD_BYTES = 1024
export const MAX_USERNAME_BYTES = 1024
