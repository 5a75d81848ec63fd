/** Collects what the rules of a configuration find: problems that refuse it, and warnings. */
import type { Problem } from './problem.ts'

export class Findings {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []

  problem(key: string, text: string): void {
    this.problems.push({ key, text })
  }

  warn(key: string, text: string): void {
    this.warnings.push({ key, text })
  }
}
