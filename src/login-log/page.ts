/** A page of the login log, as the API and the command line hand it on. */
import { Type, type Static } from 'typebox'
import { MailpassdError } from '../errors.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import type { LoginLogSource } from './event.ts'
import { findLogins, type LoginFilter } from './find.ts'
import { LoginLine, loginLine } from './line.ts'

export const MAX_PAGE_LINES = 1000
export const DEFAULT_PAGE_LINES = 100

export const LoginPage = Type.Object(
  {
    logins: Type.Array(LoginLine, { description: 'By the time of the last login in each, newest first.' }),
    next: Type.Union([Type.String(), Type.Null()], {
      description:
        'What to send as cursor for older lines; null: there are none. A page may be empty and yet have one: a search looks at 100,000 lines at a time.',
    }),
  },
  { description: 'Lines of the login log.' },
)
export type LoginPage = Static<typeof LoginPage>

/** Throws MailpassdError input_invalid (the cursor), store_*. */
export async function loginPage(
  source: LoginLogSource,
  filter: LoginFilter,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<LoginPage> {
  const after = cursor === undefined ? undefined : parseCursor(cursor)
  if (cursor !== undefined && after === undefined)
    throw new MailpassdError('input_invalid', 'cursor: expected what an earlier page has as next')
  const { logins, next } = await findLogins(source, filter, { limit, after })
  return { logins: logins.map(loginLine), next: next === undefined ? null : formatCursor(next) }
}
