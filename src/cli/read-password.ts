/**
 * Reads a password for a command: from a terminal without echo, else the first line of stdin. As bytes, and never
 * from the command line, which every user of the machine can read.
 */
import type { Readable } from 'node:stream'
import { MailpassdError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { Io } from './command.ts'

/** More than any password has: a file that was piped in by mistake is not read to its end. */
const MAX_LINE_BYTES = 16 * 1024

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * The password that somebody types after `prompt`, or the first line of stdin without its line end. May be empty.
 *
 * @param again prompt for typing it once more; on a terminal only, where nobody sees what is typed
 * @throws MailpassdError `input_invalid` when typing was given up, it is too long, or the two differ
 */
export async function readPassword(io: Io, prompt: string, again?: string): Promise<Secret> {
  if (!io.isInteractive || !isTerminal(io.stdin)) return readLine(io.stdin)
  const secret = await readHidden(io, io.stdin, prompt)
  if (again === undefined) return secret
  const second = await readHidden(io, io.stdin, again)
  const isSame = secret.reveal().equals(second.reveal())
  second.wipe()
  if (isSame) return secret
  secret.wipe()
  throw new MailpassdError('input_invalid', 'the two passwords differ')
}

interface Terminal extends Readable {
  setRawMode(isRaw: boolean): unknown
}

function isTerminal(stream: Readable): stream is Terminal {
  return 'setRawMode' in stream && typeof stream.setRawMode === 'function'
}

function bytesOf(chunk: unknown): Buffer {
  return typeof chunk === 'string'
    ? Buffer.from(chunk, 'utf8')
    : Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.alloc(0)
}

async function readLine(stdin: Readable): Promise<Secret> {
  const chunks: Buffer[] = []
  let byteLength = 0
  let hasLineEnd = false
  for await (const chunk of stdin) {
    const bytes = bytesOf(chunk)
    const end = bytes.indexOf(NEWLINE)
    hasLineEnd = end >= 0
    chunks.push(hasLineEnd ? bytes.subarray(0, end) : bytes)
    byteLength += bytes.length
    if (hasLineEnd || byteLength > MAX_LINE_BYTES) break
  }
  const line = Buffer.concat(chunks)
  const length = hasLineEnd && line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length
  try {
    if (length > MAX_LINE_BYTES) throw new MailpassdError('input_invalid', 'the line on stdin is too long')
    return Secret.copyOf(line.subarray(0, length))
  } finally {
    for (const bytes of [line, ...chunks]) bytes.fill(0)
  }
}

/** Raw mode: nothing is echoed, and the keys that a terminal would act on are ours to act on. */
function readHidden(io: Io, stdin: Terminal, prompt: string): Promise<Secret> {
  const { promise, resolve, reject } = Promise.withResolvers<Secret>()
  const typed: number[] = []
  const finish = (outcome: Secret | MailpassdError): void => {
    stdin.off('data', onData)
    stdin.off('end', onEnd)
    stdin.setRawMode(false)
    stdin.pause()
    typed.fill(0)
    io.err('\n')
    if (outcome instanceof MailpassdError) reject(outcome)
    else resolve(outcome)
  }
  const onEnd = (): void => finish(new MailpassdError('input_invalid', 'no password was typed'))
  const onData = (chunk: unknown): void => {
    const bytes = bytesOf(chunk)
    for (const [at, byte] of bytes.entries()) {
      const key = KEYS.get(byte)
      if (key === 'give up') return onEnd()
      if (key === 'enter') {
        // What came behind it in one piece (a paste of two lines) is for the next prompt.
        const rest = bytes.subarray(at + 1)
        finish(Secret.copyOf(Uint8Array.from(typed)))
        if (rest.length > 0) stdin.unshift(rest)
        return
      }
      if (key === 'erase') eraseCharacter(typed)
      else if (key === 'erase all') typed.length = 0
      else if (typed.length >= MAX_LINE_BYTES) {
        return finish(new MailpassdError('input_invalid', 'the password is too long'))
      } else typed.push(byte)
    }
  }
  io.err(prompt)
  stdin.setRawMode(true)
  stdin.on('data', onData)
  stdin.on('end', onEnd)
  stdin.resume()
  return promise
}

const KEYS = new Map<number, 'enter' | 'give up' | 'erase' | 'erase all'>([
  [CARRIAGE_RETURN, 'enter'],
  [NEWLINE, 'enter'],
  [0x03, 'give up'], // ^C
  [0x04, 'give up'], // ^D
  [0x08, 'erase'],
  [0x7f, 'erase'],
  [0x15, 'erase all'], // ^U
])

/** Removes the last UTF-8 character, however many bytes it has. */
function eraseCharacter(typed: number[]): void {
  let byte = typed.pop()
  while (byte !== undefined && (byte & 0xc0) === 0x80) byte = typed.pop()
}
