/** A process's input and output for commands that run inside a test. */
import { Readable } from 'node:stream'
import type { Io } from '../../src/cli/command.ts'

export interface RecordedIo extends Io {
  /** What was written so far. */
  readonly seen: { out: string; err: string }
}

export function recordedIo(stdin = '', env: Readonly<Record<string, string | undefined>> = {}): RecordedIo {
  const seen = { out: '', err: '' }
  return {
    stdin: Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]),
    out: (text) => {
      seen.out += text
    },
    err: (text) => {
      seen.err += text
    },
    env,
    isInteractive: false,
    seen,
  }
}
