/**
 * The one error format of the HTTP doors: `{"error":{"code","message"}}`. Messages are constants and names of our own
 * fields: no value of a request ever comes back, no stack leaves the process. A login's answer has a `verdict`, an
 * error never has: that tells a refused token (401, 403) from a refused login.
 */
import { Type } from 'typebox'

/** Code -> HTTP status. */
export const API_ERRORS = {
  bad_request: 400,
  field_invalid: 400,
  token_missing: 401,
  token_invalid: 401,
  scope_missing: 403,
  forwarded: 403,
  not_found: 404,
  /** There is certainly no such mailbox. Any other 404 of userdb says that the URL is wrong. */
  no_mailbox: 404,
  method_not_allowed: 405,
  /** The one that may run at a time runs already. */
  busy: 409,
  limit_reached: 409,
  body_too_large: 413,
  media_type: 415,
  internal: 500,
  temp_fail: 503,
} as const

export type ApiErrorCode = keyof typeof API_ERRORS

export const ErrorBody = Type.Object(
  {
    error: Type.Object({
      code: Type.Enum(Object.keys(API_ERRORS), { description: 'Stable; for programs.' }),
      message: Type.String({ description: 'For people.' }),
    }),
  },
  { description: 'Any answer that is not the one asked for.' },
)

/** Thrown inside the HTTP doors only, where Fastify wants errors thrown; base-app.ts turns it into an answer. */
export class ApiError extends Error {
  readonly code: ApiErrorCode
  readonly headers: Readonly<Record<string, string>>
  /** Under the name that Fastify looks for, and writes to. */
  statusCode: number

  constructor(code: ApiErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.name = 'ApiError'
    this.code = code
    this.headers = headers
    this.statusCode = API_ERRORS[code]
  }

  get body() {
    return { error: { code: this.code, message: this.message } }
  }
}
