/**
 * doveadm as a program, on this machine or by way of another one (`docker exec dovecot doveadm`). Arguments are handed
 * over as a list, never by a shell; the mailbox's name comes last, behind `--`. What it writes and how long it runs are
 * bounded, and it is ended with all that it started.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { basename } from 'node:path'
import type { Doveadm, DoveadmAction } from './doveadm.ts'
import { errorCode, faultOf, oneLine } from './fault.ts'

const MAX_OUTPUT_BYTES = 64 * 1024
/** `kick` of 2.3 where nobody was logged in (EX_NOHOST); 2.4 exits with 0. */
const NO_SESSION = 68
/** From SIGTERM to SIGKILL. */
const KILL_AFTER_MS = 1000

const ARGUMENTS: Readonly<Record<DoveadmAction, readonly string[]>> = {
  kick: ['kick', '--'],
  flush_auth_cache: ['auth', 'cache', 'flush', '--'],
}

/** What a program such as docker needs to find its way; our own environment may hold secrets. */
const KEPT_ENV = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'TMPDIR',
  'XDG_RUNTIME_DIR',
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
  'CONTAINER_HOST',
]

export interface DoveadmCommandOptions {
  readonly name: string
  /** The program and its first arguments. */
  readonly command: readonly string[]
  readonly timeoutMs: number
}

export function doveadmCommand({ name, command, timeoutMs }: DoveadmCommandOptions): Doveadm {
  const [program = '', ...first] = command
  const fault = faultOf(name, basename(program))

  return {
    name,
    async run(action, mailbox, outer) {
      const what = action === 'kick' ? 'kick' : 'auth cache flush'
      const signal = AbortSignal.any([outer, AbortSignal.timeout(timeoutMs)])
      const exit = await runProgram(program, [...first, ...ARGUMENTS[action], mailbox], signal)
      if (exit.kind === 'not_started') throw fault(`${what}: cannot be run (${exit.code})`)
      if (exit.kind === 'too_late') throw fault(`${what}: did not end in time`)
      if (exit.kind === 'too_long') throw fault(`${what}: wrote more than ${MAX_OUTPUT_BYTES} bytes`)
      if (exit.code === 0 || (action === 'kick' && exit.code === NO_SESSION)) return
      throw fault(`${what}: exit code ${exit.code}${exit.text === '' ? '' : `: ${exit.text}`}`)
    },
  }
}

type Exit =
  | { readonly kind: 'ended'; readonly code: number | string; readonly text: string }
  | { readonly kind: 'not_started'; readonly code: string }
  | { readonly kind: 'too_late' }
  | { readonly kind: 'too_long' }

/** Never rejects. Resolves when the program and its output have ended. */
function runProgram(program: string, args: readonly string[], signal: AbortSignal): Promise<Exit> {
  if (signal.aborted) return Promise.resolve({ kind: 'too_late' })
  return new Promise((resolve) => {
    let child: ChildProcess
    try {
      // In a process group of its own, so that what it starts ends with it.
      child = spawn(program, [...args], {
        shell: false,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: keptEnvironment(),
      })
    } catch (error) {
      resolve({ kind: 'not_started', code: errorCode(error) })
      return
    }
    // Without file descriptors or processes left there are no pipes, and `error` comes: unheard it would end us.
    const { stdout, stderr } = child
    const errors: Buffer[] = []
    let byteLength = 0
    let early: Exit | undefined
    let killer: NodeJS.Timeout | undefined
    const end = (exit: Exit) => {
      if (early !== undefined) return
      early = exit
      killGroup(child, 'SIGTERM')
      killer = setTimeout(() => {
        killGroup(child, 'SIGKILL')
        // Whoever left the group may hold them open for ever.
        stdout?.destroy()
        stderr?.destroy()
      }, KILL_AFTER_MS)
    }
    const finish = (exit: Exit) => {
      clearTimeout(killer)
      signal.removeEventListener('abort', onAbort)
      resolve(early ?? exit)
    }
    const onAbort = () => end({ kind: 'too_late' })
    signal.addEventListener('abort', onAbort)
    const count = (chunk: Buffer) => {
      byteLength += chunk.length
      if (byteLength > MAX_OUTPUT_BYTES) end({ kind: 'too_long' })
    }
    stdout?.on('data', count)
    stderr?.on('data', (chunk: Buffer) => {
      count(chunk)
      if (early === undefined) errors.push(chunk)
    })
    child.on('error', (error) => finish({ kind: 'not_started', code: errorCode(error) }))
    child.on('close', (code, signalName) => {
      const text = oneLine(Buffer.concat(errors).toString('utf8'))
      finish({ kind: 'ended', code: code ?? signalName ?? 'unknown', text })
    })
  })
}

function killGroup({ pid }: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Gone already.
  }
}

function keptEnvironment(): NodeJS.ProcessEnv {
  const kept: NodeJS.ProcessEnv = {}
  for (const name of KEPT_ENV) {
    const value = process.env[name]
    if (value !== undefined) kept[name] = value
  }
  return kept
}
