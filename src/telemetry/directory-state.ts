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

export const DirectoryState = Type.Object(
  {
    where: Type.String(),
    records: Type.Object({
      count: Type.Number({ description: 'Records remembered.' }),
      max: Type.Number({ description: 'memory.accounts' }),
    }),
    mass_change: MassChangeBody,
  },
  { description: 'The records of the directory, and what keeps them.' },
)
export type DirectoryState = Static<typeof DirectoryState>

/** What `accept` answers. */
export const Accepted = Type.Object(
  {
    accepted: Type.Number({ description: 'Users of whom counts what the directory says, from now on.' }),
    mass_change: MassChangeBody,
  },
  { description: 'After the mass change was accepted.' },
)
export type Accepted = Static<typeof Accepted>
