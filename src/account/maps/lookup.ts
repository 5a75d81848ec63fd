/** A look-up table as mail servers ask it: one key in, one value out. */
import type { Why } from '../../login/outcome.ts'

/** "Don't know" is never "absent": mail would bounce for it, and senders be refused. */
export type MapAnswer =
  | { readonly kind: 'found'; readonly value: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'temp_fail'; readonly why: Why }

/** Never rejects. The key may be nonsense. */
export type LookupMap = (key: string) => Promise<MapAnswer>

/** The maps by the names that mail servers ask for. */
export type MailMaps = ReadonlyMap<string, LookupMap>

export const ABSENT: MapAnswer = Object.freeze({ kind: 'absent' })

export function found(value: string): MapAnswer {
  return value === '' ? ABSENT : { kind: 'found', value }
}
