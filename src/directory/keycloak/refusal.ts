/** What an answer other than 2xx means. */
import { MailpassdError } from '../../errors.ts'
import type { HttpAnswer } from './http.ts'

/** Keycloak's words for a realm that it does not have. */
export function isRealmMissing({ status, json }: Pick<HttpAnswer, 'status' | 'json'>): boolean {
  const error = errorOf(json)
  return status === 404 && /^Realm (?:not found|does not exist)/.test(error)
}

/** The field `error` of Keycloak's error bodies, '' where there is none. */
export function errorOf(json: unknown): string {
  if (typeof json !== 'object' || json === null || !('error' in json)) return ''
  return typeof json.error === 'string' ? json.error : ''
}

/** The field `error_description` of a refused token request (RFC 6749 §5.2), '' where there is no text. */
export function descriptionOf(json: unknown): string {
  if (typeof json !== 'object' || json === null || !('error_description' in json)) return ''
  return typeof json.error_description === 'string' ? json.error_description : ''
}

/** Our client may log in, and may not do this. */
export class Forbidden extends MailpassdError {}

/** 400 and 404 other than a missing realm come from something that is no Keycloak, or from a proxy before it. */
export function refusal(asked: string, answer: Pick<HttpAnswer, 'status' | 'json'>): MailpassdError {
  if (isRealmMissing(answer))
    return new MailpassdError('directory_refused', `${asked}: no such realm (answer 404)`)
  const { status } = answer
  if (status === 403) return new Forbidden('directory_refused', `${asked}: answer 403`)
  const code = status === 401 ? 'directory_refused' : 'directory_invalid'
  return new MailpassdError(code, `${asked}: answer ${status}`)
}
