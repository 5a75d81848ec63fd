/** How the records of the directory are kept: `GET /v1/directory`, `mailpassd directory status`. Names are the API's. */
import { Type, type Static, type TSchema } from 'typebox'

const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Time = (description: string) => nullable(Type.String({ description: `${description} ISO 8601, UTC.` }))

export const MassChangeBody = Type.Object(
  {
    state: Type.Enum(['watching', 'holding', 'open'], {
      description:
        'holding: too many users turned within 10 minutes, and what was known of them serves. open: accepted, changes of any number count.',
    }),
    turned: Type.Number({ description: 'Users who turned within 10 minutes, or are held.' }),
    limit: Type.Number({ description: 'More than this is a mass change.' }),
    since: Time('Since when it holds.'),
    open_until: Time('Until when it is open.'),
    users: Type.Array(
      Type.Object({
        address: Type.String(),
        turn: Type.Enum(['unknown', 'disabled', 'no_hash', 'replaced'], {
          description:
            'What the directory says of the user: has none, disabled, without a password hash, another id.',
        }),
      }),
      { description: 'The first of those who are held, at most 100.' },
    ),
  },
  { description: 'The guard against a mass change.' },
)
export type MassChangeBody = Static<typeof MassChangeBody>

const PassBody = Type.Object(
  {
    active: Type.Boolean({ description: 'One runs, or judges what it read.' }),
    running: nullable(
      Type.Object({
        users: Type.Number({ description: 'Read so far.' }),
        expected: Type.Number({ description: 'As the directory counts.' }),
        per_second: Type.Number(),
        remaining_ms: Type.Number(),
      }),
    ),
    last: nullable(
      Type.Object({
        ended_at: Type.String({ description: 'ISO 8601, UTC.' }),
        result: Type.String({
          description:
            'complete; stopped, not_joined, fewer_than_counted, without_end: incomplete; else the code of the error.',
        }),
        duration_ms: Type.Number(),
        users: Type.Number(),
        kept: Type.Number({ description: 'Of hosted domains.' }),
        faults: Type.Number({ description: 'Users who could not be read.' }),
        calls: Type.Number(),
      }),
    ),
    complete_age_ms: nullable(Type.Number({ description: 'Since the last complete pass.' })),
    on_time: Type.Boolean({ description: 'Passes keep records fresh now; else look-ups do.' }),
  },
  { description: 'Readings of the whole directory.' },
)
export type PassBody = Static<typeof PassBody>

export const DirectoryState = Type.Object(
  {
    where: Type.String(),
    mode: Type.Enum(['lookup', 'mirror'], { description: 'directory.mode' }),
    pass: PassBody,
    snapshot: nullable(
      Type.Object(
        {
          loading: Type.Boolean(),
          loaded: Type.Number({ description: 'Records read from it since the start.' }),
          written: Type.Number(),
          pending: Type.Number({ description: 'Records that are not written yet.' }),
          unreadable: Type.Number({ description: 'Rows that could not be opened with our key.' }),
          failing: Type.Boolean({ description: 'It cannot be written now.' }),
        },
        { description: 'Records kept in the database; null: no key, no snapshot.' },
      ),
    ),
    records: Type.Object({
      count: Type.Number({ description: 'Records remembered.' }),
      max: Type.Number({ description: 'memory.accounts' }),
    }),
    mass_change: MassChangeBody,
  },
  { description: 'The records of the directory, and what keeps them.' },
)
export type DirectoryState = Static<typeof DirectoryState>

/** What asking for a pass answers. */
export const PassStarted = Type.Object(
  { started: Type.Boolean({ description: 'False: one runs already.' }) },
  { description: 'Whether a pass begins; GET /v1/directory says how it goes.' },
)

/** What `accept` answers. */
export const Accepted = Type.Object(
  {
    accepted: Type.Number({ description: 'Users of whom counts what the directory says, from now on.' }),
    mass_change: MassChangeBody,
  },
  { description: 'After the mass change was accepted.' },
)
export type Accepted = Static<typeof Accepted>
