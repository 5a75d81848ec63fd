/**
 * The one table of errors that are thrown. Expected outcomes of a login are values (login/outcome.ts), never
 * thrown. Adapters translate foreign errors into these at their border, with the foreign one as `cause`.
 */

/** Exit codes after sysexits.h. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 64,
  data: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  cantCreate: 73,
  ioError: 74,
  tempFail: 75,
  noPermission: 77,
  config: 78,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

interface ErrorKind {
  /** True where the same call may succeed later without anybody changing anything. */
  readonly temporary: boolean
  readonly exitCode: ExitCode
  readonly meaning: string
}

/** Code -> what it means. docs/errors.md is generated from this table. */
export const ERROR_KINDS = {
  usage: { temporary: false, exitCode: EXIT.usage, meaning: 'The command line is not as `--help` says.' },
  config_invalid: {
    temporary: false,
    exitCode: EXIT.config,
    meaning: 'The configuration file has problems; all are listed.',
  },
  config_unreadable: {
    temporary: false,
    exitCode: EXIT.noInput,
    meaning: 'The configuration file, or a file it names, cannot be read.',
  },
  input_invalid: {
    temporary: false,
    exitCode: EXIT.data,
    meaning: 'A value given on the command line, on stdin or in a request is malformed.',
  },
  not_found: { temporary: false, exitCode: EXIT.noInput, meaning: 'What the command names does not exist.' },
  already_exists: {
    temporary: false,
    exitCode: EXIT.cantCreate,
    meaning: 'What the command would make exists already.',
  },
  limit_reached: {
    temporary: false,
    exitCode: EXIT.cantCreate,
    meaning: 'There are as many of its kind as there may be; remove one first.',
  },
  directory_unavailable: {
    temporary: true,
    exitCode: EXIT.unavailable,
    meaning: 'The directory did not answer in time, refused the connection, or answered with a server error.',
  },
  directory_refused: {
    temporary: true,
    exitCode: EXIT.noPermission,
    meaning: 'The directory refused our own client (401, 403, or an unknown realm).',
  },
  directory_invalid: {
    temporary: true,
    exitCode: EXIT.data,
    meaning: 'The directory answered with something that is not what its API promises.',
  },
  store_unavailable: {
    temporary: true,
    exitCode: EXIT.unavailable,
    meaning: 'The database did not answer in time, refused the connection, or broke it.',
  },
  store_conflict: {
    temporary: true,
    exitCode: EXIT.tempFail,
    meaning: 'Two writers met and retrying did not help.',
  },
  store_schema: {
    temporary: false,
    exitCode: EXIT.config,
    meaning: 'The database lacks tables or columns; they are listed.',
  },
  store_failed: { temporary: true, exitCode: EXIT.software, meaning: 'The database refused a statement.' },
  consumer_failed: {
    temporary: true,
    exitCode: EXIT.unavailable,
    meaning: 'Another program (such as Dovecot) did not do what it was asked; it is tried again.',
  },
  listen_failed: { temporary: false, exitCode: EXIT.cantCreate, meaning: 'A listener could not be bound.' },
  internal: { temporary: true, exitCode: EXIT.software, meaning: 'A fault of mailpassd itself.' },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERROR_KINDS

export class MailpassdError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'MailpassdError'
    this.code = code
  }

  get temporary(): boolean {
    return ERROR_KINDS[this.code].temporary
  }

  get exitCode(): ExitCode {
    return ERROR_KINDS[this.code].exitCode
  }
}

/** Any thrown value as a MailpassdError; what is not ours becomes `internal` with the value as its cause. */
export function toMailpassdError(thrown: unknown): MailpassdError {
  if (thrown instanceof MailpassdError) return thrown
  const message = thrown instanceof Error ? thrown.message : 'a value that is not an Error was thrown'
  return new MailpassdError('internal', message, { cause: thrown })
}
