/**
 * mailcow's own bans: its netfilter reads lines from the Redis channel F2B_CHANNEL and bans the address at the end of one
 * that its rules know, after 10 in 10 minutes. Lines leave once a second, in one connection; those that Redis does not take
 * are forgotten: a login waits for none of it.
 *
 * Lines of mailcow's Dovecot and Postfix about wrong passwords get there by themselves. What mailpassd refuses unseen
 * (throttled) is a temporary failure to them, which no rule counts: a guesser that goes on would never be banned.
 */
import { isIP } from 'node:net'
import type { Cancel, Clock } from '../clock.ts'
import type { LoginObserver, Observed } from '../policy/observer.ts'
import type { Logger } from '../telemetry/logger.ts'

export const F2B_CHANNEL = 'F2B_CHANNEL'

/** `throttled`: what mailcow does not see. `all`: wrong passwords and unknown users too, where no mailcow logs them. */
export type F2bMode = 'throttled' | 'all'

const EVERY_MS = 1000
/** Of one second; a guesser needs ten. */
const MAX_LINES = 1000

export interface Publisher {
  /** Throws MailpassdError consumer_failed. */
  publish(channel: string, lines: readonly string[]): Promise<void>
}

export interface F2b extends LoginObserver {
  /** Sends nothing more. */
  close(): void
}

/** `logger` tells a warning of the same kind now and then only. */
export function createF2b(parts: {
  readonly mode: F2bMode
  readonly publisher: Publisher
  readonly clock: Clock
  readonly logger: Logger
}): F2b {
  const { mode, publisher, clock, logger } = parts
  let lines: string[] = []
  let cancel: Cancel | undefined
  let isClosed = false

  async function flush(): Promise<void> {
    const taken = lines
    lines = []
    try {
      await publisher.publish(F2B_CHANNEL, taken)
    } catch (error) {
      logger.warn({ err: error }, "mailcow's netfilter was not told of failed logins")
    }
    cancel = undefined
    if (lines.length > 0) arm()
  }

  function arm(): void {
    if (isClosed || cancel !== undefined) return
    cancel = clock.after(EVERY_MS, () => void flush())
  }

  return {
    observed(facts) {
      if (isClosed || lines.length >= MAX_LINES || !counts(facts, mode)) return
      const line = f2bLine(facts.mailbox, facts.request.remoteIp)
      if (line === undefined) return
      lines.push(line)
      arm()
    },
    close() {
      isClosed = true
      cancel?.()
    },
  }
}

/** Never what says nothing about who asked; never who comes from where others come from, too. */
function counts({ outcome, isShared }: Observed, mode: F2bMode): boolean {
  if (isShared) return false
  switch (outcome.verdict) {
    case 'throttled':
      return true
    case 'password_mismatch':
    case 'user_unknown':
      return mode === 'all'
    case 'ok':
    case 'user_disabled':
    case 'service_denied':
    case 'pass_expired':
    case 'temp_fail':
      return false
  }
}

/**
 * A line as mailcow's first rule expects it. A name of other characters could look like another line, and is left out. An
 * address in capitals, or with a zone, is none to netfilter, which ends itself over it: undefined for what cannot be told.
 */
export function f2bLine(mailbox: string | undefined, remoteIp: string | undefined): string | undefined {
  if (remoteIp === undefined || remoteIp.includes('%') || isIP(remoteIp) === 0) return undefined
  const name = mailbox !== undefined && /^[a-z0-9._+=@-]{1,254}$/.test(mailbox) ? mailbox : 'unknown'
  return `mailcow UI: Invalid password for ${name} by ${remoteIp.toLowerCase()}`
}
