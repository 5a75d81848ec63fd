/** `POST /v1/connection-test`: who may run it, one at a time, what it answers. */
import t from 'tap'
import type { Report } from '../../../src/check/connection-test.ts'
import { bearer, makeApps } from './fixtures.ts'

const REPORT: Report = {
  result: 'failed',
  exitCode: 78,
  ms: 12,
  steps: [
    { name: 'TCP', result: 'ok', detail: 'port 443', ms: 3 },
    { name: 'TLS', result: 'failed', detail: 'ended', hint: 'renew it', exit: 78, ms: 4 },
    { name: 'token', result: 'skipped', detail: 'not tried' },
  ],
}

const URL = '/v1/connection-test'

t.test('the report, with and without an address', async (t) => {
  const asked: (string | undefined)[] = []
  const { admin, close } = makeApps({
    connectionTest: async ({ address }) => {
      asked.push(address)
      return REPORT
    },
  })
  t.teardown(close)
  const headers = bearer('admin')
  const bare = await admin.inject({ method: 'POST', url: URL, headers })
  t.equal(bare.statusCode, 200)
  t.same(bare.json(), {
    ok: false,
    result: 'failed',
    exit_code: 78,
    ms: 12,
    steps: [
      { name: 'TCP', result: 'ok', detail: 'port 443', ms: 3 },
      { name: 'TLS', result: 'failed', detail: 'ended', hint: 'renew it', ms: 4 },
      { name: 'token', result: 'skipped', detail: 'not tried' },
    ],
  })
  const named = await admin.inject({
    method: 'POST',
    url: URL,
    headers,
    payload: { address: 'Jane@Example.org' },
  })
  t.equal(named.statusCode, 200)
  t.same(asked, [undefined, 'jane@example.org'])

  const payloads = [{ address: 'jane' }, { address: 1 }, { adress: 'jane@example.org' }, []]
  for (const payload of payloads) {
    const refused = await admin.inject({ method: 'POST', url: URL, headers, payload })
    t.equal(refused.statusCode, 400)
    t.match(refused.json(), { error: { code: 'field_invalid' } })
  }
  t.equal(asked.length, 2)
})

t.test('for admins alone', async (t) => {
  const { admin, auth, close } = makeApps()
  t.teardown(close)
  t.equal((await admin.inject({ method: 'POST', url: URL })).statusCode, 401)
  for (const scope of ['login', 'read'] as const)
    t.equal((await admin.inject({ method: 'POST', url: URL, headers: bearer(scope) })).statusCode, 403)
  t.equal((await auth.inject({ method: 'POST', url: URL, headers: bearer('admin') })).statusCode, 404)
})

t.test('one at a time, and the next when it has ended, well or not', async (t) => {
  const running = Promise.withResolvers<Report>()
  let next: () => Promise<Report> = () => running.promise
  const { admin, close } = makeApps({ connectionTest: () => next() })
  t.teardown(close)
  const headers = bearer('admin')
  const started = Promise.withResolvers<void>()
  next = () => {
    started.resolve()
    return running.promise
  }
  const first = admin.inject({ method: 'POST', url: URL, headers })
  await started.promise
  const second = await admin.inject({ method: 'POST', url: URL, headers })
  t.equal(second.statusCode, 409)
  t.match(second.json(), { error: { code: 'busy' } })
  running.resolve(REPORT)
  t.equal((await first).statusCode, 200)

  next = () => Promise.reject(new Error('a fault'))
  t.equal((await admin.inject({ method: 'POST', url: URL, headers })).statusCode, 500)
  next = async () => REPORT
  t.equal((await admin.inject({ method: 'POST', url: URL, headers })).statusCode, 200)
})
