/**
 * The metrics registry and what rooms call to count. A door or a room takes the small port it needs (LoginMetrics,
 * DirectoryMetrics); only the daemon knows the whole.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { Door } from '../login/request.ts'
import type { Verdict } from '../login/outcome.ts'
import type { Service } from '../login/service.ts'
import { METRICS, type MetricName } from './definitions.ts'
import type { KeepingFigures } from './keeping-figures.ts'
import { createLoginCounts } from './login-counts.ts'
import { residentBytes } from './resident.ts'

/** What counting a login needs. Called once per login, about a microsecond. */
export interface LoginMetrics {
  recordLogin(login: {
    readonly verdict: Verdict
    readonly service: Service
    readonly door: Door
    readonly durationMs: number
    readonly provisioned: boolean
  }): void
  /** `count` logins could not be kept by the login log. */
  recordLoginLogOverflow(count: number): void
  recordLoginLogWriteError(): void
}

/** What the directory adapter reports: one call per request that left the process. */
export interface DirectoryMetrics {
  /** `request` is a constant such as `token` or `lookup`; `result` is `ok` or a code of errors.ts. */
  recordDirectoryRequest(request: string, result: string, durationMs: number): void
}

/** What the socketmap door reports of each look-up; both labels are from closed lists. */
export interface MapMetrics {
  recordMapLookup(map: string, answer: string, durationMs: number): void
}

/** What the password pool reports of slow comparisons; both labels are from closed lists. */
export interface PasswordPoolMetrics {
  recordPasswordWait(lane: string, waitMs: number): void
  recordPasswordShed(lane: string, cause: string): void
}

/** What the memory of accounts reports of answers that rest on old parts, or are put off. */
export interface AccountMetrics {
  recordOldRecordServed(ageMs: number): void
  recordOldRowsServed(): void
  /** `why` is one of login/why.ts. */
  recordPutOff(why: string): void
}

/** Gauges are read when somebody asks; each is a function that costs nothing. */
export interface GaugeSources {
  readonly passwordPool?: () => {
    readonly workers: number
    readonly running: number
    readonly queued: Readonly<Record<string, number>>
    readonly waitMs: Readonly<Record<string, number>>
  }
  readonly records?: () => number
  readonly massChangeHeld?: () => number
  readonly directoryDown?: () => boolean
  readonly keeping?: () => KeepingFigures
  readonly saslConnections?: () => number
  readonly socketmapConnections?: () => number
  readonly loginLogPending?: () => number
  readonly outbox?: () => readonly OutboxWaiting[]
  readonly guessing?: () => { readonly counters: number; readonly knownPairs: number }
  readonly directoryEvents?: () => {
    readonly isOnTime: boolean
    readonly changes: number
    readonly pending: number
  }
}

interface OutboxWaiting {
  readonly consumer: string
  readonly count: number
  readonly oldestSeconds: number
}

export interface Metrics
  extends LoginMetrics, DirectoryMetrics, AccountMetrics, MapMetrics, PasswordPoolMetrics {
  recordDroppedLogLine(): void
  recordAlarm(alarm: string): void
  /** Logins since the start, by verdict. */
  loginsByVerdict(): Readonly<Record<string, number>>
  /** Adds sources of gauges, or replaces them. A gauge without a source is 0. */
  watch(sources: GaugeSources): void
  /** The Prometheus text format, version 0.0.4. */
  text(): Promise<string>
  readonly contentType: string
  /** Stops what runs in the background (the event loop's monitor). */
  close(): void
}

