/** The running daemon, asked by commands over its admin UNIX socket. */
import { request } from 'node:http'
import { resolve } from 'node:path'
import type { LoadedConfig } from '../config/load.ts'
import { MailpassdError } from '../errors.ts'
import type { Secret } from '../secret.ts'

/** A login has 8 s; an answer that takes longer is none. */
const TIMEOUT_MS = 10_000
/** A mailbox may have 1000 app passwords, and explain tells of each. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

export interface Attempt {
  readonly username: string
  readonly service: string
  readonly remoteIp: string | undefined
}

/** Path of the first UNIX socket of the admin door, or undefined where it has none. */
export function adminSocketOf({ config, dataDir }: LoadedConfig): string | undefined {
  const listen = config.admin.listen.find((text) => text.startsWith('unix:'))
  return listen === undefined ? undefined : resolve(dataDir, listen.slice('unix:'.length))
}

/**
 * The outcome as the daemon tells it, or undefined where no daemon answers on the socket.
 * Throws MailpassdError internal (an answer that is none of the API's) and input_invalid (it refused the request).
 */
export async function attemptByDaemon(
  socketPath: string,
  attempt: Attempt,
  secret: Secret,
): Promise<object | undefined> {
  const body = bodyOf(attempt, secret)
  try {
    const answer = await ask(socketPath, 'POST', '/v1/login-attempts', body)
    return answer === undefined ? undefined : parseAnswer(answer)
  } finally {
    body.fill(0)
  }
}

/** The password's bytes go as they are, also where they are not UTF-8: latin1 keeps each of them one character. */
function bodyOf({ username, service, remoteIp }: Attempt, secret: Secret): Buffer {
  const raw = (text: string) => Buffer.from(text, 'utf8').toString('latin1')
  const body = {
    username: raw(username),
    password: secret.reveal().toString('latin1'),
    service: raw(service),
    ...(remoteIp === undefined ? {} : { remote_ip: remoteIp }),
  }
  return Buffer.from(JSON.stringify(body), 'latin1')
}

/**
 * What the daemon answers to a GET, or undefined where no daemon answers on the socket.
 * Throws MailpassdError internal, input_invalid, and store_unavailable where the daemon says temp_fail.
 */
export async function askDaemon(socketPath: string, path: string): Promise<object | undefined> {
  const answer = await ask(socketPath, 'GET', path)
  if (answer === undefined) return undefined
  const parsed = parseObject(answer.text)
  if (answer.status === 200 && parsed !== undefined) return parsed
  throw refusedBy(answer, parsed)
}

/** The same for a POST with a JSON body. */
export async function tellDaemon(
  socketPath: string,
  path: string,
  body: object,
): Promise<object | undefined> {
  const answer = await ask(socketPath, 'POST', path, Buffer.from(JSON.stringify(body), 'utf8'))
  if (answer === undefined) return undefined
  const parsed = parseObject(answer.text)
  if (answer.status >= 200 && answer.status < 300 && parsed !== undefined) return parsed
  throw refusedBy(answer, parsed)
}

/** Whether a daemon answers on the socket, within a second. Never throws. */
export function daemonAnswers(socketPath: string): Promise<boolean> {
  return new Promise((resolvePromise) => {
    const asked = request({ socketPath, path: '/healthz', timeout: 1000 }, (response) => {
      response.resume()
      resolvePromise(response.statusCode === 200)
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolvePromise(false))
    asked.on('close', () => resolvePromise(false))
    asked.end()
  })
}

interface Answer {
  readonly status: number
  readonly text: string
}

function ask(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  body?: Buffer,
): Promise<Answer | undefined> {
  return new Promise((resolvePromise, reject) => {
    const headers =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }
    const asked = request({ socketPath, path, method, headers, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = []
      let byteLength = 0
      response.on('data', (chunk: Buffer) => {
        byteLength += chunk.length
        if (byteLength > MAX_ANSWER_BYTES) response.destroy(new Error('the answer is too long'))
        else chunks.push(chunk)
      })
      response.on('end', () => {
        resolvePromise({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') })
      })
      response.on('error', reject)
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')))
    asked.on('error', (error) => {
      const code = 'code' in error ? error.code : undefined
      // Nobody listens: there is no daemon, which is no fault.
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolvePromise(undefined)
      else
        reject(
          new MailpassdError('internal', `the daemon on ${socketPath} did not answer: ${error.message}`, {
            cause: error,
          }),
        )
    })
    asked.end(body)
  })
}

function parseAnswer(answer: Answer): object {
  const parsed = parseObject(answer.text)
  if (parsed !== undefined && 'verdict' in parsed) return parsed
  throw refusedBy(answer, parsed)
}

function refusedBy({ status }: Answer, parsed: object | undefined): MailpassdError {
  const error = parsed !== undefined && 'error' in parsed ? parsed.error : undefined
  const told =
    typeof error === 'object' && error !== null && 'message' in error
      ? String(error.message)
      : `status ${status}`
  const code = status === 400 ? 'input_invalid' : status === 503 ? 'store_unavailable' : 'internal'
  return new MailpassdError(code, `the daemon refused the request: ${told}`)
}

function parseObject(text: string): object | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}
