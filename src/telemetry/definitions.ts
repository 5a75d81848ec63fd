/** Every metric of the daemon: name, type, labels and meaning. The registry and docs/metrics.md are made from it. */

interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
  readonly buckets?: readonly number[]
}

/** Warm logins take microseconds, an answer is due within 8 s. */
const LOGIN_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8]
const WAIT_BUCKETS = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8]
const AGE_BUCKETS = [120, 300, 900, 3600, 10_800, 21_600, 43_200, 86_400]
const REQUEST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15]

export const METRICS = {
  mailpassd_logins_total: {
    type: 'counter',
    labels: ['verdict', 'service', 'door'],
    help: 'Logins answered.',
  },
  mailpassd_login_duration_seconds: {
    type: 'histogram',
    labels: ['door'],
    help: 'Time from the arrival of a login to its outcome.',
    buckets: LOGIN_BUCKETS,
  },
  mailpassd_mailboxes_provisioned_total: {
    type: 'counter',
    labels: [],
    help: 'Mailboxes made on their first good login.',
  },
  mailpassd_password_comparisons_running: {
    type: 'gauge',
    labels: [],
    help: 'Password comparisons that run now.',
  },
  mailpassd_password_workers: {
    type: 'gauge',
    labels: [],
    help: 'Password comparisons that run at a time at most.',
  },
  mailpassd_password_comparisons_queued: {
    type: 'gauge',
    labels: ['lane'],
    help: 'Password comparisons that wait for a worker.',
  },
  mailpassd_password_estimated_wait_seconds: {
    type: 'gauge',
    labels: ['lane'],
    help: 'How long a comparison would wait that came now, from a network of which nothing waits.',
  },
  mailpassd_password_wait_seconds: {
    type: 'histogram',
    labels: ['lane'],
    help: 'How long comparisons waited that started.',
    buckets: WAIT_BUCKETS,
  },
  mailpassd_password_sheds_total: {
    type: 'counter',
    labels: ['lane', 'cause'],
    help: 'Password comparisons that were not made (verdict throttled).',
  },
  mailpassd_directory_requests_total: {
    type: 'counter',
    labels: ['request', 'result'],
    help: 'Requests to the directory by kind; result is ok or the error code.',
  },
  mailpassd_directory_request_duration_seconds: {
    type: 'histogram',
    labels: ['request'],
    help: 'Time until the directory answered or was given up.',
    buckets: REQUEST_BUCKETS,
  },
  mailpassd_directory_changes_total: {
    type: 'counter',
    labels: [],
    help: 'Changes that events of the directory told.',
  },
  mailpassd_directory_events_read: {
    type: 'gauge',
    labels: [],
    help: '1 while all changes in the directory are told by its events and read in time, else 0.',
  },
  mailpassd_directory_changes_pending: {
    type: 'gauge',
    labels: [],
    help: 'Changed users that are to be looked up again.',
  },
  mailpassd_directory_down: {
    type: 'gauge',
    labels: [],
    help: '1 while the directory is down: it is asked once a second, and old records serve.',
  },
  mailpassd_old_records_served_age_seconds: {
    type: 'histogram',
    labels: [],
    help: 'Age of records that answered because the directory did not.',
    buckets: AGE_BUCKETS,
  },
  mailpassd_old_rows_served_total: {
    type: 'counter',
    labels: [],
    help: 'Logins that rested on remembered rows because the database did not answer.',
  },
  mailpassd_unproven_put_off_total: {
    type: 'counter',
    labels: ['why'],
    help: 'Passwords that did not match, and names not looked up, that were put off (temp_fail) rather than refused.',
  },
  mailpassd_records: { type: 'gauge', labels: [], help: 'Accounts remembered in memory.' },
  mailpassd_pass_users: {
    type: 'gauge',
    labels: [],
    help: 'Users that the pass over the directory which runs now has read; 0 where none runs.',
  },
  mailpassd_pass_users_expected: {
    type: 'gauge',
    labels: [],
    help: 'Users that the directory counted when it began.',
  },
  mailpassd_pass_duration_seconds: {
    type: 'gauge',
    labels: [],
    help: 'How long the last pass took, however it ended.',
  },
  mailpassd_pass_complete_age_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Since the last complete pass; NaN before the first one.',
  },
  mailpassd_snapshot_pending: {
    type: 'gauge',
    labels: [],
    help: 'Records that are not in the snapshot yet.',
  },
  mailpassd_directory_mass_change_held: {
    type: 'gauge',
    labels: [],
    help: 'Users of whom what was known serves, because too many turned at once; 0 is well.',
  },
  mailpassd_sasl_connections: { type: 'gauge', labels: [], help: 'Connections open on the SASL door.' },
  mailpassd_map_lookups_total: {
    type: 'counter',
    labels: ['map', 'answer'],
    help: 'Look-ups answered by the socketmap door.',
  },
  mailpassd_map_lookup_duration_seconds: {
    type: 'histogram',
    labels: ['map'],
    help: 'Time from the arrival of a look-up to its answer.',
    buckets: LOGIN_BUCKETS,
  },
  mailpassd_socketmap_connections: {
    type: 'gauge',
    labels: [],
    help: 'Connections open on the socketmap door.',
  },
  mailpassd_login_log_pending: {
    type: 'gauge',
    labels: [],
    help: 'Entries of the login log that are not yet in the database.',
  },
  mailpassd_login_log_overflow_total: {
    type: 'counter',
    labels: [],
    help: 'Logins that the login log could not keep because its buffer was full.',
  },
  mailpassd_login_log_write_errors_total: {
    type: 'counter',
    labels: [],
    help: 'Writes of the login log that failed; they are tried again.',
  },
  mailpassd_guess_counters: {
    type: 'gauge',
    labels: [],
    help: 'Mailboxes, networks and pairs of both at which wrong passwords of the last hour are counted.',
  },
  mailpassd_known_pairs: {
    type: 'gauge',
    labels: [],
    help: 'Pairs of mailbox and network, and networks, with a right password in the last 30 days.',
  },
  mailpassd_outbox_pending: {
    type: 'gauge',
    labels: ['consumer'],
    help: 'Work for others that is not done yet; none is not listed.',
  },
  mailpassd_outbox_oldest_seconds: {
    type: 'gauge',
    labels: ['consumer'],
    help: 'Age of the oldest work for others that is not done yet.',
  },
  mailpassd_log_lines_dropped_total: {
    type: 'counter',
    labels: [],
    help: 'Log lines given up because whoever reads the log was too slow.',
  },
  mailpassd_alarms_total: {
    type: 'counter',
    labels: ['alarm'],
    help: 'Alarms raised (docs/alarms.md).',
  },
  mailpassd_build_info: {
    type: 'gauge',
    labels: ['version', 'node'],
    help: 'Always 1; the labels say what runs.',
  },
  mailpassd_event_loop_delay_p99_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Delay of the event loop since the last reading, 99th percentile.',
  },
  process_cpu_seconds_total: { type: 'counter', labels: [], help: 'User and system CPU time.' },
  process_resident_memory_bytes: { type: 'gauge', labels: [], help: 'Resident memory.' },
  process_heap_used_bytes: { type: 'gauge', labels: [], help: "Bytes in use on V8's heap." },
  process_start_time_seconds: { type: 'gauge', labels: [], help: 'Start of the process, Unix time.' },
} as const satisfies Record<string, MetricDefinition>

