/**
 * doveadm over Dovecot's HTTP API (`POST /doveadm/v1`, Dovecot 2.3 and 2.4): a request is a list of commands, the answer
 * a list of results. A connection for each request: they are rare.
 */
import { readFileSync } from 'node:fs'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { MailpassdError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import type { Doveadm, DoveadmAction } from './doveadm.ts'
import { errorCode, faultOf, oneLine } from './fault.ts'

// Not imported: see door/http/listen.ts.
const http = process.getBuiltinModule('node:http')
const https = process.getBuiltinModule('node:https')

/** An answer is some 100 bytes. */
const MAX_ANSWER_BYTES = 64 * 1024
/** `kick` of 2.3 where nobody was logged in (EX_NOHOST); 2.4 says `count: 0`. */
const NO_SESSION = 68
const TAG = 'mailpassd'

/** The command's name over HTTP and the parameter that takes the mailbox. */
const COMMANDS: Readonly<Record<DoveadmAction, readonly [command: string, parameter: string]>> = {
  kick: ['kick', 'mask'],
  flush_auth_cache: ['authCacheFlush', 'user'],
}

export interface DoveadmHttpOptions {
  readonly name: string
  readonly url: string
  readonly apiKey: Secret
  readonly caFile: string | undefined
  readonly timeoutMs: number
}

/** Throws MailpassdError config_unreadable, config_invalid (the CA file). */
export function doveadmHttp({ name, url, apiKey, caFile, timeoutMs }: DoveadmHttpOptions): Doveadm {
  const target = new URL('/doveadm/v1', url)
  const fault = faultOf(name, target.origin)
  const ca = caFile === undefined ? undefined : readCa(name, caFile)
  const authorization = `X-Dovecot-API ${apiKey.reveal().toString('base64')}`

  function post(body: string, signal: AbortSignal): Promise<Answer> {
    const options: RequestOptions = {
      method: 'POST',
      agent: false,
      signal,
      headers: {
        authorization,
        // With `close`, as Node sends it otherwise, Dovecot 2.3 never answers a request whose key is wrong.
        connection: 'keep-alive',
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      },
    }
    return new Promise((resolve, reject) => {
      const onResponse = (response: IncomingMessage) =>
        void collect(response)
          .finally(() => request.destroy())
          .then(resolve, reject)
      const request =
        target.protocol === 'https:'
          ? https.request(target, { ...options, ...(ca === undefined ? {} : { ca }) }, onResponse)
          : http.request(target, options, onResponse)
      request.on('error', reject)
      request.end(body)
    })
  }

  return {
    name,
    async run(action, mailbox, outer) {
      const [command, parameter] = COMMANDS[action]
      const signal = AbortSignal.any([outer, AbortSignal.timeout(timeoutMs)])
      let answer: Answer
      try {
        answer = await post(JSON.stringify([[command, { [parameter]: [mailbox] }, TAG]]), signal)
      } catch (error) {
        if (signal.aborted) throw fault(`${command}: no answer in time`, error)
        const hint = crashHint(action, error)
        throw fault(
          `${command}: ${error instanceof MailpassdError ? error.message : errorCode(error)}${hint}`,
          error,
        )
      }
      const refused = whyRefused(action, answer)
      if (refused !== undefined) throw fault(`${command}: ${refused}`)
    },
  }
}

interface Answer {
  readonly status: number
  readonly text: string
}

async function collect(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  let byteLength = 0
  response.on('data', (chunk: Buffer) => {
    byteLength += chunk.length
    if (byteLength > MAX_ANSWER_BYTES)
      response.destroy(
        new MailpassdError('consumer_failed', `an answer of more than ${MAX_ANSWER_BYTES} bytes`),
      )
    else chunks.push(chunk)
  })
  await new Promise<void>((resolve, reject) => {
    response.on('end', resolve)
    response.on('error', reject)
    response.on('close', () => reject(new MailpassdError('consumer_failed', 'the answer broke off')))
  })
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }
}

/** Why an answer means that it was not done; undefined where it was, or where there was nothing to do. */
function whyRefused(action: DoveadmAction, { status, text }: Answer): string | undefined {
  if (status === 401 || status === 403) return `answer ${status}: the API key is not that of doveadm_api_key`
  if (status !== 200) return `answer ${status}; is this Dovecot's doveadm HTTP listener?`
  const [kind, result] = firstResult(text)
  if (kind === 'doveadmResponse') return undefined
  if (kind !== 'error') return 'an answer that is none of doveadm'
  const type = propertyOf(result, 'type')
  const exitCode = propertyOf(result, 'exitCode')
  if (action === 'kick' && type === 'exitCode' && exitCode === NO_SESSION) return undefined
  return `refused (${shown(type)}, exit code ${shown(exitCode)})`
}

/** `[["doveadmResponse",[…],"tag"]]` or `[["error",{"type":…,"exitCode":…},"tag"]]`. */
function firstResult(text: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(text)
    const first: unknown = Array.isArray(parsed) ? parsed[0] : undefined
    return Array.isArray(first) && first[2] === TAG ? first : []
  } catch {
    return []
  }
}

/** Only what is text or a number: of another kind nobody knows what String would make of it. */
function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? oneLine(String(value)) : 'not told'
}

function propertyOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return new Map<string, unknown>(Object.entries(value)).get(key)
}

/** Dovecot 2.4.1's doveadm dies of this command over HTTP, whatever it is given, and the connection with it. */
function crashHint(action: DoveadmAction, error: unknown): string {
  return action === 'flush_auth_cache' && errorCode(error) === 'ECONNRESET'
    ? ' (Dovecot 2.4.1 can do this by command only; see flush_auth_cache)'
    : ''
}

function readCa(name: string, path: string): string {
  const key = `dovecot.endpoints (${name}): ca_file`
  let ca: string
  try {
    ca = readFileSync(path, 'utf8')
  } catch (error) {
    throw new MailpassdError('config_unreadable', `${key}: ${path}: ${errorCode(error)}`, { cause: error })
  }
  // Node takes a file without a certificate in silence, and then trusts nobody.
  if (ca.includes('-----BEGIN CERTIFICATE-----')) return ca
  throw new MailpassdError('config_invalid', `${key}: ${path}: no PEM certificate in it`)
}
