/** What the daemon says of itself: `GET /v1/status`, `mailpassd status`. Names are the API's. */
import { DirectoryState } from './directory-state.ts'
import { Type, type Static, type TSchema } from 'typebox'

const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Count = (description: string) => Type.Number({ description })
const Age = (description: string) => nullable(Type.Number({ description: `${description}; milliseconds.` }))
const ByVerdict = (description: string) => Type.Record(Type.String(), Type.Number(), { description })

const Listener = Type.Object({
  door: Type.String({ description: 'http, sasl, admin, socketmap' }),
  addresses: Type.Array(Type.String()),
  connections: nullable(Count('Open now.')),
})

export const Status = Type.Object(
  {
    version: Type.String(),
    node: Type.String({ description: 'Version of Node.' }),
    pid: Type.Number(),
    started_at: Type.String({ description: 'ISO 8601, UTC.' }),
    uptime_ms: Type.Number(),
    ready: Type.Boolean({ description: 'As /readyz.' }),
    degraded: Type.Array(Type.String(), { description: 'What does not work, as in /readyz.' }),
    listeners: Type.Array(Listener),
    store: Type.Object({
      where: Type.String(),
      up: Type.Boolean(),
      latency_ms: Age('How long a trivial statement took'),
      error: nullable(Type.String()),
    }),
    directory: Type.Object({
      where: Type.String(),
      state: Type.Enum(['ok', 'failing', 'down', 'not_asked'], {
        description: 'As its last call ended; down: several failed, and it is asked once a second alone.',
      }),
      error: nullable(Type.String({ description: 'Code of the last error, while it fails.' })),
      answered_age_ms: Age('Since it last answered'),
      failed_age_ms: Age('Since it last failed'),
      down_age_ms: Age('Since it is down'),
      serving_records_up_to_ms: Age(
        'While it fails the oldest record that answers; while it is down, that did',
      ),
      records_limit_ms: Age('The oldest record that answers while it is down'),
    }),
    records: DirectoryState,
    memory: Type.Object({
      accounts: Count('Accounts remembered.'),
      memo_entries: Count('Right passwords remembered, as keyed MACs.'),
      resident_bytes: Count('Of the process.'),
    }),
    passwords: Type.Object({
      workers: Count('Comparisons that run at a time at most.'),
      running: Count('Comparisons now.'),
      queued: Count('Comparisons that wait, of known users and of strangers.'),
      queued_strangers: Count('Of these, of strangers.'),
      wait_known_ms: Count('What a known user who comes now would wait, by the estimate; milliseconds.'),
      wait_stranger_ms: Count('The same for a stranger from a network of which nothing waits.'),
      done: Count('Since the start.'),
      busy: Count('Refused for want of room, since the start.'),
      failed: Count('By a fault of ours, since the start.'),
    }),
    logins: Type.Object({
      since_start: ByVerdict('Logins by verdict.'),
      last_minute: ByVerdict('The same of the last minute, or since the start where that is less.'),
    }),
    login_log_pending: Count('Entries of the login log that are not written yet.'),
    outbox_pending: nullable(Count('Work for others that is not done yet; null where it cannot be read.')),
    changes: Type.Object({
      last_id: nullable(Count('The last change of any node that was read.')),
      read_age_ms: Age('Since the change table was last read'),
      failing: Type.Boolean({ description: 'It cannot be read now.' }),
    }),
    events: Type.Object(
      {
        state: Type.Enum(['none', 'off', 'starting', 'reading', 'failing', 'not_kept', 'hidden'], {
          description:
            'none: this directory has none; off: by configuration; not_kept: some are switched off in the realm; hidden: our client has no role view-events.',
        }),
        missing: Type.Array(Type.String(), {
          description: 'What the realm does not keep of what is needed.',
        }),
        error: nullable(Type.String({ description: 'Code of the last error, while they cannot be read.' })),
        read_age_ms: Age('Since they were last read: what changed before counts'),
        changes: Count('Changes told, since the start.'),
        pending: Count('Changed users that are to be looked up again.'),
      },
      { description: 'Events of the directory.' },
    ),
  },
  { description: 'The daemon, now.' },
)
export type Status = Static<typeof Status>
