/** Whether an operator's lock is in force: one question for every door, so that all of them answer alike. */
import type { StoredAccount } from './stored.ts'

/** `nowMs` is wall-clock time. */
export function isLocked({ lock }: Pick<StoredAccount, 'lock'>, nowMs: number): boolean {
  return lock !== undefined && (lock.untilMs === undefined || nowMs < lock.untilMs)
}
