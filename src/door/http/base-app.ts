/**
 * What both HTTP doors share: Fastify with our bounds, who may ask what, byte-exact bodies, one error format. An app
 * only routes; listen.ts gives it connections.
 */
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Clock } from '../../clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Access, AccessRules } from './access.ts'
import { ApiError } from './api-error.ts'
import { parseJsonBody } from './json-body.ts'
import { schemaCheck } from './schema-check.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Arrival, monotonic milliseconds. */
    receivedAtMs: number
    /** The body's strings hold bytes as surrogates: see json-body.ts. */
    isBodyEscaped: boolean
  }
  interface FastifyContextConfig {
    /** What the route asks for; a route that does not say is for admins. */
    access?: Access
  }
}

/** The largest request is a login: a name and a password of 1 KiB each, every byte written as \u00xx, and the rest. */
const MAX_BODY_BYTES = 16 * 1024
/** An address of 254 bytes, each as %xx; longer ones are no address and may be answered as such. */
const MAX_PARAM_LENGTH = 4096

export interface BaseOptions {
  readonly access: AccessRules
  readonly clock: Clock
  readonly logger: Logger
}

export type HttpApp = ReturnType<typeof createBaseApp>

function send(reply: FastifyReply, error: ApiError) {
  return reply
    .code(error.statusCode)
    .headers(error.headers)
    .type('application/json; charset=utf-8')
    .send(error.body)
}

/** Any error as one of ours. Fastify's own say too much in their messages: they are told by their status. */
function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : 500
  if (status === 413) return new ApiError('body_too_large', `the body is longer than ${MAX_BODY_BYTES} bytes`)
  if (status === 415) return new ApiError('media_type', 'send Content-Type: application/json')
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new ApiError('bad_request', 'the request is malformed')
  return new ApiError('internal', 'a fault of mailpassd itself; the log has it')
}

function noCompiler(): never {
  throw new Error('the compilers are set for the whole app')
}

/** An app without routes. */
export function createBaseApp({ access, clock, logger }: BaseOptions) {
  const app = Fastify({
    logger: false,
    trustProxy: false,
    requestIdHeader: false,
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    frameworkErrors: (error, _request, reply) => void send(reply, toApiError(error)),
    // Never called, as the compilers are set below; but without them Fastify would load its own, 100 modules.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.setValidatorCompiler(schemaCheck)
  // Bodies are built field by field and small; a serializer per route would cost start time and gain nothing.
  app.setSerializerCompiler(() => (body) => JSON.stringify(body))

  app.decorateRequest('receivedAtMs', 0)
  app.decorateRequest('isBodyEscaped', false)

  // Before the body is read: who may not ask sends no bytes.
  app.addHook('onRequest', (request, _reply, done) => {
    request.receivedAtMs = clock.monotonicMs()
    const wanted = request.is404 ? 'open' : (request.routeOptions.config.access ?? 'admin')
    const refusal = access.refusal(request, wanted)
    // A mail server with a wrong token sees only temporary failures: here stands why.
    if (refusal !== undefined) {
      const remote = request.raw.socket.remoteAddress ?? 'unix'
      logger.warn({ err: refusal, remote, route: request.routeOptions.url }, 'HTTP request refused')
    }
    done(refusal)
  })

  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      const { value, isEscaped } = parseJsonBody(body)
      request.isBodyEscaped = isEscaped
      done(null, value)
    } catch (error) {
      done(toApiError(error))
    } finally {
      body.fill(0)
    }
  })

  app.setErrorHandler((thrown, request, reply) => {
    const error = toApiError(thrown)
    if (error.code === 'internal')
      logger.error({ err: thrown, route: request.routeOptions.url }, 'HTTP request failed')
    return send(reply, error)
  })

  const methodsByPath = new Map<string, { pattern: RegExp; methods: Set<string> }>()
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:[a-z]+/g, '[^/]+')}$`)
    const known = methodsByPath.get(url) ?? { pattern, methods: new Set() }
    for (const one of [method].flat()) known.methods.add(one)
    methodsByPath.set(url, known)
  })

  app.setNotFoundHandler((request: FastifyRequest, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const known = [...methodsByPath.values()].find(({ pattern }) => pattern.test(path))
    if (known === undefined) return send(reply, new ApiError('not_found', 'there is nothing at this URL'))
    const allow = [...known.methods].join(', ')
    return send(reply, new ApiError('method_not_allowed', `use ${allow}`, { allow }))
  })

  return app
}
