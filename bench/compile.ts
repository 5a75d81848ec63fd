/** The programs in C under load/, compiled into the benchmark's own directory. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SOURCES = join(import.meta.dirname, 'load')

export interface Programs {
  readonly client: string
  readonly nullServer: string
}

/** Why nothing can be compiled here, or undefined. */
export async function compilerMissing(): Promise<string | undefined> {
  return run('gcc', ['--version']).then(
    () => undefined,
    () => 'gcc is not installed: the load client is C (Debian: apt install gcc libc6-dev)',
  )
}

async function compile(name: string, dir: string): Promise<string> {
  const program = join(dir, name)
  await run('gcc', ['-O2', '-std=gnu11', '-Wall', '-Wextra', '-o', program, join(SOURCES, `${name}.c`)])
  return program
}

/** Compiles both into `dir`. Rejects with what gcc said. */
export async function compilePrograms(dir: string): Promise<Programs> {
  const [client, nullServer] = await Promise.all([compile('client', dir), compile('null-server', dir)])
  return { client, nullServer }
}
