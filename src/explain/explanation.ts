/**
 * What an explanation says: the answer, the rooms' checks, the facts they rest on, and what to do. One schema is type,
 * check and documentation (docs/openapi.json); names are the API's. No hash, password or token is among it.
 */
import { Type, type Static, type TSchema } from 'typebox'
import { FLAGGED_SERVICES } from '../login/service.ts'
import { LoginLine } from '../login-log/line.ts'
import { VERDICTS, WHYS } from '../login/why.ts'

const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])
const Time = (description: string) => nullable(Type.String({ description: `${description}; ISO 8601, UTC.` }))
const Count = (description: string) => Type.Number({ description })
const WhyEnum = Type.Enum([...WHYS], { description: 'The reason; docs/errors.md lists them.' })

/** The rooms of a login and what they look at, in the order in which an explanation lists them. */
export const ROOMS = [
  'address',
  'admission',
  'store',
  'lock',
  'directory',
  'domain',
  'user',
  'hash',
  'template',
  'mailbox',
  'service',
  'app_passwords',
] as const
export type Room = (typeof ROOMS)[number]

export const Answer = Type.Enum(['yes', 'no', 'unknown'])
export type Answer = Static<typeof Answer>

const Hash = Type.Object(
  {
    scheme: nullable(Type.String({ description: 'null where the text names no known scheme.' })),
    weak: Type.Boolean(),
    unusable: nullable(Type.String({ description: 'Why it is never compared.' })),
  },
  { description: 'A stored hash, without the hash.' },
)

const Check = Type.Object(
  {
    room: Type.Enum([...ROOMS]),
    state: Type.Enum(['ok', 'no', 'unknown', 'note'], {
      description: 'no: refuses. unknown: could not be found out. note: refuses nothing.',
    }),
    text: Type.String({ description: 'For people.' }),
    why: Type.Optional(WhyEnum),
  },
  { description: 'What one room would decide.' },
)
export type Check = Static<typeof Check>

const Credential = Type.Object(
  {
    id: Type.String({ description: '`main`, or `app:` and the id of the app password.' }),
    name: nullable(Type.String({ description: 'Name of the app password.' })),
    answer: Answer,
    verdict: Type.Enum([...VERDICTS], { description: 'What a login with the right password would come to.' }),
    why: WhyEnum,
    meaning: Type.String({ description: 'The reason in words.' }),
    changes: Type.Array(Type.String(), { description: 'What that login would write, in words.' }),
  },
  { description: 'Whether a credential would open the mailbox.' },
)
export type CredentialAnswer = Static<typeof Credential>

const DirectoryFacts = Type.Object({
  state: Type.Enum(['not_needed', 'failed', 'found', 'absent', 'ambiguous', 'other_email']),
  age_ms: nullable(Count('How long ago the directory was asked.')),
  users: Count('Users that have this address.'),
  user: nullable(
    Type.Object({
      id: Type.String(),
      username: Type.String(),
      enabled: Type.Boolean(),
      locked_out: Type.Boolean(),
      email_verified: Type.Boolean(),
      email_verified_counts: Type.Boolean({ description: 'Whether an unverified e-mail would be refused.' }),
      required_actions: Type.Array(Type.String()),
      template: nullable(Type.String({ description: 'Value of the template attribute.' })),
      hashes: Type.Array(Hash),
    }),
  ),
  bound_id: nullable(Type.String({ description: 'The directory user that the mailbox belongs to.' })),
  same_identity: nullable(Type.Boolean({ description: 'null where nothing is bound or nobody was found.' })),
  hash_visible: nullable(Type.Boolean({ description: 'Whether the realm lets us read the attribute.' })),
  hash_self_edited: nullable(Type.Boolean()),
  template_self_edited: nullable(Type.Boolean()),
})

const DomainFacts = Type.Object({
  name: Type.String(),
  exists: Type.Boolean(),
  active: Type.Boolean(),
  alias_of: nullable(Type.String()),
  makes_mailboxes: Type.Boolean({ description: 'On a first good login.' }),
  template: nullable(Type.String({ description: "The domain's own." })),
  mailboxes: nullable(Count('Counted only where the mailbox is absent.')),
  max_mailboxes: Count('0 is none.'),
  quota_bytes: Count('Of all mailboxes together.'),
  quota_used_bytes: nullable(Count('Given to mailboxes; counted only where the mailbox is absent.')),
  max_mailbox_quota_bytes: Count('Of one mailbox.'),
})

