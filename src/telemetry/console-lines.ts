/** Log lines for a person at a terminal: `12:00:01 INFO  text key=value …`. Machines get JSON. */

const NAMES: Readonly<Record<number, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
}

function shown(value: unknown): string {
  return typeof value === 'string' && /^[\w@.:/+-]+$/.test(value) ? value : JSON.stringify(value)
}

/** One JSON line of the log as a readable line; a line that is not ours stays as it is. */
export function consoleLine(json: string): string {
  let line: unknown
  try {
    line = JSON.parse(json)
  } catch {
    return json
  }
  if (typeof line !== 'object' || line === null || !('level' in line) || !('time' in line)) return json
  const { level, time, msg, ...fields } = { msg: '', ...line }
  const clock = new Date(Number(time)).toTimeString().slice(0, 8)
  const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${shown(value)}`)
  return `${clock} ${(NAMES[Number(level)] ?? 'LOG').padEnd(5)} ${msg}${pairs.join('')}\n`
}
