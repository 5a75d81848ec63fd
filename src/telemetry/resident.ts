/** Memory of the process that is in use by the machine. */

/** Bytes; 0 where nobody can say: in a chroot without /proc Node throws. */
export function residentBytes(): number {
  try {
    return process.memoryUsage.rss()
  } catch {
    return 0
  }
}
