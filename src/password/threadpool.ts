/**
 * How many comparisons may run at a time. bcrypt, argon2 and PBKDF2 run on libuv's threads, which also look up host
 * names (getaddrinfo) and read files: were all of them comparing, Keycloak and the database could not be found.
 *
 * libuv has 4 threads unless UV_THREADPOOL_SIZE was set before the process started; `./mailpassd` sets twice the cores
 * and four. Of these libuv gives at most half to name look-ups, so that with a name server that hangs there are still
 * a thread for each core and some for files.
 */
import { availableParallelism } from 'node:os'

/** Threads that no comparison takes: one to look up a name, one to read a file. */
export const FREE_THREADS = 2

/** libuv's threads by the environment it reads (its documentation, "Thread pool work scheduling"). */
export function threadpoolSize({ UV_THREADPOOL_SIZE: text }: NodeJS.ProcessEnv): number {
  if (text === undefined) return 4
  // As libuv does: atoi, 0 for what is no number, and 0 is 1.
  const size = Number.parseInt(text, 10)
  return Math.min(1024, Math.max(1, Number.isNaN(size) ? 1 : size))
}

/**
 * Comparisons that run at a time, at least 1.
 *
 * @param workers as configured; 0: one for each core
 */
export function workersOf(workers: number, threads: number, cores = availableParallelism()): number {
  return Math.max(1, Math.min(workers > 0 ? workers : cores, threads - FREE_THREADS))
}
