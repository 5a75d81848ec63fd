/** One step of `mailpassd check`: what was looked at, how it is, and what to do about it. */
import { EXIT, toMailpassdError, type ExitCode } from '../errors.ts'

export interface Step {
  /** `configuration`, `store`, `directory`, … or the key it is about. */
  readonly name: string
  readonly result: 'ok' | 'warning' | 'failed'
  readonly detail: string
  readonly hint?: string
  /** Of a failed step: 69 where something is not reachable, else 78. */
  readonly exit?: ExitCode
}

export const ok = (name: string, detail: string): Step => ({ name, result: 'ok', detail })

export const warning = (name: string, detail: string, hint?: string): Step => ({
  name,
  result: 'warning',
  detail,
  ...(hint === undefined ? {} : { hint }),
})

export const failed = (name: string, detail: string, hint?: string, exit: ExitCode = EXIT.config): Step => ({
  name,
  result: 'failed',
  detail,
  ...(hint === undefined ? {} : { hint }),
  exit,
})

/** The step that a thrown error amounts to. */
export function failedBy(name: string, thrown: unknown, hint?: string): Step {
  const error = toMailpassdError(thrown)
  const isUnreachable = error.exitCode === EXIT.unavailable
  return failed(name, error.message, hint, isUnreachable ? EXIT.unavailable : EXIT.config)
}
