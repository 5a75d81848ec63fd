/** `GET /v1/explain/{address}`: who may ask, what is handed on, what is refused. */
import t from 'tap'
import type { ExplainRequest } from '../../../src/explain/explain.ts'
import type { Explanation } from '../../../src/explain/explanation.ts'
import { bearer, makeApps } from './fixtures.ts'

const told: Explanation = {
  name: 'jane@example.org',
  address: 'jane@example.org',
  service: 'imap',
  network: 'unknown',
  asked_at: '2026-01-02T03:04:05.000Z',
  answer: 'no',
  credentials: [],
  checks: [{ room: 'lock', state: 'no', text: 'locked', why: 'locked' }],
  todo: [],
  rows_age_ms: 0,
  penalties: [],
  locked: { in_force: true, until: null },
  directory: null,
  domain: null,
  template: null,
  mailbox: null,
  app_passwords: [],
  attempts: [],
}

function app() {
  const asked: ExplainRequest[] = []
  const { admin, close } = makeApps({
    explain: async (request) => {
      asked.push(request)
      return told
    },
  })
  const get = async (url: string, scope?: 'login' | 'read' | 'admin') => {
    const headers = scope === undefined ? {} : bearer(scope)
    const { statusCode, body } = await admin.inject({ method: 'GET', url, headers })
    const parsed: unknown = JSON.parse(body)
    return { statusCode, body: parsed }
  }
  return { asked, get, close }
}

t.test('the scopes read and admin may ask; login and nobody may not', async (t) => {
  const { get, asked, close } = app()
  t.teardown(close)
  const url = '/v1/explain/jane@example.org'
  t.match(await get(url, 'read'), { statusCode: 200, body: { answer: 'no', checks: [{ why: 'locked' }] } })
  t.match(await get(url, 'admin'), { statusCode: 200 })
  t.match(await get(url, 'login'), { statusCode: 403, body: { error: { code: 'scope_missing' } } })
  t.match(await get(url), { statusCode: 401 })
  t.equal(asked.length, 2)
})

t.test('name, service and address are handed on; what is malformed is named', async (t) => {
  const { get, asked, close } = app()
  t.teardown(close)
  await get('/v1/explain/J%C3%A4ne%20%2F@example.org?service=submission&ip=2001:db8::1', 'read')
  await get('/v1/explain/no-address?service=gopher', 'read')
  await get('/v1/explain/jane@example.org', 'read')
  t.match(asked, [
    { name: 'Jäne /@example.org', service: 'smtp', remoteIp: '2001:db8::1', door: 'http' },
    { name: 'no-address', service: 'other', remoteIp: undefined },
    { service: 'imap' },
  ])
  t.match(await get('/v1/explain/jane@example.org?ip=here', 'read'), {
    statusCode: 400,
    body: { error: { code: 'field_invalid', message: /^ip: / } },
  })
  t.match(await get('/v1/explain/jane@example.org?door=sasl', 'read'), { statusCode: 400 })
  t.match(await get('/v1/explain/', 'read'), { statusCode: 200 }, 'the empty name, too, can be explained')
})