const TemplateFacts = Type.Object(
  {
    attribute: nullable(Type.String()),
    trusted: Type.Boolean({ description: 'False: users may edit the attribute, it is ignored.' }),
    mapped: nullable(Type.String({ description: 'What a mapping makes of the attribute.' })),
    name: nullable(Type.String({ description: 'The template a first login would use.' })),
    named_by: Type.Enum(['mapping', 'domain', 'default', 'nothing']),
    exists: Type.Boolean(),
  },
  { description: 'Only where the mailbox is absent and its user known.' },
)

const MailboxFacts = Type.Object({
  active: Type.Number({ description: '0 off, 1 on, 2 receives only.' }),
  authsource: Type.String(),
  kind: Type.String(),
  services: Type.Record(Type.Enum([...FLAGGED_SERVICES]), Type.Boolean(), {
    description: 'The flags for the main password.',
  }),
  second_factor: Type.Boolean(),
  sql_hash: nullable(Hash),
  missing_rows: Type.Array(Type.String()),
})

const AppPasswordFacts = Type.Object({
  id: Type.Number(),
  name: nullable(Type.String()),
  active: Type.Boolean(),
  services: Type.Array(Type.String()),
  hash: nullable(Hash),
  made_here: Type.Boolean({ description: 'By mailpassd; the next five are known of such only.' }),
  created: Time('When'),
  expires: Time('When'),
  unused_days: nullable(Count('It expires when not used for so long.')),
  revoked: Time('When'),
  networks: Type.Array(Type.String(), { description: 'Empty: all.' }),
  last_used: Time('When'),
})

const Todo = Type.Object(
  {
    step: Type.Number({
      description:
        '1 directory, 2 domain, 3 template, 4 user, 5 hash, 6 mailbox, 7 service, 8 app passwords, 9 the password itself.',
    }),
    why: Type.Optional(WhyEnum),
    text: Type.String(),
    command: Type.Optional(Type.String({ description: 'A command line.' })),
  },
  { description: 'What to do, in the order to try it.' },
)
export type Todo = Static<typeof Todo>

export const Explanation = Type.Object(
  {
    name: Type.String({ description: 'What was asked about, without control characters.' }),
    address: nullable(Type.String({ description: 'The canonical address, without control characters.' })),
    service: Type.String(),
    network: Type.String({ description: 'The network that --ip belongs to; unknown without one.' }),
    asked_at: Type.String({ description: 'ISO 8601, UTC.' }),
    answer: Type.Enum(['yes', 'no', 'unknown'], {
      description: 'Whether the main password or an app password would get in.',
    }),
    credentials: Type.Array(Credential, { description: 'The main password first.' }),
    checks: Type.Array(Check),
    todo: Type.Array(Todo),
    rows_age_ms: nullable(Count('How long ago the database was asked.')),
    penalties: Type.Array(Type.String()),
    locked: nullable(Type.Object({ in_force: Type.Boolean(), until: Time('When it ends') })),
    directory: nullable(DirectoryFacts),
    domain: nullable(DomainFacts),
    template: nullable(TemplateFacts),
    mailbox: nullable(MailboxFacts),
    app_passwords: Type.Array(AppPasswordFacts),
    attempts: nullable(
      Type.Array(LoginLine, {
        description: 'The last ten, newest first; null where they could not be read.',
      }),
    ),
  },
  { description: 'Why somebody can or cannot log in.' },
)
export type Explanation = Static<typeof Explanation>
export type DirectoryFacts = Static<typeof DirectoryFacts>
export type DomainFacts = Static<typeof DomainFacts>
export type TemplateFacts = Static<typeof TemplateFacts>
export type MailboxFacts = Static<typeof MailboxFacts>
export type AppPasswordFacts = Static<typeof AppPasswordFacts>
export type HashText = Static<typeof Hash>
