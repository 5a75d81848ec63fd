/** What policy grants a request: how its password work is queued and until when it must be answered. */
export interface Ticket {
  /** `known`: this pair of mailbox and network had a right password in the last 30 days. */
  readonly lane: 'known' | 'stranger'
  /** The queues it counts in by where it comes from, each within the one before; the last is the pair's network. */
  readonly networks: readonly string[]
  /** The address it is for; counted across networks, and with the last of them the pair. */
  readonly mailbox: string
  /** How long after it came a refusal leaves a door that delays (SASL). */
  readonly delayMs: number
  /** Monotonic milliseconds. */
  readonly deadlineMs: number
  /** Absent where nobody counts. */
  readonly attempt?: Attempt
}

/** How far the login came, whatever its outcome says. */
export interface Attempt {
  /** Comparisons that were begun. The pool counts them. */
  comparisons: number
}
