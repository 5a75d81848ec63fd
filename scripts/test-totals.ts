/** Counts assertions in a TAP stream (https://testanything.org), and picks the lines worth showing. */

/** `ok 3 - text # SKIP reason`, at any depth; the number may be missing. */
const POINT = /^( *)(not )?ok\b(?: +\d+)?(.*)$/
const SKIP = /# *skip\b[ :]*(.*)$/i
const TODO = /# *todo\b/i
/** A sub-test's own point follows its assertions; it begins with this line. */
const SUBTEST = /^( *)# Subtest(?:: (.*))?$/

export class Totals {
  passed = 0
  failed = 0
  /** Reasons, each once. */
  readonly skipped = new Set<string>()
  /** Sub-tests whose closing point has not come yet: their depth, and what had failed when each began. */
  readonly #open: { readonly depth: number; readonly failedBefore: number }[] = []
  /** Lines of a failing point's diagnosis are shown until this depth's next line. */
  #diagnosisDepth: number | undefined

  /** Takes a line; gives what to show of it, or undefined. */
  read(line: string): string | undefined {
    const subtest = SUBTEST.exec(line)
    if (subtest !== null) {
      const depth = subtest[1]?.length ?? 0
      this.#open.push({ depth, failedBefore: this.failed })
      this.#diagnosisDepth = undefined
      return undefined
    }
    const point = POINT.exec(line)
    if (point !== null) return this.#readPoint(line, point)
    const indent = line.length - line.trimStart().length
    const isDiagnosis = this.#diagnosisDepth !== undefined && indent >= this.#diagnosisDepth
    if (isDiagnosis && line.trim() !== '') return line
    // What a suite says by t.comment() and bail-outs.
    return /^ *(# (?!time=|Subtest|\{ total|No coverage)|Bail out!)/.test(line) ? line : undefined
  }

  #readPoint(line: string, point: RegExpExecArray): string | undefined {
    const depth = point[1]?.length ?? 0
    const failed = point[2] !== undefined && !TODO.test(line)
    const last = this.#open.at(-1)
    const closed = last?.depth === depth ? this.#open.pop() : undefined
    const skip = SKIP.exec(line)
    if (skip !== null) this.skipped.add(skip[1]?.trim() || line.trim())
    // A sub-test's point repeats what its assertions said, except where it alone tells (a throw, a timeout).
    if (closed === undefined && skip === null) {
      if (failed) this.failed += 1
      else this.passed += 1
    }
    this.#diagnosisDepth = failed ? depth + 2 : undefined
    if (failed) {
      if (closed !== undefined && closed.failedBefore === this.failed) this.failed += 1
      return line
    }
    return depth === 0 ? line : undefined
  }
}
