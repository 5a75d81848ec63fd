/** Comparison of bytes in constant time. */
import { hash, timingSafeEqual } from 'node:crypto'

/**
 * Whether two byte strings of any lengths are equal. The time taken tells nothing about where they differ:
 * different lengths are compared by digest, because `timingSafeEqual` wants equal ones.
 */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length === b.length) return timingSafeEqual(a, b)
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer')) && a.length === b.length
}
