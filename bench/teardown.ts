/** What a benchmark started, ended in the opposite order. */

type End = () => unknown

/** Runs what it is given at the end, the last first. tap's tests are such, too. */
export interface Teardown {
  teardown(end: End): void
}

export class TeardownStack implements Teardown {
  readonly #ends: End[] = []

  teardown(end: End): void {
    this.#ends.push(end)
  }

  /** Ends everything, also when something of it fails; throws the first failure then. */
  async end(): Promise<void> {
    const failures: unknown[] = []
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        await end()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
