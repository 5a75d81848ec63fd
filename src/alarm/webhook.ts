/**
 * A POST that tells somebody else's program of an alarm. It is done when the answer is 2xx; a redirect is none, it could
 * lead anywhere. A connection for each: they are rare.
 *
 * `Mailpassd-Signature: t=<Unix seconds>,v1=<hex>`: HMAC-SHA256 (RFC 2104) under the secret over `<t>.<body>`, so that
 * whoever reads it knows who wrote it, and that it was not kept and sent again.
 */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:http'
import { MailpassdError } from '../errors.ts'
import type { Clock } from '../clock.ts'
import type { Secret } from '../secret.ts'

// Not imported: they would belong to the start of the daemon, which seldom needs them.
const http = process.getBuiltinModule('node:http')
const https = process.getBuiltinModule('node:https')

export const MAX_BODY_BYTES = 8 * 1024

export interface Webhook {
  /** Where it is, without path and query: these may hold a token. */
  readonly where: string
  /** Throws MailpassdError consumer_failed. */
  send(body: string, signal: AbortSignal): Promise<void>
}

export interface WebhookOptions {
  readonly url: string
  /** Absent: not signed. */
  readonly secret: Secret | undefined
  /** CA certificates (PEM) in place of Node's. */
  readonly caFile: string | undefined
  readonly timeoutMs: number
  readonly clock: Clock
}

/** Throws MailpassdError config_unreadable, config_invalid (the CA file). */
export function createWebhook({ url, secret, caFile, timeoutMs, clock }: WebhookOptions): Webhook {
  const target = new URL(url)
  const where = target.origin
  const ca = caFile === undefined ? undefined : readCa(caFile)
  const fault = (what: string): MailpassdError =>
    // Without a cause: an error of the system may quote the whole URL.
    new MailpassdError('consumer_failed', `webhook ${where}: ${what}`)

  function post(body: string, signal: AbortSignal): Promise<number> {
    const bytes = Buffer.from(body)
    const options: RequestOptions = {
      method: 'POST',
      agent: false,
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': bytes.length,
        'user-agent': 'mailpassd',
        ...(secret === undefined
          ? {}
          : { 'mailpassd-signature': signature(secret, bytes, Math.floor(clock.nowMs() / 1000)) }),
      },
    }
    return new Promise((resolve, reject) => {
      const request =
        target.protocol === 'https:'
          ? https.request(target, { ...options, ...(ca === undefined ? {} : { ca }) })
          : http.request(target, options)
      request.on('response', (response) => {
        resolve(response.statusCode ?? 0)
        // What it says beside its status is of no use; an endless answer must not be read.
        request.destroy()
      })
      request.on('error', reject)
      request.end(bytes)
    })
  }

  return {
    where,
    async send(body, outer) {
      if (Buffer.byteLength(body) > MAX_BODY_BYTES) throw fault(`a body of more than ${MAX_BODY_BYTES} bytes`)
      const signal = AbortSignal.any([outer, AbortSignal.timeout(timeoutMs)])
      let status: number
      try {
        status = await post(body, signal)
      } catch (error) {
        throw fault(signal.aborted ? 'no answer in time' : codeOf(error))
      }
      if (status >= 300 && status < 400) throw fault(`answer ${status}: redirects are not followed`)
      if (status < 200 || status >= 300) throw fault(`answer ${status}`)
    },
  }
}

/** The value of the header. */
export function signature(secret: Secret, body: Uint8Array, atSeconds: number): string {
  const mac = createHmac('sha256', secret.reveal()).update(`${atSeconds}.`).update(body).digest('hex')
  return `t=${atSeconds},v1=${mac}`
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

function readCa(path: string): string {
  let ca: string
  try {
    ca = readFileSync(path, 'utf8')
  } catch (error) {
    throw new MailpassdError('config_unreadable', `alarm.webhook_ca_file: ${path}: ${codeOf(error)}`, {
      cause: error,
    })
  }
  // Node takes a file without a certificate in silence, and then trusts nobody.
  if (ca.includes('-----BEGIN CERTIFICATE-----')) return ca
  throw new MailpassdError('config_invalid', `alarm.webhook_ca_file: ${path}: no PEM certificate in it`)
}
