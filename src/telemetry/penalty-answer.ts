/** Penalties as the admin door and `--json` tell them. */
import { Type, type Static } from 'typebox'
import type { Penalty } from '../policy/lifting.ts'

const Nullable = (description: string) => Type.Union([Type.String(), Type.Null()], { description })

export const PenaltyAnswer = Type.Object({
  kind: Type.Enum(['mailbox', 'network', 'pair'], {
    description: 'mailbox: from strangers. network: at any mailbox. pair: at one mailbox from one network.',
  }),
  mailbox: Nullable('The canonical address; null for a network.'),
  network: Nullable('null for a mailbox.'),
  guesses: Type.Number({ description: 'Different wrong passwords within an hour.' }),
  limit: Type.Union([Type.Number(), Type.Null()], { description: 'As many may be; null: any number.' }),
  throttled: Type.Boolean({ description: 'Nothing more is compared.' }),
  until: Type.String({ description: 'When fewer count; ISO 8601, UTC.' }),
})
export type PenaltyAnswer = Static<typeof PenaltyAnswer>

export const PenaltiesAnswer = Type.Object(
  { penalties: Type.Array(PenaltyAnswer) },
  { description: 'Who is held up first, then by number of guesses.' },
)

export function penaltyAnswer(penalty: Penalty): PenaltyAnswer {
  const { kind, mailbox, network, guesses, limit, isThrottled, untilMs } = penalty
  return {
    kind,
    mailbox: mailbox ?? null,
    network: network ?? null,
    guesses,
    limit: limit ?? null,
    throttled: isThrottled,
    until: new Date(untilMs).toISOString(),
  }
}
