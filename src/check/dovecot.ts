/** Steps over a Dovecot on this machine: settings that would undo what mailpassd decides. */
import { execFile } from 'node:child_process'
import { ok, warning, type Step } from './step.ts'

/** As a process has it. */
export type Environment = Readonly<Record<string, string | undefined>>

const NAME = 'Dovecot'
const WITHIN_MS = 5000
const MAX_OUTPUT_BYTES = 1024 * 1024

/** What doveconf prints; undefined where it is absent or fails. */
async function doveconf(args: readonly string[], env: Environment): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const options = { timeout: WITHIN_MS, maxBuffer: MAX_OUTPUT_BYTES, env: { PATH: env['PATH'] ?? '' } }
  execFile('doveconf', args, options, (error, stdout) => resolve(error === null ? stdout : undefined))
  return promise
}

/** The listeners of `service auth` that a mail transport asks: Postfix's directory, or anything over TCP. */
function smtpListeners(settings: string): string[] {
  const found: string[] = []
  let isAuth = false
  for (const line of settings.split('\n')) {
    if (/^service \S+ \{/.test(line)) isAuth = line.startsWith('service auth {')
    else if (/^\S/.test(line)) isAuth = false
    const listener = /^\s+(?:unix|inet)_listener (\S+)/.exec(line)?.[1]
    if (
      isAuth &&
      listener !== undefined &&
      (/inet_listener/.test(line) || /postfix|exim|smtp/i.test(listener))
    )
      found.push(listener)
  }
  return found
}

/** Nothing where no Dovecot is installed. */
export async function checkDovecot(env: Environment): Promise<Step[]> {
  const cacheSize = (await doveconf(['-h', 'auth_cache_size'], env))?.trim()
  if (cacheSize === undefined) return []
  const steps: Step[] = []
  if (!/^0(?:\s*[BkMGT]i?B?)?$/i.test(cacheSize))
    steps.push(
      warning(
        NAME,
        `auth_cache_size is ${cacheSize.slice(0, 40)}: on a temporary failure Dovecot answers from expired entries, even for users refused since`,
        'set auth_cache_size = 0; mailpassd has a memory of its own',
      ),
    )
  const settings = await doveconf(['-n'], env)
  const listeners = settings?.includes('mailpassd') === true ? smtpListeners(settings) : []
  if (listeners.length > 0)
    steps.push(
      warning(
        NAME,
        `its own auth serves SMTP (${listeners.join(', ')}): a temporary failure becomes 535, a wrong password to the client`,
        "let Postfix or Exim ask mailpassd's SASL listener (docs/postfix.md, docs/exim.md)",
      ),
    )
  return steps.length > 0 ? steps : [ok(NAME, 'auth_cache_size is 0')]
}