/** A registry of its own, nothing global: tests make as many as they like. `version` is that of mailpassd. */
export function createMetrics(options: { readonly version: string }): Metrics {
  const registry = new Registry()
  let sources: GaugeSources = {}

  function definition(name: MetricName) {
    const { help, labels } = METRICS[name]
    return { name, help, labelNames: [...labels], registers: [registry] }
  }
  /** `read` counts anew what the registry shows, each time somebody looks. */
  const counter = (name: MetricName, read?: (counter: Counter<string>) => void) =>
    new Counter<string>({
      ...definition(name),
      ...(read === undefined
        ? {}
        : {
            collect() {
              this.reset()
              read(this)
            },
          }),
    })
  const gauge = (name: MetricName, read?: () => number) =>
    new Gauge<string>({
      ...definition(name),
      ...(read === undefined
        ? {}
        : {
            collect() {
              this.set(read())
            },
          }),
    })

  /** A value for each consumer; those with nothing are gone. */
  const outboxGauge = (name: MetricName, value: (waiting: OutboxWaiting) => number) =>
    new Gauge<string>({
      ...definition(name),
      collect() {
        this.reset()
        for (const waiting of sources.outbox?.() ?? [])
          this.set({ consumer: waiting.consumer }, value(waiting))
      },
    })

  /** A value for each lane of the password queue. */
  const laneGauge = (name: MetricName, read: () => Readonly<Record<string, number>> | undefined) =>
    new Gauge<string>({
      ...definition(name),
      collect() {
        for (const [lane, value] of Object.entries(read() ?? {})) this.set({ lane }, value)
      },
    })

  const loginCounts = createLoginCounts()
  counter('mailpassd_logins_total', (logins) => {
    for (const { count, ...labels } of loginCounts.all()) logins.inc(labels, count)
  })
  const loginDuration = new Histogram<string>({
    ...definition('mailpassd_login_duration_seconds'),
    buckets: [...METRICS.mailpassd_login_duration_seconds.buckets],
  })
  const provisioned = counter('mailpassd_mailboxes_provisioned_total')
  gauge('mailpassd_password_comparisons_running', () => sources.passwordPool?.().running ?? 0)
  gauge('mailpassd_password_workers', () => sources.passwordPool?.().workers ?? 0)
  laneGauge('mailpassd_password_comparisons_queued', () => sources.passwordPool?.().queued)
  laneGauge('mailpassd_password_estimated_wait_seconds', () => inSeconds(sources.passwordPool?.().waitMs))
  const passwordWait = new Histogram<string>({
    ...definition('mailpassd_password_wait_seconds'),
    buckets: [...METRICS.mailpassd_password_wait_seconds.buckets],
  })
  const passwordSheds = counter('mailpassd_password_sheds_total')
  const directoryRequests = counter('mailpassd_directory_requests_total')
  const directoryDuration = new Histogram<string>({
    ...definition('mailpassd_directory_request_duration_seconds'),
    buckets: [...METRICS.mailpassd_directory_request_duration_seconds.buckets],
  })
  counter('mailpassd_directory_changes_total', (changes) => {
    changes.inc(sources.directoryEvents?.().changes ?? 0)
  })
  gauge('mailpassd_directory_events_read', () => (sources.directoryEvents?.().isOnTime === true ? 1 : 0))
  gauge('mailpassd_directory_changes_pending', () => sources.directoryEvents?.().pending ?? 0)
  gauge('mailpassd_directory_down', () => (sources.directoryDown?.() === true ? 1 : 0))
  const oldRecords = new Histogram<string>({
    ...definition('mailpassd_old_records_served_age_seconds'),
    buckets: [...METRICS.mailpassd_old_records_served_age_seconds.buckets],
  })
  const oldRows = counter('mailpassd_old_rows_served_total')
  const putOff = counter('mailpassd_unproven_put_off_total')
  gauge('mailpassd_records', () => sources.records?.() ?? 0)
  gauge('mailpassd_pass_users', () => sources.keeping?.().pass.running?.seen ?? 0)
  gauge('mailpassd_pass_users_expected', () => sources.keeping?.().pass.running?.expected ?? 0)
  gauge('mailpassd_pass_duration_seconds', () => (sources.keeping?.().pass.last?.durationMs ?? 0) / 1000)
  gauge(
    'mailpassd_pass_complete_age_seconds',
    () => (sources.keeping?.().pass.completeAgeMs ?? Number.NaN) / 1000,
  )
  gauge('mailpassd_snapshot_pending', () => sources.keeping?.().snapshot?.pending ?? 0)
  gauge('mailpassd_directory_mass_change_held', () => sources.massChangeHeld?.() ?? 0)
  gauge('mailpassd_sasl_connections', () => sources.saslConnections?.() ?? 0)
  const mapLookups = counter('mailpassd_map_lookups_total')
  const mapDuration = new Histogram<string>({
    ...definition('mailpassd_map_lookup_duration_seconds'),
    buckets: [...METRICS.mailpassd_map_lookup_duration_seconds.buckets],
  })
  gauge('mailpassd_socketmap_connections', () => sources.socketmapConnections?.() ?? 0)
  gauge('mailpassd_login_log_pending', () => sources.loginLogPending?.() ?? 0)
  gauge('mailpassd_guess_counters', () => sources.guessing?.().counters ?? 0)
  gauge('mailpassd_known_pairs', () => sources.guessing?.().knownPairs ?? 0)
  outboxGauge('mailpassd_outbox_pending', ({ count }) => count)
  outboxGauge('mailpassd_outbox_oldest_seconds', ({ oldestSeconds }) => oldestSeconds)
  const overflow = counter('mailpassd_login_log_overflow_total')
  const writeErrors = counter('mailpassd_login_log_write_errors_total')
  const droppedLines = counter('mailpassd_log_lines_dropped_total')
  const alarms = counter('mailpassd_alarms_total')
  gauge('mailpassd_build_info').set({ version: options.version, node: process.version }, 1)
  const loopDelay = registerProcess()

  function registerProcess() {
    // 20 ms: 50 timer ticks a second, which is 0.1 % of a core; the budget looked at is 5 ms at the 99th percentile.
    const delay = monitorEventLoopDelay({ resolution: 20 })
    delay.enable()
    gauge('mailpassd_event_loop_delay_p99_seconds', () => {
      const seconds = delay.count === 0 ? 0 : delay.percentile(99) / 1e9
      delay.reset()
      return seconds
    })
    counter('process_cpu_seconds_total', (cpu) => {
      const { user, system } = process.cpuUsage()
      cpu.inc((user + system) / 1e6)
    })
    gauge('process_resident_memory_bytes', residentBytes)
    gauge('process_heap_used_bytes', () => process.memoryUsage().heapUsed)
    gauge('process_start_time_seconds').set(Math.round(performance.timeOrigin / 1000))
    return delay
  }

  return {
    contentType: registry.contentType,
    recordLogin(login) {
      loginCounts.add(login.verdict, login.service, login.door)
      loginDuration.observe({ door: login.door }, login.durationMs / 1000)
      if (login.provisioned) provisioned.inc()
    },
    recordLoginLogOverflow(count) {
      overflow.inc(count)
    },
    recordLoginLogWriteError() {
      writeErrors.inc()
    },
    recordDirectoryRequest(request, result, durationMs) {
      directoryRequests.inc({ request, result })
      directoryDuration.observe({ request }, durationMs / 1000)
    },
    recordOldRecordServed(ageMs) {
      oldRecords.observe(ageMs / 1000)
    },
    recordOldRowsServed() {
      oldRows.inc()
    },
    recordPutOff(why) {
      putOff.inc({ why })
    },
    recordMapLookup(map, answer, durationMs) {
      mapLookups.inc({ map, answer })
      mapDuration.observe({ map }, durationMs / 1000)
    },
    recordPasswordWait(lane, waitMs) {
      passwordWait.observe({ lane }, waitMs / 1000)
    },
    recordPasswordShed(lane, cause) {
      passwordSheds.inc({ lane, cause })
    },
    recordDroppedLogLine() {
      droppedLines.inc()
    },
    recordAlarm(alarm) {
      alarms.inc({ alarm })
    },
    loginsByVerdict() {
      const counts: Record<string, number> = {}
      for (const { verdict, count } of loginCounts.all()) counts[verdict] = (counts[verdict] ?? 0) + count
      return counts
    },
    watch(added) {
      sources = { ...sources, ...added }
    },
    text: () => registry.metrics(),
    close() {
      loopDelay.disable()
    },
  }
}

function inSeconds(byLane: Readonly<Record<string, number>> = {}): Record<string, number> {
  return Object.fromEntries(Object.entries(byLane).map(([lane, ms]) => [lane, ms / 1000]))
}
