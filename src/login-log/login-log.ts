/**
 * The login log: every finished login is counted, some become a line, all are merged for the database. `record` runs
 * inside the login and never waits; everything that waits happens once a second in flush.
 */
import type { Clock } from '../clock.ts'
import type { LoginRequest } from '../login/request.ts'
import type { Outcome } from '../login/outcome.ts'
import { networkOf } from '../policy/network.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { LoginMetrics } from '../telemetry/metrics.ts'
import { cleanName } from './clean-name.ts'
import type { AppPasswordUse, LoginLog, LoginLogEntry, LoginLogWriter, SaslLogEntry } from './event.ts'
import { createFlusher } from './flusher.ts'
import { createLoginKeys, saslKey, type KeyedLogin, type LoginKeys } from './keys.ts'
import { createLatestBuffer } from './latest.ts'
import { createLineRule, type LoginLines } from './lines.ts'
import { createMergeBuffer, hourOf } from './merge.ts'
import { own } from './own.ts'

/** Per buffer: about 30 MB of entries at worst. */
const MAX_KEYS = 100_000

export interface LoginLogOptions {
  readonly writer: LoginLogWriter
  readonly metrics: LoginMetrics
  readonly logger: Logger
  readonly clock: Clock
  /** Which logins become lines: `log.logins`. */
  readonly mode: LoginLines
  /** How long our own log is kept: `log.retention_days`. */
  readonly retentionDays: number
  /** Whether good logins go to `sasl_log` too (where the table exists). */
  readonly saslLog: boolean
  /** Keys each buffer holds at most; for tests. */
  readonly maxKeys?: number
}

export interface RunningLoginLog extends LoginLog {
  /** Begins to write once a second and to delete what is past its time. */
  start(): void
  /** Writes what is due now. Never throws: what fails stays and is tried again. */
  flush(): Promise<void>
  /** Writes everything, once, and stops. Never throws. */
  close(): Promise<void>
  /** Entries that are not in the database yet. */
  pending(): number
  /**
   * Those of one mailbox, as copies: they go on growing here. Some may be in the database already, which then has their
   * last time or a later one.
   */
  pendingOf(mailbox: string): readonly LoginLogEntry[]
}

/** Whether the mailbox of an outcome is one: strangers must not be able to fill the log with names they make up. */
function namesMailbox({ verdict, why }: Outcome): boolean {
  switch (verdict) {
    case 'ok':
    case 'user_disabled':
    case 'service_denied':
    case 'pass_expired':
      return true
    case 'password_mismatch':
      return why === 'hash_differs' || why === 'app_password_differs'
    case 'user_unknown':
    case 'throttled':
    case 'temp_fail':
      return false
  }
}

/** 0 for other credentials, as mailcow writes it. */
function appPasswordId(credential: string): number {
  return credential.startsWith('app:') ? Number(credential.slice(4)) : 0
}

/** IPv4 as it is, IPv6 by network: its owner has 2^64 addresses to fail from. */
function failureSource(remoteIp: string | undefined): string {
  return remoteIp === undefined || remoteIp.includes(':') ? networkOf(remoteIp) : remoteIp
}

type Named = Pick<KeyedLogin, 'mailbox' | 'credential'>

