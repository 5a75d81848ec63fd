/** What to do about reasons: the entries of remedies.ts in the order to try them, and words for a command line. */
import type { Why } from '../login/why.ts'
import type { Todo } from './explanation.ts'
import { REMEDIES, type About } from './remedies.ts'

/** What to do about these reasons, each once, in the order to try it. */
export function remediesFor(whys: Iterable<Why>, about: About): Todo[] {
  return [...new Set(whys)]
    .map((why): Todo => ({ step: REMEDIES[why].step, why, ...REMEDIES[why].todo(about) }))
    .sort((a, b) => a.step - b.step)
}
