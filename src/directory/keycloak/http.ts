/**
 * JSON over HTTP to one Keycloak: a pool of our own, bounded in connections, waiting requests and bytes. What goes
 * wrong becomes a MailpassdError here, made of what was asked and the status alone: foreign errors quote bodies
 * (JSON.parse, the HTTP parser), and bodies hold tokens and hashes.
 */
import { readFileSync } from 'node:fs'
import { errors, Pool } from 'undici'
import { MailpassdError } from '../../errors.ts'

export interface Tls {
  readonly ca_file?: string | undefined
  readonly insecure: boolean
}

export interface HttpRequest {
  /** For messages: `look-up by e-mail`. */
  readonly what: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  /** Parsed; undefined where the body is no JSON and the status is not 2xx. */
  readonly json: unknown
  /** The head line Date, which Keycloak itself does not send and a proxy before it does. */
  readonly date: string | undefined
}

export interface Http {
  /** scheme://host:port, for messages. */
  readonly origin: string
  /**
   * Any answer of 2xx with JSON, 400, 401, 403 or 404. Throws directory_unavailable (no connection, reset, 5xx, 429) and
   * directory_invalid (redirect, no JSON, half a body, too long, any other status).
   */
  request(request: HttpRequest): Promise<HttpAnswer>
  close(): Promise<void>
}

/** Where pages of users are not asked for, the largest answer is one user's attributes or the user profile. */
const MAX_ANSWER_BYTES = 1024 * 1024
/** Requests that wait for a connection, beyond which more would only die of old age. */
const MAX_WAITING = 4096
const KEEP_ALIVE_MS = 20_000

export function openHttp(
  origin: string,
  options: {
    readonly tls: Tls
    readonly connections: number
    readonly connectMs: number
    /** Default 1 MiB. */
    readonly maxAnswerBytes?: number
  },
): Http {
  const maxAnswerBytes = options.maxAnswerBytes ?? MAX_ANSWER_BYTES
  const pool = new Pool(origin, {
    connections: options.connections,
    pipelining: 1,
    allowH2: false,
    connect: { timeout: options.connectMs, ...tlsOptions(options.tls) },
    // One deadline for the whole look-up is kept by the caller's signal.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: maxAnswerBytes,
    keepAliveTimeout: KEEP_ALIVE_MS,
  })
  let waiting = 0

  async function request(asked: HttpRequest): Promise<HttpAnswer> {
    const fault = faults(`${asked.what} at ${origin}`)
    if (waiting >= MAX_WAITING) throw fault('directory_unavailable', 'too many requests wait already')
    waiting++
    try {
      const { statusCode, headers, body } = await send(pool, asked, fault)
      const text = await body.text().catch((error: unknown) => {
        if (asked.signal.aborted) throw fault('directory_unavailable', 'no answer in time')
        const code = codeOf(error)
        if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
          throw fault('directory_invalid', `answer ${statusCode} is longer than ${maxAnswerBytes} bytes`)
        }
        throw fault('directory_invalid', `answer ${statusCode} broke off (${code})`)
      })
      const answer = judge(statusCode, String(headers['content-type'] ?? ''), text, fault)
      return { ...answer, date: typeof headers['date'] === 'string' ? headers['date'] : undefined }
    } finally {
      waiting--
    }
  }
  return { origin, request, close: () => pool.destroy() }
}

type Fault = (code: 'directory_unavailable' | 'directory_invalid', why: string) => MailpassdError

function faults(asked: string): Fault {
  return (code, why) => new MailpassdError(code, `${asked}: ${why}`)
}

/** Codes of a kept connection that the other side closed as we wrote. */
const CLOSED_UNDER_US = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

/** Sends it, once more where the connection was closed before any answer came: usual for kept connections. */
async function send(pool: Pool, asked: HttpRequest, fault: Fault) {
  const { path, method, headers, body, signal } = asked
  for (let attempt = 1; ; attempt++) {
    try {
      return await pool.request({ path, method, headers, body: body ?? null, signal })
    } catch (error) {
      if (signal.aborted) throw fault('directory_unavailable', 'no answer in time')
      const code = codeOf(error)
      if (attempt === 1 && CLOSED_UNDER_US.has(code)) continue
      // What the HTTP parser does not take for HTTP came from something that is no Keycloak.
      const noHttp = error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError
      throw fault(noHttp ? 'directory_invalid' : 'directory_unavailable', code)
    }
  }
}

function judge(status: number, contentType: string, text: string, fault: Fault): Omit<HttpAnswer, 'date'> {
  if (status >= 500 || status === 429) throw fault('directory_unavailable', `answer ${status}`)
  if (status >= 300 && status < 400) throw fault('directory_invalid', `answer ${status}, a redirect`)
  const good = status >= 200 && status < 300
  if (!good && ![400, 401, 403, 404].includes(status)) throw fault('directory_invalid', `answer ${status}`)
  const json = /^application\/(?:[a-z.+-]+\+)?json\b/i.test(contentType) ? parseJson(text) : undefined
  if (good && json === undefined) throw fault('directory_invalid', `answer ${status} is not JSON`)
  return { status, json }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** An error's code, which quotes nothing. */
function codeOf(error: unknown): string {
  if (error instanceof Error) {
    if ('code' in error && typeof error.code === 'string') return error.code
    return error.name
  }
  return 'unknown error'
}

/** What a connection to the directory is made with. Throws config_unreadable, config_invalid. */
export function tlsOptions(tls: Tls): { ca?: string; rejectUnauthorized: boolean } {
  const rejectUnauthorized = !tls.insecure
  if (tls.ca_file === undefined) return { rejectUnauthorized }
  let ca: string
  try {
    ca = readFileSync(tls.ca_file, 'utf8')
  } catch (error) {
    throw new MailpassdError('config_unreadable', `directory.tls.ca_file: ${tls.ca_file}: ${codeOf(error)}`)
  }
  // Node takes a file without a certificate in silence, and then trusts nobody.
  if (!ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw new MailpassdError(
      'config_invalid',
      `directory.tls.ca_file: ${tls.ca_file}: no PEM certificate in it`,
    )
  }
  return { ca, rejectUnauthorized }
}
