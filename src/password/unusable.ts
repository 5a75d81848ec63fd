/**
 * The answer about a stored hash that cannot be compared. Reasons are constants of ours: they are logged, and a
 * text cut from the hash could be somebody's password (`{secret}` typed where `{PLAIN}secret` was meant).
 */
export interface Unusable {
  readonly unusable: string
}

export function unusable(reason: string): Unusable {
  return { unusable: reason }
}

export function isUnusable(value: object): value is Unusable {
  return 'unusable' in value
}
