/** The OpenAPI 3.1 document of both HTTP doors, made from their routes. docs/openapi.json is a copy. */
import swagger from '@fastify/swagger'
import { systemClock } from '../../clock.ts'
import { MailpassdError } from '../../errors.ts'
import { silentLogger } from '../../telemetry/logger.ts'
import { createAccessRules } from './access.ts'
import { AppPasswordBody } from './app-password-routes.ts'
import { addAdminRoutes } from './admin-routes.ts'
import { ErrorBody } from './api-error.ts'
import { addAuthRoutes } from './auth-app.ts'
import { createBaseApp } from './base-app.ts'
import { LockAnswer } from './lock-route.ts'
import { LoginAnswer } from './login-answer.ts'
import { LoginBody } from './login-body.ts'

function neverCalled(): never {
  throw new MailpassdError('internal', 'the app that describes routes serves none')
}

/** Schemas that several routes use, by the name they have in the document. */
const SHARED: ReadonlyMap<string, object> = new Map(
  Object.entries({
    AppPassword: AppPasswordBody,
    Error: ErrorBody,
    LockAnswer,
    LoginAnswer,
    LoginAttempt: LoginBody,
  }),
)

/** A schema as text, without the description that a route may have given it. */
function fingerprint(schema: object): string {
  return JSON.stringify({ ...schema, description: undefined })
}

/** The document with each copy of a shared schema replaced by a reference. */
function withReferences(document: object): object {
  const names = new Map([...SHARED].map(([name, schema]) => [fingerprint(schema), name]))
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== 'object' || value === null) return value
    const name = 'type' in value ? names.get(fingerprint(value)) : undefined
    if (name !== undefined) return { $ref: `#/components/schemas/${name}` }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]))
  }
  const { paths, components, ...rest } = { paths: {}, components: {}, ...document }
  return { ...rest, components: { ...components, schemas: Object.fromEntries(SHARED) }, paths: walk(paths) }
}

/** The document. `version` is that of mailpassd. */
export async function openApiDocument(version: string): Promise<object> {
  const base = { access: createAccessRules({ tokens: [] }), clock: systemClock, logger: silentLogger }
  const app = createBaseApp(base)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'mailpassd',
        version,
        description:
          'Logins for mail servers. The auth door (default 127.0.0.1:8143) and the admin door (127.0.0.1:8145) are two listeners that share no routes. Over a UNIX socket no token is needed. Requests with Forwarded or X-Forwarded-* are refused.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [
        { url: 'http://127.0.0.1:8143', description: 'auth door' },
        { url: 'http://127.0.0.1:8145', description: 'admin door' },
      ],
      tags: [
        { name: 'auth', description: 'On the auth door; scope login.' },
        { name: 'admin', description: 'On the admin door; scope read or admin.' },
      ],
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'A token of [[tokens]].' } },
      },
    },
  })
  addAuthRoutes(
    app,
    {
      login: neverCalled,
      userdb: neverCalled,
      authPolicy: { allow: neverCalled, report: neverCalled },
      sogoNetworks: [],
    },
    base,
  )
  addAdminRoutes(
    app,
    {
      login: neverCalled,
      explain: neverCalled,
      appPasswords: { create: neverCalled, list: neverCalled, revoke: neverCalled },
      loginLog: { readLogins: neverCalled },
      status: neverCalled,
      readiness: neverCalled,
      connectionTest: neverCalled,
      incidents: { lock: neverCalled, unlock: neverCalled, show: neverCalled },
      penalties: { list: neverCalled, clear: neverCalled },
      keeping: { state: neverCalled, accept: neverCalled, pass: neverCalled },
      metrics: { text: neverCalled, contentType: 'text/plain' },
      openApi: neverCalled,
    },
    base,
  )
  await app.ready()
  const document = app.swagger()
  await app.close()
  // As it will be sent: what is no JSON (symbols, undefined) is gone before schemas are compared.
  const plain: object = JSON.parse(JSON.stringify(document))
  return withReferences(plain)
}

/** docs/openapi.json: the document as text. */
export async function openApiJson(version: string): Promise<string> {
  return `${JSON.stringify(await openApiDocument(version), null, 2)}\n`
}
