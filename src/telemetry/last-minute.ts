/**
 * Logins of the last minute, from samples of what is counted anyway: a login pays nothing for it. Exact to one sample.
 */
import type { Cancel, Clock } from '../clock.ts'

const SAMPLE_EVERY_MS = 5000
const SAMPLES = 12

export type Counts = Readonly<Record<string, number>>

export interface LastMinute {
  /** What came in the last 60 s, by name; names with nothing are left out. */
  read(): Counts
  stop(): void
}

/** `totals` gives the counts since the start; it begins to take samples at once. */
export function startLastMinute(totals: () => Counts, clock: Clock): LastMinute {
  const samples: Counts[] = [totals()]
  let cancel: Cancel = () => {}
  const sample = () => {
    samples.push(totals())
    if (samples.length > SAMPLES) samples.shift()
    cancel = clock.after(SAMPLE_EVERY_MS, sample)
  }
  cancel = clock.after(SAMPLE_EVERY_MS, sample)
  return {
    read() {
      const before = samples[0] ?? {}
      const grown = Object.entries(totals()).map(([name, count]): [string, number] => [
        name,
        count - (before[name] ?? 0),
      ])
      return Object.fromEntries(grown.filter(([, count]) => count > 0))
    },
    stop: () => cancel(),
  }
}
