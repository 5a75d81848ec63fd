/**
 * Values that are mostly there at once. A warm login waits for nothing, and awaiting what is there costs a turn of the
 * queue of promises for each room (2 us for ten of them).
 */
export type Soon<T> = T | Promise<T>

/**
 * What `use` makes of the value: at once where it is there, else when it comes. Where `use` throws, this throws or
 * rejects, as the value came.
 */
export function whenThere<T, R>(value: Soon<T>, use: (value: T) => Soon<R>): Soon<R> {
  return value instanceof Promise ? value.then(use) : use(value)
}
