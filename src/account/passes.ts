/** What complete readings of the directory say of the freshness of records (design §3 rules 7 and 11): a port. */
import type { DirectoryRecordValue } from './record-book.ts'

export interface Passes {
  /**
   * Records that were asked for at or after this monotonic time are fresh, however old they are. Infinity where passes
   * are late, or events are, where they are switched on: then look-ups keep records fresh.
   */
  freshFromMs(nowMs: number): number
  /**
   * That nobody has this address, where the last complete pass says so and is on time. The same value until the next
   * pass.
   */
  absence(email: string, nowMs: number): DirectoryRecordValue | undefined
}

/** In lookup mode. */
export const NO_PASSES: Passes = {
  freshFromMs: () => Number.POSITIVE_INFINITY,
  absence: () => undefined,
}
