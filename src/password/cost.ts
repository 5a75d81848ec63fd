/**
 * What a comparison will take, in milliseconds of a worker: what its scheme and rounds say, corrected by how long its
 * like took here lately. The queue shares out time by it and says who can be answered before the deadline.
 *
 *     estimate = nominal (of a machine of 2024) x measured / nominal (moving average for scheme and magnitude)
 */
import type { Slow } from './comparison.ts'

/** Of the moving average: a new figure counts so much. */
const WEIGHT = 0.1
/** A single figure is never believed further: a laptop's lid was closed, a clock of a test stood still. */
const MIN_RATIO = 0.05
const MAX_RATIO = 50

export class Costs {
  readonly #ratios = new Map<string, number>()

  /** Milliseconds; a comparison of a scheme and magnitude that never ran is rated by its scheme, or as it is nominally. */
  estimate(comparison: Slow, passwordBytes: number): number {
    const nominalMs = nominalCostMs(comparison, passwordBytes)
    const ratio = this.#ratios.get(keyOf(comparison, nominalMs)) ?? this.#ratios.get(comparison.kind) ?? 1
    return nominalMs * ratio
  }

  /** `tookMs`: from its start on a worker to its answer. */
  measured(comparison: Slow, passwordBytes: number, tookMs: number): void {
    const nominalMs = nominalCostMs(comparison, passwordBytes)
    const ratio = Math.min(MAX_RATIO, Math.max(MIN_RATIO, tookMs / nominalMs))
    for (const key of [keyOf(comparison, nominalMs), comparison.kind]) {
      const before = this.#ratios.get(key)
      this.#ratios.set(key, before === undefined ? ratio : before + (ratio - before) * WEIGHT)
    }
  }
}

/** Doublings of cost are told apart, not every number of rounds: so the map is bounded by schemes x 30. */
function keyOf({ kind }: Slow, nominalMs: number): string {
  return `${kind} ${Math.round(Math.log2(nominalMs))}`
}

/** Milliseconds on one core of some 3 GHz; above 0. */
export function nominalCostMs(comparison: Slow, passwordBytes: number): number {
  switch (comparison.kind) {
    case 'bcrypt':
      return 0.05 * 2 ** comparison.cost
    case 'argon2i':
    case 'argon2id':
      // Memory is that of all lanes together, so that lanes do not count; they run one after the other.
      return 0.2 + comparison.memoryKib * comparison.passes * 0.0012
    case 'pbkdf2':
      return 0.05 + comparison.rounds * (comparison.digest === 'sha1' ? 0.0004 : 0.0008)
    case 'sha256-crypt':
    case 'sha512-crypt':
      // Each round hashes the password once or twice.
      return 0.2 + comparison.rounds * (0.0008 + passwordBytes * 0.0000035)
    case 'md5-crypt':
      return 2
    case 'des-crypt':
      return 1
  }
}
