/** What is wrong with a configuration: where, and what. All problems are told at once. */

export interface Problem {
  /** `section.key`, `tokens[0].name`, or '' for the file as a whole. */
  readonly key: string
  readonly text: string
}

/** `section.key: what is wrong`. */
export function formatProblem(problem: Problem): string {
  return problem.key === '' ? problem.text : `${problem.key}: ${problem.text}`
}

/** Keys whose values are never shown. */
const SECRET_KEYS = new Set(['client_secret', 'password', 'secret', 'api_key'])
const MAX_SHOWN = 60

/** A value as a message may show it: secrets and what is long only by their kind. */
export function describeGot(key: string, value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'string') {
    if (SECRET_KEYS.has(key) || value.length > MAX_SHOWN) return `text of ${value.length} characters`
    // A URL may carry a password before its `@`.
    return JSON.stringify(value.replace(/\/\/[^/]*@/, '//…@'))
  }
  if (SECRET_KEYS.has(key) && typeof value !== 'object') return `a ${typeof value}`
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value)
  if (value instanceof Date) return 'a date'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  return 'a table'
}
