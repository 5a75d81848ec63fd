/** The lock of a mailbox over HTTP. */
import t from 'tap'
import { MailpassdError } from '../../../src/errors.ts'
import type { LockState, LockTerms } from '../../../src/incident/incident.ts'
import type { Incidents } from '../../../src/incident/lock-account.ts'
import type { Scope } from '../../../src/door/http/access.ts'
import { bearer, makeApps } from './fixtures.ts'

const URL_PATH = '/v1/mailboxes/jane@example.org/lock'

function rig(fault?: MailpassdError) {
  const calls: (readonly [string, string, LockTerms?])[] = []
  const state: LockState = {
    address: 'jane@example.org',
    mailbox: 'present',
    lock: { sinceMs: 0, untilMs: undefined, reason: 'stolen' },
    isLocked: true,
    use: {
      credentials: [
        { credential: 'app:7', network: '192.0.2.0/24', service: 'imap', firstMs: 0, lastMs: 1000, count: 2 },
      ],
      addresses: [{ remoteIp: '192.0.2.7', service: 'imap', credential: 'app:7', lastMs: 1000 }],
      appPasswords: [
        {
          id: 7,
          name: 'phone',
          active: true,
          lastMs: undefined,
          lastService: undefined,
          lastNetwork: undefined,
        },
      ],
    },
  }
  const call = (name: string, address: string, terms?: LockTerms) => {
    if (fault !== undefined) throw fault
    calls.push(terms === undefined ? [name, address] : [name, address, terms])
  }
  const incidents: Incidents = {
    async lock({ full }, terms) {
      call('lock', full, terms)
      return { ...state, sessions: [{ dovecot: 'mx1', ended: false, error: 'refused' }] }
    },
    async unlock({ full }) {
      call('unlock', full)
      return { ...state, lock: undefined, isLocked: false, use: undefined, before: state.lock }
    },
    async show({ full }) {
      call('show', full)
      return state
    },
  }
  const apps = makeApps({ incidents })
  const ask = async (
    method: 'GET' | 'PUT' | 'DELETE',
    body?: object,
    url = URL_PATH,
    scope: Scope = 'admin',
  ) => {
    const headers = bearer(scope)
    const answer = await apps.admin.inject({ method, url, headers, ...(body === undefined ? {} : { body }) })
    const parsed: unknown = JSON.parse(answer.body)
    return { status: answer.statusCode, body: parsed }
  }
  return { ...apps, ask, calls }
}

t.test('lock, look, unlock', async (t) => {
  const { ask, calls, clock, close } = rig()
  t.teardown(close)
  const locked = await ask('PUT', { until: '8h', reason: 'stolen' })
  t.same(locked, {
    status: 200,
    body: {
      address: 'jane@example.org',
      mailbox: 'present',
      locked: true,
      lock: { since: '1970-01-01T00:00:00.000Z', until: null, reason: 'stolen' },
      sessions: [{ dovecot: 'mx1', ended: false, error: 'refused' }],
      use: {
        credentials: [
          {
            credential: 'app:7',
            network: '192.0.2.0/24',
            service: 'imap',
            first: '1970-01-01T00:00:00.000Z',
            last: '1970-01-01T00:00:01.000Z',
            count: 2,
          },
        ],
        addresses: [
          { remote_ip: '192.0.2.7', service: 'imap', credential: 'app:7', last: '1970-01-01T00:00:01.000Z' },
        ],
        app_passwords: [
          { id: 7, name: 'phone', active: true, last: null, last_service: null, last_network: null },
        ],
      },
    },
  })
  await ask('PUT', {}, '/v1/mailboxes/JANE%40Example.ORG/lock')
  t.match(await ask('GET'), { status: 200, body: { locked: true } })
  t.match(await ask('DELETE'), { status: 200, body: { locked: false, lock: null, use: null } })
  t.same(calls, [
    ['lock', 'jane@example.org', { untilMs: clock.nowMs() + 8 * 3_600_000, reason: 'stolen' }],
    ['lock', 'jane@example.org', { untilMs: undefined, reason: undefined }],
    ['show', 'jane@example.org'],
    ['unlock', 'jane@example.org'],
  ])
})

t.test('who may', async (t) => {
  const { ask, calls, close } = rig()
  t.teardown(close)
  t.equal((await ask('GET', undefined, URL_PATH, 'read')).status, 200)
  for (const scope of ['read', 'login'] as const) {
    t.equal((await ask('PUT', {}, URL_PATH, scope)).status, 403)
    t.equal((await ask('DELETE', undefined, URL_PATH, scope)).status, 403)
  }
  t.equal((await ask('GET', undefined, URL_PATH, 'login')).status, 403)
  t.equal(calls.length, 1)
})

t.test('bad input is named, never repeated', async (t) => {
  const { ask, calls, close } = rig()
  t.teardown(close)
  for (const [body, field] of [
    [{ until: 'tomorrow' }, 'until'],
    [{ until: '2001-01-01' }, 'until'],
    [{ until: 5 }, 'until'],
    [{ reason: 'two\nlines' }, 'reason'],
    [{ reason: 'x'.repeat(256) }, 'reason'],
    [{ Until: '8h' }, 'a key is none of until, reason'],
  ] as const) {
    const { status, body: answer } = await ask('PUT', body)
    t.equal(status, 400, JSON.stringify(body))
    t.match(answer, { error: { code: 'field_invalid' } })
    t.match(JSON.stringify(answer), field)
    t.notMatch(JSON.stringify(answer), /tomorrow|2001|lines|xxx/)
  }
  for (const name of ['jane', '*@example.org', '%25@example.org', 'jane@example.org%00'])
    t.equal((await ask('PUT', {}, `/v1/mailboxes/${name}/lock`)).status, 400, name)
  t.same(calls, [])
})

t.test('a database that does not answer is 503, a fault of ours 500', async (t) => {
  const down = rig(new MailpassdError('store_unavailable', 'MariaDB 10.0.0.1: down'))
  t.teardown(down.close)
  t.match(await down.ask('PUT', {}), { status: 503, body: { error: { code: 'temp_fail' } } })
  t.match(await down.ask('GET'), { status: 503 })
  const faulty = rig(new MailpassdError('internal', 'oops'))
  t.teardown(faulty.close)
  t.match(await faulty.ask('DELETE'), { status: 500, body: { error: { code: 'internal' } } })
})

t.test('a reason that the table would not take is refused, not tried', async (t) => {
  const { ask, calls, admin, close } = rig()
  t.teardown(close)
  const FIELD = { status: 400, body: { error: { code: 'field_invalid' } } }
  for (const reason of [
    `e${'\u0301'.repeat(300)}`,
    'x'.repeat(256),
    '\u{1f4f1}'.repeat(256),
    'a\nb',
    'a\u009bb',
    'a\ud800b',
  ])
    t.match(await ask('PUT', { reason }), FIELD, JSON.stringify(reason.slice(0, 20)))
  const latin = Buffer.from('{"reason":"\u00e9"}', 'latin1')
  const headers = { ...bearer('admin'), 'content-type': 'application/json' }
  const answer = await admin.inject({ method: 'PUT', url: URL_PATH, headers, body: latin })
  t.equal(answer.statusCode, 400, 'not UTF-8')
  t.same(calls, [])
  t.match(await ask('PUT', { reason: '\u{1f4f1}'.repeat(255) }), { status: 200 })
  t.equal(calls.length, 1)
})
