/** A lock and the recent use of its mailbox as JSON: one form for HTTP and for `--json`. Times are ISO 8601, in UTC. */
import type { Lock, LockState, RecentUse } from './incident.ts'
import type { SessionsEnded } from './lock-account.ts'

function time(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString()
}

function useAnswer({ credentials, addresses, appPasswords }: RecentUse) {
  return {
    credentials: credentials.map(({ credential, network, service, firstMs, lastMs, count }) => ({
      credential,
      network,
      service,
      first: time(firstMs),
      last: time(lastMs),
      count,
    })),
    addresses: addresses.map(({ remoteIp, service, credential, lastMs }) => ({
      remote_ip: remoteIp,
      service,
      credential,
      last: time(lastMs),
    })),
    app_passwords: appPasswords.map(({ id, name, active, lastMs, lastService, lastNetwork }) => ({
      id,
      name,
      active,
      last: time(lastMs),
      last_service: lastService ?? null,
      last_network: lastNetwork ?? null,
    })),
  }
}

/** The lock by itself. */
export function lockTerms(lock: Lock | undefined) {
  return lock === undefined
    ? null
    : { since: time(lock.sinceMs), until: time(lock.untilMs), reason: lock.reason }
}

/** `sessions` only after a lock. */
export function lockAnswer(state: LockState, sessions?: readonly SessionsEnded[]) {
  const { address, mailbox, lock, isLocked, use } = state
  return {
    address,
    mailbox,
    locked: isLocked,
    lock: lockTerms(lock),
    ...(sessions === undefined
      ? {}
      : {
          sessions: sessions.map(({ dovecot, ended, error }) => ({ dovecot, ended, error: error ?? null })),
        }),
    use: use === undefined ? null : useAnswer(use),
  }
}
