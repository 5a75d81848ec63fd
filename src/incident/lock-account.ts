/** Locking an account while it may be in use: the lock first, then the end of its live sessions, waited for a little. */
import type { Clock } from '../clock.ts'
import type { OutboxState } from '../outbox/outbox.ts'
import type { Ending, Lock, LockAddress, Locks, LockState, LockTerms } from './incident.ts'

/** How the end of the sessions at one Dovecot stands. */
export interface SessionsEnded {
  readonly dovecot: string
  readonly ended: boolean
  /** Why not yet; undefined where nobody tried so far. */
  readonly error: string | undefined
}

export interface LockedAccount extends LockState {
  readonly sessions: readonly SessionsEnded[]
}

export interface UnlockedAccount extends LockState {
  readonly before: Lock | undefined
}

export interface LockAccountParts {
  readonly locks: Locks
  readonly outbox: { lookup(ids: readonly number[]): Promise<readonly OutboxState[]> }
  /** Gets the work of the outbox going; where it resolves late, all of it was tried once. */
  readonly drain: () => void | Promise<void>
  /** Told of what was written, so that it counts at once where it was asked for; other nodes read the change table. */
  readonly changed?: (address: string) => void
  readonly clock: Clock
}

export interface Incidents {
  lock(address: LockAddress, terms: LockTerms): Promise<LockedAccount>
  unlock(address: LockAddress): Promise<UnlockedAccount>
  show(address: LockAddress): Promise<LockState>
}

/** The work goes on in the outbox; whoever asked is told what came of it by then. */
const WAIT_MS = 4000
const LOOK_EVERY_MS = 100

export function createIncidents({ locks, outbox, drain, changed, clock }: LockAccountParts): Incidents {
  async function waitFor(ending: readonly Ending[]): Promise<readonly SessionsEnded[]> {
    if (ending.length === 0) return []
    const untilMs = clock.monotonicMs() + WAIT_MS
    await drain()
    for (;;) {
      const left = await outbox.lookup(ending.map(({ id }) => id))
      // What failed once is tried again in a second or more: that is told, not waited for.
      const isOpen = left.some(({ tries, lastError }) => tries === 0 || lastError === '')
      if (!isOpen || clock.monotonicMs() >= untilMs) {
        return ending.map(({ dovecot, id }) => {
          const state = left.find((row) => row.id === id)
          const error = state?.lastError === '' ? undefined : state?.lastError
          return { dovecot, ended: state === undefined, error }
        })
      }
      await new Promise<void>((resolve) => void clock.after(LOOK_EVERY_MS, resolve))
    }
  }

  return {
    async lock(address, terms) {
      const { ending, ...state } = await locks.lock(address, terms)
      // Before the sessions end: their clients come back at once.
      changed?.(address.full)
      return { ...state, sessions: await waitFor(ending) }
    },
    async unlock(address) {
      const unlocked = await locks.unlock(address)
      changed?.(address.full)
      return unlocked
    },
    show: (address) => locks.show(address),
  }
}
