/** Apps of both HTTP doors with a login that answers what the test says, and clients for TCP and UNIX sockets. */
import { mkdtemp, rm } from 'node:fs/promises'
import { request, type Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AppPasswords } from '../../../src/credential/app-passwords.ts'
import type { UserDb, UserDbAnswer } from '../../../src/account/userdb.ts'
import type { ConnectionTest } from '../../../src/check/connection-test.ts'
import { createAdminApp } from '../../../src/door/http/admin-app.ts'
import { createAuthApp } from '../../../src/door/http/auth-app.ts'
import type { AccessToken, Scope } from '../../../src/door/http/access.ts'
import type { Explain } from '../../../src/explain/explain.ts'
import { MailpassdError } from '../../../src/errors.ts'
import type { Keeping } from '../../../src/mirror/keeping.ts'
import type { Incidents } from '../../../src/incident/lock-account.ts'
import type { LoginLogSource } from '../../../src/login-log/event.ts'
import type { AuthPolicy } from '../../../src/login/auth-policy.ts'
import type { PenaltyDesk } from '../../../src/policy/desk.ts'
import type { Login } from '../../../src/login/login.ts'
import type { Outcome, Why } from '../../../src/login/outcome.ts'
import type { LoginRequest } from '../../../src/login/request.ts'
import { verdictOf } from '../../../src/login/why.ts'
import { Secret } from '../../../src/secret.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import type { Status } from '../../../src/telemetry/status.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { FakeClock } from '../../fakes/clock.ts'

export function outcomeOf(why: Why, fields: Partial<Outcome> = {}): Outcome {
  return {
    verdict: verdictOf(why),
    why,
    mailbox: 'jane@example.org',
    credential: why === 'verified' ? 'main' : undefined,
    provisioned: false,
    recordAgeMs: undefined,
    retryAfterSeconds: undefined,
    ...fields,
  }
}

export const TOKENS = {
  login: 'login-token-of-the-test',
  read: 'read-token-of-the-test-x',
  admin: 'admin-token-of-the-test-',
} as const satisfies Record<Scope, string>

export function tokens(): AccessToken[] {
  return [
    { name: 'login', scopes: ['login'], secret: Secret.fromText(TOKENS.login) },
    { name: 'read', scopes: ['read'], secret: Secret.fromText(TOKENS.read) },
    { name: 'admin', scopes: ['admin'], secret: Secret.fromText(TOKENS.admin) },
  ]
}

/** A login as the door handed it over; the password's bytes are a copy, for a login wipes them. */
export interface Seen extends LoginRequest {
  readonly password: Buffer
}

export interface FixtureOptions {
  readonly login?: Login
  readonly clock?: FakeClock
  readonly userdb?: UserDbAnswer | UserDb
  readonly authPolicy?: AuthPolicy
  readonly compatNetworks?: readonly string[]
  readonly sogoNetworks?: readonly string[]
  readonly explain?: Explain
  readonly appPasswords?: AppPasswords
  readonly loginLog?: LoginLogSource
  readonly status?: () => Promise<Status>
  readonly readiness?: () => Promise<{ ready: boolean; degraded: string[] }>
  readonly connectionTest?: ConnectionTest
  readonly incidents?: Incidents
  readonly keeping?: Keeping
  readonly penalties?: PenaltyDesk
}

const noStore = async () => {
  throw new MailpassdError('store_unavailable', 'no database here')
}
const NO_KEEPING: Keeping = {
  state: () => {
    throw new Error('not asked for')
  },
  pass: () => {
    throw new Error('not asked for')
  },
  accept: () => {
    throw new Error('not asked for')
  },
}
const NO_STORE: Incidents = { lock: noStore, unlock: noStore, show: noStore }

export function makeApps(options: FixtureOptions = {}) {
  const clock = options.clock ?? new FakeClock()
  const logged: string[] = []
  const seen: Seen[] = []
  const logger = createLogger('trace', { destination: { write: (line) => void logged.push(line) } })
  const metrics = createMetrics({ version: '0.0.0' })
  const answer = options.login ?? (() => outcomeOf('verified'))
  const login: Login = (request) => {
    seen.push({ ...request, password: Buffer.from(request.secret.reveal()) })
    return answer(request)
  }
  const { userdb = { kind: 'absent' } } = options
  const auth = createAuthApp({
    login,
    userdb: typeof userdb === 'function' ? userdb : async () => userdb,
    authPolicy: options.authPolicy ?? { allow: () => true, report: () => {} },
    tokens: tokens(),
    compatNetworks: options.compatNetworks ?? [],
    sogoNetworks: options.sogoNetworks ?? [],
    clock,
    logger,
  })
  const refuse = () => Promise.reject(new Error('no app passwords in this test'))
  const admin = createAdminApp({
    login,
    explain: options.explain ?? (() => Promise.reject(new Error('not asked for'))),
    appPasswords: options.appPasswords ?? { create: refuse, list: refuse, revoke: refuse },
    readiness: options.readiness ?? (async () => ({ ready: true, degraded: [] })),
    connectionTest: options.connectionTest ?? (async () => ({ result: 'ok', exitCode: 0, steps: [], ms: 0 })),
    incidents: options.incidents ?? NO_STORE,
    keeping: options.keeping ?? NO_KEEPING,
    penalties: options.penalties ?? { list: () => [], clear: async () => [] },
    loginLog: options.loginLog ?? { readLogins: async () => [] },
    status: options.status ?? (() => Promise.reject(new Error('not asked for'))),
    metrics,
    tokens: tokens(),
    version: '0.0.0',
    clock,
    logger,
  })
  return { auth, admin, clock, logged, seen, metrics, close: () => metrics.close() }
}

export async function tempDir(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'mailpassd-http-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** Asks over a real connection; `at` as listenHttp gives it: `host:port` or `unix:path`. */
export function ask(
  at: string,
  method: string,
  path: string,
  options: { headers?: Record<string, string>; body?: string | Buffer; agent?: Agent } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const colon = at.lastIndexOf(':')
  const where = at.startsWith('unix:')
    ? { socketPath: at.slice(5) }
    : { host: at.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(at.slice(colon + 1)) }
  const { headers = {}, body, agent } = options
  const outgoing = request({
    ...where,
    method,
    path,
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    ...(agent === undefined ? {} : { agent }),
  })
  outgoing.on('error', reject)
  outgoing.on('response', (incoming) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('error', reject)
    incoming.on('end', () =>
      resolve({
        status: incoming.statusCode ?? 0,
        headers: incoming.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      }),
    )
  })
  outgoing.end(body)
  return promise
}

export const bearer = (scope: Scope) => ({ authorization: `Bearer ${TOKENS[scope]}` })
