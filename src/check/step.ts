/** One step of `mailpassd check` and of the connection test: what was looked at, how it is, and what to do about it. */
import { EXIT, toMailpassdError, type ExitCode } from '../errors.ts'
import { printable } from '../login-log/clean-name.ts'

/** How something is; a step is a finding with a name. */
export interface Finding {
  /** `skipped`: an earlier step makes it moot. */
  readonly result: 'ok' | 'warning' | 'failed' | 'skipped'
  readonly detail: string
  /** The way out. */
  readonly hint?: string
  /** Of a failed step: 69 where something is not reachable, else 78. */
  readonly exit?: ExitCode
}

export interface Step extends Finding {
  /** `configuration`, `store`, `TLS`, … or the key it is about. */
  readonly name: string
  /** How long it took, in milliseconds; absent where nothing was measured. */
  readonly ms?: number
}

const hinted = (hint: string | undefined) => (hint === undefined ? {} : { hint })

/** Findings without a name, for steps whose name is in a plan (run-steps.ts). */
export const found = {
  ok: (detail: string): Finding => ({ result: 'ok', detail }),
  warning: (detail: string, hint?: string): Finding => ({ result: 'warning', detail, ...hinted(hint) }),
  failed: (detail: string, hint?: string, exit: ExitCode = EXIT.config): Finding => ({
    result: 'failed',
    detail,
    ...hinted(hint),
    exit,
  }),
  skipped: (detail: string): Finding => ({ result: 'skipped', detail }),
  /** What a thrown error amounts to. */
  failedBy(thrown: unknown, hint?: string): Finding {
    const error = toMailpassdError(thrown)
    const isUnreachable = error.exitCode === EXIT.unavailable
    return found.failed(error.message, hint, isUnreachable ? EXIT.unavailable : EXIT.config)
  },
} as const

export const ok = (name: string, detail: string): Step => ({ name, ...found.ok(detail) })

export const warning = (name: string, detail: string, hint?: string): Step => ({
  name,
  ...found.warning(detail, hint),
})

export const failed = (name: string, detail: string, hint?: string, exit?: ExitCode): Step => ({
  name,
  ...found.failed(detail, hint, exit),
})

export const failedBy = (name: string, thrown: unknown, hint?: string): Step => ({
  name,
  ...found.failedBy(thrown, hint),
})

/**
 * Servers choose the names in their certificates and what they answer, users theirs: nothing of it is to be obeyed by a
 * terminal.
 */
export function asPrinted<F extends Finding>(finding: F): F {
  const { detail, hint } = finding
  return {
    ...finding,
    detail: shown(detail),
    ...(hint === undefined ? {} : { hint: shown(hint) }),
  }
}

/** Longer than any list of missing columns. */
const MAX_TEXT = 8192

function shown(text: string): string {
  const clean = printable(text)
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}…` : clean
}

/** The exit code that steps come to: 78 where something must be changed, else what the first failed one says, else 0. */
export function exitCodeOf(steps: readonly Finding[]): ExitCode {
  const exits = steps.flatMap(({ result, exit }) => (result === 'failed' ? [exit ?? EXIT.config] : []))
  return exits.includes(EXIT.config) ? EXIT.config : (exits[0] ?? EXIT.ok)
}
