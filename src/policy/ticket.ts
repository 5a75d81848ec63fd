/** What policy grants a request: how its password work is queued and until when it must be answered. */
export interface Ticket {
  readonly lane: 'known' | 'stranger'
  /** The queue this request counts in (a network). */
  readonly share: string
  readonly delayMs: number
  /** Monotonic milliseconds. */
  readonly deadlineMs: number
}
