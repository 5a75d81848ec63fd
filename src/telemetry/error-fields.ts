/**
 * A thrown value as the log prints it: codes and messages down the chain of causes. No stacks of foreign errors, no
 * request or response objects that HTTP and SQL clients hang on theirs.
 */
import { MailpassdError } from '../errors.ts'

const MAX_CAUSES = 5
const MAX_MESSAGE_LENGTH = 500

export interface ErrorFields {
  readonly name: string
  readonly code?: string
  readonly message: string
  /** Where our own fault was thrown; only for the code `internal`. */
  readonly at?: readonly string[]
  readonly causes?: readonly ErrorFields[]
}

/** V8 quotes the text that JSON.parse or a pattern stumbled over: it may be a body with a password. */
function messageOf(error: Error): string {
  return error instanceof SyntaxError ? 'malformed text' : error.message.slice(0, MAX_MESSAGE_LENGTH)
}

function fieldsOfOne(thrown: unknown): ErrorFields {
  if (!(thrown instanceof Error))
    return { name: typeof thrown, message: 'a value that is not an Error was thrown' }
  const code = 'code' in thrown && typeof thrown.code === 'string' ? { code: thrown.code } : {}
  return { name: thrown.name, ...code, message: messageOf(thrown) }
}

/** The stack's frames without its first lines, which repeat the message. */
function framesOf(error: Error): string[] {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 10)
    .map((line) => line.trim())
}

/** The fields of any thrown value. Never throws; chains that run in circles end after 5 causes. */
export function errorFields(thrown: unknown): ErrorFields {
  const causes: ErrorFields[] = []
  let innermost = thrown
  while (innermost instanceof Error && innermost.cause !== undefined && causes.length < MAX_CAUSES) {
    innermost = innermost.cause
    causes.push(fieldsOfOne(innermost))
  }
  const expected = thrown instanceof MailpassdError && thrown.code !== 'internal'
  return {
    ...fieldsOfOne(thrown),
    ...(!expected && innermost instanceof Error ? { at: framesOf(innermost) } : {}),
    ...(causes.length === 0 ? {} : { causes }),
  }
}
