/** A server as a child process: its output kept for error messages, ended by its own pid. */
import { spawn, type ChildProcess } from 'node:child_process'

const START_MS = 60_000
const STOP_MS = 15_000

export interface Child {
  readonly pid: number
  /** Everything it wrote so far, both streams. */
  readonly output: () => string
  /** Resolves when `ready` says so, asked every 50 ms; rejects when the process ends or 60 s pass. */
  readonly until: (ready: () => boolean | Promise<boolean>) => Promise<void>
  readonly signal: (name: NodeJS.Signals) => void
  /** Resolves with the exit code (or the signal's name) once it has ended. */
  readonly ended: Promise<number | string>
  /** SIGTERM, and SIGKILL 15 s later; resolves when it has ended. */
  readonly stop: () => Promise<void>
}

/** Starts a program; its environment is ours with `env` on top. */
export function startChild(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Child {
  const process_: ChildProcess = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  let running = true
  const keep = (chunk: Buffer): void => {
    text += chunk.toString('latin1')
  }
  process_.stdout?.on('data', keep)
  process_.stderr?.on('data', keep)
  const ended = new Promise<number | string>((resolve) => {
    process_.on('error', (error) => {
      text += `${error.message}\n`
      running = false
      resolve(127)
    })
    process_.on('exit', (code, signal) => {
      running = false
      resolve(code ?? signal ?? 0)
    })
  })

  const until = async (ready: () => boolean | Promise<boolean>): Promise<void> => {
    const last = Date.now() + START_MS
    while (!(await ready())) {
      if (!running) throw new Error(`${program} ended early:\n${text}`)
      if (Date.now() > last) throw new Error(`${program} did not get ready:\n${text}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const stop = async (): Promise<void> => {
    if (!running) return
    process_.kill('SIGTERM')
    const timer = setTimeout(() => process_.kill('SIGKILL'), STOP_MS)
    await ended
    clearTimeout(timer)
  }
  return {
    pid: process_.pid ?? 0,
    output: () => text,
    until,
    signal: (name) => void process_.kill(name),
    ended,
    stop,
  }
}
