/** CPU time of a server that is more than one process, as the kernel counts it (proc(5), /proc/<pid>/stat). */
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ, 100 on every Linux that Node runs on. */
const TICK_US = 10_000

interface Process {
  readonly pid: number
  readonly parent: number
  /** The program's name, as the kernel has it: at most 15 bytes. */
  readonly name: string
  readonly cpuUs: number
}

function read(pid: number): Process | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    // It ended meanwhile.
    return undefined
  }
  // The name stands in parentheses and may hold some itself: the last one ends it.
  const nameEnd = text.lastIndexOf(')')
  const name = text.slice(text.indexOf('(') + 1, nameEnd)
  const [, parent, ...rest] = text.slice(nameEnd + 2).split(' ')
  // utime and stime are fields 14 and 15.
  return { pid, parent: Number(parent), name, cpuUs: (Number(rest[9]) + Number(rest[10])) * TICK_US }
}

/**
 * User and system time in microseconds of a process and all its descendants, or of those among them that have this name.
 * What has ended is not counted.
 */
export function cpuUsOf(pid: number, name?: string): number {
  const all = readdirSync('/proc').flatMap((entry) => {
    const found = /^\d+$/.test(entry) ? read(Number(entry)) : undefined
    return found === undefined ? [] : [found]
  })
  const family = new Set([pid])
  for (let before = 0; before !== family.size;) {
    before = family.size
    for (const process of all) if (family.has(process.parent)) family.add(process.pid)
  }
  const counted = all.filter(
    (process) => family.has(process.pid) && (name === undefined || process.name === name),
  )
  return counted.reduce((sum, process) => sum + process.cpuUs, 0)
}
