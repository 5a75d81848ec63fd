/** One check of an explanation in its three shapes. */
import { REASONS, type Why } from '../login/why.ts'
import type { Check } from './explanation.ts'
import { answerOf } from './foreseen.ts'

/** A check that does not say yet of which room it is. */
export type Finding = Omit<Check, 'room'>

export const ok = (text: string): Finding => ({ state: 'ok', text })
export const note = (text: string): Finding => ({ state: 'note', text })

/** A refusal, or something not found out, by its reason's verdict. */
export function refuses(why: Why, text: string = REASONS[why].meaning): Finding {
  return { state: answerOf(REASONS[why].verdict) === 'no' ? 'no' : 'unknown', text, why }
}
