/**
 * Who may ask what (design §6): Bearer tokens with scopes (RFC 6750), except over a UNIX socket, for what is open to
 * all, and for the mailcow-compatible route from configured networks. What a proxy forwarded is refused: behind a
 * proxy on this machine, loopback would be the Internet.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Secret } from '../../secret.ts'
import { ApiError } from './api-error.ts'
import { inNetworks } from './networks.ts'
import { isUnixPeer } from './peer.ts'

export type Scope = 'login' | 'read' | 'admin'

/** What a route asks for: a scope, nothing (`open`), or what the mailcow-compatible route asks for. */
export type Access = Scope | 'open' | 'compat'

export interface AccessToken {
  /** Shown in the log, never the token itself. */
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly secret: Secret
}

export interface AccessRules {
  /** Why the request is refused, or undefined. `access` is what its route asks for. */
  refusal(request: FastifyRequest, access: Access): ApiError | undefined
}

const CHALLENGE = 'Bearer realm="mailpassd"'
const MAX_TOKEN_LENGTH = 4096

function digest(bytes: Uint8Array | string): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** RFC 9110 §11.1: the scheme is case-insensitive. */
function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined || header.length > MAX_TOKEN_LENGTH) return undefined
  return header.slice(0, 7).toLowerCase() === 'bearer ' ? header.slice(7).trim() : undefined
}

function wasForwarded(request: FastifyRequest): boolean {
  for (const name in request.headers) if (name === 'forwarded' || name.startsWith('x-forwarded-')) return true
  return false
}

/** `networks` in CIDR notation, checked by the configuration. The tokens' secrets are hashed here and not kept. */
export function createAccessRules(options: {
  readonly tokens: readonly AccessToken[]
  readonly compatNetworks?: readonly string[]
}): AccessRules {
  const tokens = options.tokens.map(({ secret, scopes }) => ({ hash: digest(secret.reveal()), scopes }))
  const isCompat = inNetworks(options.compatNetworks ?? [])

  /** The scopes of a token. All are compared, by hash: neither time nor length says how near a guess was. */
  function scopesOf(token: string): readonly Scope[] | undefined {
    const presented = digest(token)
    let found: readonly Scope[] | undefined
    for (const { hash, scopes } of tokens) if (timingSafeEqual(hash, presented)) found = scopes
    return found
  }

  function tokenRefusal(header: string | undefined, scope: Scope): ApiError | undefined {
    const token = bearerToken(header)
    if (token === undefined)
      return new ApiError('token_missing', 'send Authorization: Bearer with a token from [[tokens]]', {
        'www-authenticate': CHALLENGE,
      })
    const scopes = scopesOf(token)
    if (scopes === undefined)
      return new ApiError('token_invalid', 'the token is none of those in [[tokens]]', {
        'www-authenticate': `${CHALLENGE}, error="invalid_token"`,
      })
    if (scopes.includes(scope) || scopes.includes('admin')) return undefined
    return new ApiError('scope_missing', `the token has not the scope ${scope}`, {
      'www-authenticate': `${CHALLENGE}, error="insufficient_scope", scope="${scope}"`,
    })
  }

  return {
    refusal(request, access) {
      if (wasForwarded(request))
        return new ApiError(
          'forwarded',
          'forwarded requests are refused: put no proxy in front of this listener (Forwarded or X-Forwarded-* was sent)',
        )
      if (access === 'open' || isUnixPeer(request.raw.socket)) return undefined
      if (access !== 'compat') return tokenRefusal(request.headers.authorization, access)
      if (isCompat(request.raw.socket.remoteAddress)) return undefined
      const refused = tokenRefusal(request.headers.authorization, 'login')
      // mailcow's Lua takes every 401 for a wrong password; who may not ask must not be told that.
      return refused === undefined
        ? undefined
        : new ApiError(
            'scope_missing',
            'this address is not in compat.networks, and no token with the scope login was sent',
          )
    },
  }
}
