/** A mailbox's rate limit as Rspamd reads it: field <username> of the Redis hash RL_VALUE, `10 / 1h` (facts: mailcow). */

/** The Redis hash that holds the limit of every mailbox that has one. */
export const RATE_LIMIT_KEY = 'RL_VALUE'

const FRAMES = ['s', 'm', 'h', 'd'] as const
/** Per second, minute, hour or day. */
export type RateLimitFrame = (typeof FRAMES)[number]

/** More messages in a frame than anybody sends; digits beyond it are no number of messages. */
const MAX_MESSAGES = 1_000_000_000

export interface RateLimit {
  readonly messages: number
  readonly frame: RateLimitFrame
}

/**
 * A template's rl_value and rl_frame. `undefined`: no limit (mailcow: empty or 0). A string says what is wrong where
 * there is a value that cannot be read.
 */
export function parseRateLimit(value: string, frame: string): RateLimit | undefined | string {
  if (value === '') return undefined
  const messages = Number(value)
  if (!Number.isInteger(messages) || messages < 0 || messages > MAX_MESSAGES)
    return 'its rl_value is not a number of messages'
  if (messages === 0) return undefined
  const known = FRAMES.find((one) => one === frame)
  return known === undefined ? 'its rl_frame is none of s, m, h, d' : { messages, frame: known }
}

/** The value of the Redis field. */
export function formatRateLimit({ messages, frame }: RateLimit): string {
  return `${messages} / 1${frame}`
}
