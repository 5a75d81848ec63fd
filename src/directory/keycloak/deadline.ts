/** Time limits on the injected clock, so that a silent Keycloak is tested without waiting for it. */
import type { Clock } from '../../clock.ts'
import { MailpassdError } from '../../errors.ts'

export interface Deadline {
  /** Aborts when the time is over. */
  readonly signal: AbortSignal
  /** Must be called at the end, or the timer lives on. */
  readonly done: () => void
}

export function startDeadline(clock: Clock, limitMs: number): Deadline {
  const controller = new AbortController()
  return { signal: controller.signal, done: clock.after(limitMs, () => controller.abort()) }
}

/**
 * Runs `run` for at most `limitMs`, whatever it waits for (another caller's token request cannot be aborted by one
 * of those who wait). Throws directory_unavailable when the time is over.
 */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  what: string,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal, done } = startDeadline(clock, limitMs)
  const over = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => {
    over.reject(new MailpassdError('directory_unavailable', `${what}: no answer within ${limitMs} ms`))
  })
  try {
    return await Promise.race([run(signal), over.promise])
  } finally {
    done()
  }
}
