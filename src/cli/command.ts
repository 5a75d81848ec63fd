/** A command of `mailpassd`: one file each, listed in cli/commands.ts. */
import type { Readable } from 'node:stream'
import type { ExitCode } from '../errors.ts'

/** What a command may touch of its process, so that tests run commands without one. */
export interface Io {
  readonly stdin: Readable
  /** Writes text as it is; the caller ends lines. */
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  readonly isInteractive: boolean
  /** Aborted when nobody reads `out` any more; absent where that is not noticed. */
  readonly outputEnded?: AbortSignal
}

export interface Command {
  /** As typed: `hash make`, `serve`. */
  readonly name: string
  /** One line for `mailpassd --help`. */
  readonly summary: string
  /** The whole text of `mailpassd NAME --help`. */
  readonly help: string
  /** `args` are those after the name. Throws MailpassdError; the caller prints it and exits with its code. */
  run(args: readonly string[], io: Io): Promise<ExitCode>
}
