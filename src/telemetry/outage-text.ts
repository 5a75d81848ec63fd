/** What an outage means, in the words that /readyz and `mailpassd status` use. */

const MINUTE_MS = 60_000

/** `oldestMs`: age of the oldest record that serves; undefined where none did yet. */
export function directoryDownText(oldestMs: number | null | undefined): string {
  if (oldestMs === undefined || oldestMs === null) return 'directory down, no old records serve yet'
  const minutes = Math.ceil(oldestMs / MINUTE_MS)
  return `directory down, serving records up to ${minutes} minute${minutes === 1 ? '' : 's'} old`
}

export function storeDownText(serves: boolean, outageMinutes: number): string {
  return serves
    ? `database down, serving rows up to ${outageMinutes} minutes old`
    : 'database down, no rows are young enough to serve'
}
