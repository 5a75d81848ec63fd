/** One call for all who ask at the same time. */

/**
 * Wraps `run` so that callers during a running call share its promise, good or bad; the next caller after its end
 * starts a new one.
 */
export function singleFlight<T>(run: () => Promise<T>): () => Promise<T> {
  let flight: Promise<T> | undefined
  return () => {
    flight ??= run().finally(() => {
      flight = undefined
    })
    return flight
  }
}
