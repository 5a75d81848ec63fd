import { readFile } from 'node:fs/promises'
import t from 'tap'
import { Compile } from 'typebox/compile'
import { openApiJson } from '../../../src/door/http/openapi.ts'
import { bearer, makeApps } from './fixtures.ts'

type Json = Record<string, unknown>

function asObject(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('is no object')
  return { ...value }
}

async function document(): Promise<Json> {
  return asObject(JSON.parse(await readFile(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')))
}

function* objectsIn(value: unknown): Generator<Json> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield { ...value }
  for (const inner of Object.values(value)) yield* objectsIn(inner)
}

function* operations(doc: Json): Generator<[string, string, Json]> {
  for (const [path, item] of Object.entries(asObject(doc['paths'])))
    for (const [method, operation] of Object.entries(asObject(item)))
      yield [path, method, asObject(operation)]
}

t.test('docs/openapi.json is in step with the routes', async (t) => {
  const { version } = asObject(
    JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')),
  )
  const page = await readFile(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')
  t.equal(page, await openApiJson(String(version)), 'run `npm run generate`')
})

t.test('it covers exactly the routes of both doors', async (t) => {
  const described = [...operations(await document())].map(([path, method]) => `${method} ${path}`)
  t.strictSame(described, [
    'post /v1/login',
    'post /',
    'get /v1/userdb/{address}',
    'post /policy',
    'get /healthz',
    'get /readyz',
    'get /metrics',
    'get /openapi.json',
    'post /v1/login-attempts',
    'post /v1/connection-test',
    'get /v1/explain/{address}',
    'put /v1/mailboxes/{address}/lock',
    'delete /v1/mailboxes/{address}/lock',
    'get /v1/mailboxes/{address}/lock',
    'get /v1/penalties',
    'post /v1/penalties/clear',
    'get /v1/directory',
    'post /v1/directory/pass',
    'post /v1/directory/accept',
    'post /v1/mailboxes/{address}/app-passwords',
    'get /v1/mailboxes/{address}/app-passwords',
    'delete /v1/mailboxes/{address}/app-passwords/{id}',
    'get /v1/logins',
    'get /v1/status',
  ])
})

t.test('it is a whole OpenAPI 3.1 document', async (t) => {
  const doc = await document()
  t.match(doc, { openapi: /^3\.1\./, info: { title: 'mailpassd', version: /^\d/ } })
  const { schemas, securitySchemes } = asObject(doc['components'])
  for (const { $ref } of objectsIn(doc)) {
    if (typeof $ref !== 'string') continue
    t.match($ref, /^#\/components\/schemas\//)
    t.ok($ref.slice('#/components/schemas/'.length) in asObject(schemas), $ref)
  }
  const ids = new Set<unknown>()
  for (const [path, method, operation] of operations(doc)) {
    const name = `${method} ${path}`
    ids.add(operation['operationId'])
    t.type(operation['summary'], 'string', name)
    const responses = Object.entries(asObject(operation['responses']))
    t.ok(responses.length > 0, name)
    for (const [status, response] of responses) {
      t.match(status, /^[2-5]\d\d$/)
      t.type(asObject(response)['description'], 'string', `${name} ${status}`)
    }
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1])
    const { parameters = [] } = operation
    const declared = [...objectsIn(parameters)].filter((one) => one['in'] === 'path')
    t.strictSame(
      declared.map((one) => one['name']),
      inPath,
      name,
    )
    t.ok(declared.every((one) => one['required'] === true))
    for (const requirement of objectsIn(operation['security']))
      for (const scheme of Object.keys(requirement))
        t.ok(scheme in asObject(securitySchemes), `${name} ${scheme}`)
  }
  t.equal(ids.size, [...operations(doc)].length, 'operation ids are unique')
})

t.test('every schema compiles, and answers are as it says', async (t) => {
  const doc = await document()
  const schemas = asObject(asObject(doc['components'])['schemas'])
  const { auth, admin, close } = makeApps()
  t.teardown(async () => {
    close()
    await Promise.all([auth.close(), admin.close()])
  })
  const body = { username: 'a@b', password: 'x', service: 'imap' }
  const error = await auth.inject({ method: 'POST', url: '/v1/login', payload: body })
  const login = await auth.inject({
    method: 'POST',
    url: '/v1/login',
    payload: body,
    headers: bearer('login'),
  })
  const checks: [string, unknown][] = [
    ['Error', error.json()],
    ['LoginAnswer', login.json()],
    ['LoginAttempt', body],
  ]
  for (const [name, value] of checks) {
    const check = Compile(asObject(schemas[name]))
    t.ok(check.Check(value), name)
    t.notOk(check.Check({ unheard: 'of' }), name)
  }
  const served = await admin.inject({ url: '/openapi.json', headers: bearer('read') })
  t.strictSame(asObject(served.json())['paths'], doc['paths'])
})
