/**
 * The far side of the Keycloak adapter: an HTTP server that answers as Keycloak does, until a test makes it misbehave.
 * What it counts is what it was asked.
 */
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'

export type Endpoint = 'token' | 'users' | 'realm' | 'profile'

export interface Asked {
  readonly endpoint: Endpoint
  /** As it came over the wire. */
  readonly path: string
  readonly authorization: string
  readonly body: string
}

/** Answers instead of Keycloak; false lets Keycloak's answer follow. */
export type Misbehave = (asked: Asked, response: ServerResponse) => boolean

export const CLIENT_SECRET = 'the-client-secret-of-this-test'
export const HASH = '{PLAIN}the-hash-of-this-test'

export class FakeKeycloak {
  readonly asked: Asked[] = []
  readonly #events = new EventEmitter()
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #scheme: 'http' | 'https'
  /** Every token it gave; the last one is the only one that it takes while `onlyLastToken`. */
  readonly tokens: string[] = []
  onlyLastToken = false
  expiresInSeconds = 300
  misbehave: Misbehave = () => false
  users: unknown = [user()]
  realm: unknown = { realm: 'test', registrationAllowed: false }
  profile: unknown = {
    attributes: ['email', 'mailcow_password', 'mailcow_template'].map((name) => ({
      name,
      permissions: { view: ['admin'], edit: ['admin'] },
    })),
  }

  private constructor(tls: { key: string; cert: string } | undefined) {
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      void this.#answer(request, response)
    this.#scheme = tls === undefined ? 'http' : 'https'
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer)
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(tls?: { key: string; cert: string }): Promise<FakeKeycloak> {
    const fake = new FakeKeycloak(tls)
    fake.#server.listen(0, '127.0.0.1')
    await once(fake.#server, 'listening')
    return fake
  }

  get url(): string {
    const address = this.#server.address()
    return `${this.#scheme}://127.0.0.1:${isInternet(address) ? address.port : 0}`
  }

  count(endpoint: Endpoint): number {
    return this.asked.filter((asked) => asked.endpoint === endpoint).length
  }

  /** Settles when this endpoint has been asked so many times in all. */
  async untilAsked(endpoint: Endpoint, times: number): Promise<void> {
    while (this.count(endpoint) < times) await once(this.#events, 'asked')
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    const asked: Asked = {
      endpoint: endpointOf(path),
      path,
      authorization: request.headers.authorization ?? '',
      body: await text(request),
    }
    this.asked.push(asked)
    if (!this.misbehave(asked, response)) this.#behave(asked, response)
    this.#events.emit('asked')
  }

  #behave(asked: Asked, response: ServerResponse): void {
    if (asked.endpoint === 'token') {
      const token = `token-${this.tokens.length}-of-this-test`
      this.tokens.push(token)
      json(response, 200, { access_token: token, expires_in: this.expiresInSeconds, token_type: 'Bearer' })
      return
    }
    const good = this.onlyLastToken ? this.tokens.slice(-1) : this.tokens
    if (!good.some((token) => asked.authorization === `Bearer ${token}`)) {
      json(response, 401, { error: 'HTTP 401 Unauthorized' })
    } else {
      json(response, 200, this[asked.endpoint])
    }
  }
}

/** A user as Keycloak shows it, with what a test changes. */
export function user(change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    id: 'f3a0',
    username: 'joe',
    email: 'joe@x.example',
    emailVerified: true,
    enabled: true,
    attributes: { mailcow_password: [HASH] },
    createdTimestamp: 1,
    requiredActions: [],
    ...change,
  }
}

export function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json;charset=UTF-8' }).end(JSON.stringify(value))
}

function endpointOf(path: string): Endpoint {
  if (path.includes('/protocol/openid-connect/token')) return 'token'
  if (path.includes('/users/profile')) return 'profile'
  return path.includes('/users?') ? 'users' : 'realm'
}

function isInternet(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}
