/**
 * The open connections of one listener of ours: what was answered is written once per turn of the event loop, deadlines
 * are looked after by one sweep instead of a timer for each request, and all end together.
 */
import type { Server } from 'node:net'
import type { Clock } from '../clock.ts'
import { Sweep } from '../sweep.ts'
import type { Timetable } from '../timetable.ts'

/** At the end a connection that came this moment may still say what it wants. */
const FIRST_WORD_MS = 50

export interface OpenConnection {
  /** Nothing has been received from the peer yet. */
  readonly isSilent: boolean
  /** Writes what was collected. */
  flush(): void
  /** Ends when everything that was asked is answered. */
  drain(): void
  destroy(): void
}

export class OpenConnections<Connection extends OpenConnection> {
  readonly #clock: Clock
  readonly #sweep: Sweep
  readonly #open = new Set<Connection>()
  #toFlush: Connection[] = []

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sweep = new Sweep(clock)
  }

  get timetable(): Timetable {
    return this.#sweep.timetable
  }

  get size(): number {
    return this.#open.size
  }

  add(connection: Connection): void {
    this.#open.add(connection)
  }

  forget(connection: Connection): void {
    this.#open.delete(connection)
  }

  /** Flushes the connection at the end of this turn, with all others that ask for it. */
  flushLater(connection: Connection): void {
    if (this.#toFlush.length === 0) setImmediate(() => this.#flushAll())
    this.#toFlush.push(connection)
  }

  /** Sees to it that the timetable is swept while something stands in it. */
  armSweep(): void {
    this.#sweep.arm()
  }

  /**
   * Stops accepting, ends idle connections at once (silent ones 50 ms later) and others when they are answered; after
   * `graceMs` all that are left. Resolves when none is.
   */
  close(server: Server, graceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#clock.after(graceMs, () => {
      for (const connection of this.#open) connection.destroy()
    })
    server.close(() => {
      cancel()
      resolve()
    })
    const silent = [...this.#open].filter(({ isSilent }) => isSilent)
    for (const connection of this.#open) if (!connection.isSilent) connection.drain()
    // Where systemd holds the socket, nobody else would answer these.
    if (silent.length > 0)
      this.#clock.after(FIRST_WORD_MS, () => {
        for (const connection of silent) connection.drain()
      })
    return promise
  }

  #flushAll(): void {
    const now = this.#toFlush
    this.#toFlush = []
    for (const connection of now) connection.flush()
  }
}