export type MetricName = keyof typeof METRICS

/** The values a label may have, for the reference. Never a name, an address or anything a stranger chooses. */
export const LABEL_MEANINGS = {
  verdict:
    'outcome of the login: ok, password_mismatch, user_unknown, user_disabled, service_denied, pass_expired, throttled, temp_fail',
  service: 'imap, pop3, smtp, sieve, eas, dav or other',
  door: 'sasl, http, mailcow or cli',
  lane: 'known (a right password came from this network for this mailbox in the last 30 days) or stranger',
  cause:
    'late (came after its deadline), no_time (by the estimate not to be answered in time), overtaken (waited, and cannot be answered in time any more), lane_full, share_full (of its network), pair_full (of its mailbox and network), fault, closed; see operating.md',
  request: 'what was asked for: lookup, lookup_by_id, events, event_settings …',
  result: 'ok, or the code of the error as in docs/errors.md',
  why: 'the reason as in errors.md: lookups_spent, reread_failed, reread_refused or store_down',
  map: 'name of the map that was asked, or other',
  answer: 'OK, NOTFOUND, TEMP (not known now) or PERM (no such map, or a malformed request)',
  consumer: 'who the work is for, such as dovecot: and the name of an endpoint',
  alarm: 'guessed_login or new_networks',
  version: 'version of mailpassd',
  node: 'version of Node.js',
} as const

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

/** docs/metrics.md, made from the table above. */
export function metricsMarkdown(): string {
  const rows = Object.entries<MetricDefinition>(METRICS).map(
    ([name, { type, labels, help }]) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${cell(help)} |`,
  )
  const labels = Object.entries(LABEL_MEANINGS).map(
    ([label, meaning]) => `| \`${label}\` | ${cell(meaning)} |`,
  )
  return [
    '# Metrics',
    '',
    '<!-- Generated by `npm run generate`; do not edit. -->',
    '',
    '`GET /metrics` on the admin door (scope read), in the Prometheus text format. No label ever holds a name, an',
    'address or a password.',
    '',
    '| metric | type | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    '| label | values |',
    '| --- | --- |',
    ...labels,
    '',
  ].join('\n')
}