export function createLoginLog(options: LoginLogOptions): RunningLoginLog {
  const { metrics, logger, clock } = options
  const maxKeys = options.maxKeys ?? MAX_KEYS
  const loginKeys = createLoginKeys()
  const merged = createMergeBuffer(maxKeys)
  const saslLog = createLatestBuffer<SaslLogEntry>({
    maxKeys,
    keyOf: ({ service, remoteIp, mailbox }) => saslKey(service, remoteIp, mailbox),
    own: (login) => ({ ...login, mailbox: own(login.mailbox), remoteIp: own(login.remoteIp) }),
    renew: (kept, { atMs, appPasswordId }) => ({ ...kept, atMs, appPasswordId }),
  })
  const uses = createLatestBuffer<AppPasswordUse>({
    maxKeys,
    keyOf: ({ id }) => String(id),
    own: (use) => ({ ...use, mailbox: own(use.mailbox) }),
    // networkOf gives texts of its own.
    renew: (kept, { atMs, service, network }) => ({ ...kept, atMs, service, network }),
  })
  const lines = createLineRule(options.mode, (source, suppressed) => {
    logger.info({ event: 'login_suppressed', remote: source, suppressed }, `suppressed: ${suppressed}`)
  })
  const flusher = createFlusher({ ...options, merged, saslLog, uses, lines })

  /** The address stands before what strangers choose: conf/fail2ban reads lines from their start, in this order. */
  function writeLine(request: LoginRequest, outcome: Outcome, durationMs: number) {
    const fields = {
      event: 'login',
      verdict: outcome.verdict,
      why: outcome.why,
      remote_ip: request.remoteIp,
      ...(outcome.mailbox === undefined
        ? { name: cleanName(request.username) }
        : { mailbox: cleanName(outcome.mailbox) }),
      service: request.service,
      door: request.door,
      credential: outcome.credential,
      provisioned: outcome.provisioned || undefined,
      record_age_ms: outcome.recordAgeMs === undefined ? undefined : Math.round(outcome.recordAgeMs),
      session: request.sessionId === undefined ? undefined : cleanName(request.sessionId),
      duration_ms: Math.round(durationMs * 10) / 10,
    }
    if (outcome.verdict === 'temp_fail') logger.warn(fields, 'login failed temporarily')
    else logger.info(fields, outcome.verdict === 'ok' ? 'login' : 'login refused')
  }

  function recordSasl(
    { remoteIp }: LoginRequest,
    { mailbox, credential }: Named,
    keys: LoginKeys,
    nowMs: number,
  ) {
    // Without an address there is nothing that mailcow could show of it.
    if (!options.saslLog || remoteIp === undefined) return true
    const service = keys.saslService
    return saslLog.add(
      { service, appPasswordId: appPasswordId(credential), mailbox, remoteIp, atMs: nowMs },
      keys.sasl,
    )
  }

  /** Where a good login is written beside our own log. False where it found no place. */
  function recordOk(request: LoginRequest, named: Named, keys: LoginKeys, nowMs: number): boolean {
    const id = appPasswordId(named.credential)
    const use = { id, mailbox: named.mailbox, service: request.service, network: keys.network, atMs: nowMs }
    const keptUse = id === 0 || uses.add(use, String(id))
    return recordSasl(request, named, keys, nowMs) && keptUse
  }

  function record(request: LoginRequest, outcome: Outcome) {
    const nowMs = clock.nowMs()
    // Wall time is for what is stored; what is waited for must survive a clock that is set back.
    const monotonicMs = clock.monotonicMs()
    const durationMs = Math.max(0, monotonicMs - request.receivedAtMs)
    const { service, door } = request
    const { verdict, why, provisioned } = outcome
    metrics.recordLogin({ verdict, service, door, durationMs, provisioned })

    const mailbox = namesMailbox(outcome) ? (outcome.mailbox ?? '') : ''
    const credential = outcome.credential ?? ''
    const named = { mailbox, credential, service, verdict, why, remoteIp: request.remoteIp }
    const keys = loginKeys(named, hourOf(nowMs))
    const { network } = keys
    const kept = merged.add({ mailbox, network, service, credential, verdict, why }, keys.merged, nowMs)
    const keptOk = verdict !== 'ok' || recordOk(request, named, keys, nowMs)
    if (!kept || !keptOk) metrics.recordLoginLogOverflow(1)

    const hasLine =
      verdict === 'ok'
        ? lines.allowsOk(keys.line, monotonicMs)
        : lines.allowsFailure(failureSource(request.remoteIp), monotonicMs)
    if (hasLine) writeLine(request, outcome, durationMs)
  }

  return {
    record(request, outcome) {
      try {
        record(request, outcome)
      } catch (error) {
        // The login is done and its answer must leave; a log that cannot log has one more try to say so.
        try {
          logger.error({ err: error }, 'login log failed')
        } catch {
          // Nothing is left to be done.
        }
      }
    },
    pending: () => merged.size + saslLog.size + uses.size,
    pendingOf: (mailbox) =>
      [...flusher.writing(), ...merged.waiting()]
        .filter((entry) => entry.mailbox === mailbox)
        .map((entry) => ({ ...entry })),
    ...flusher,
  }
}
