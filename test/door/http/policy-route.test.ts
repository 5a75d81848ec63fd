/** `POST /policy`: bodies as Dovecot 2.3 and 2.4 send them, answers as they read them. */
import t, { type Test } from 'tap'
import type { PolicyAttempt, PolicyReport } from '../../../src/login/auth-policy.ts'
import { bearer, makeApps } from './fixtures.ts'

/** As sent by Dovecot 2.3.19 and 2.4.1, recorded. */
const ASKED_23 = {
  device_id: '',
  login: 'jane@example.org',
  protocol: 'imap',
  pwhash: '04ac',
  remote: '192.0.2.7',
  session_id: 'YhpNJghhJJt/AAAB',
  tls: false,
}
const ASKED_24 = { ...ASKED_23, fail_type: '' }

function setUp(t: Test, isAllowed = true) {
  const asked: PolicyAttempt[] = []
  const reported: (PolicyAttempt & PolicyReport)[] = []
  const apps = makeApps({
    authPolicy: {
      allow: (attempt) => {
        asked.push(attempt)
        return isAllowed
      },
      report: (attempt, report) => void reported.push({ ...attempt, ...report }),
    },
  })
  t.teardown(async () => {
    apps.close()
    await Promise.all([apps.auth.close(), apps.admin.close()])
  })
  const post = (url: string, payload: object, headers: Record<string, string> = bearer('login')) =>
    apps.auth.inject({
      method: 'POST',
      url,
      payload,
      headers: { 'content-type': 'application/json', ...headers },
    })
  return { ...apps, asked, reported, post }
}

t.test('allow', async (t) => {
  for (const [isAllowed, status] of [
    [true, 0],
    [false, -1],
  ] as const) {
    const { post, asked, reported } = setUp(t, isAllowed)
    for (const body of [ASKED_23, ASKED_24]) {
      const response = await post('/policy?command=allow', body)
      t.equal(response.statusCode, 200)
      const answer: { status: unknown; msg: unknown } = response.json()
      t.equal(answer.status, status)
      t.type(answer.msg, 'string')
    }
    const attempt = {
      login: 'jane@example.org',
      service: 'imap',
      remoteIp: '192.0.2.7',
      pwhash: '04ac',
      sessionId: 'YhpNJghhJJt/AAAB',
    }
    t.strictSame(asked, [attempt, attempt])
    t.strictSame(reported, [])
  }
})

t.test('report', async (t) => {
  const { post, asked, reported } = setUp(t, false)
  for (const more of [
    { success: true, policy_reject: false },
    { success: false, policy_reject: true },
    { success: false, policy_reject: false, fail_type: 'credentials' },
    {},
  ])
    t.strictSame((await post('/policy?command=report', { ...ASKED_23, ...more })).json(), {
      status: 0,
      msg: '',
    })
  t.strictSame(
    reported.map(({ isSuccess, isRejected, failType }) => [isSuccess, isRejected, failType]),
    [
      [true, false, undefined],
      [false, true, undefined],
      [false, false, 'credentials'],
      [false, false, undefined],
    ],
  )
  t.strictSame(asked, [])
})

t.test('what other attributes say is ignored; an address that is none is not known', async (t) => {
  const { post, asked } = setUp(t)
  const body = {
    login: 'j'.repeat(5000),
    remote: 'unix',
    attrs: { tls: { cipher: 'x' } },
    ja3: 'abc',
    tls: 'TLSv1.3',
  }
  t.equal((await post('/policy?command=allow', body)).statusCode, 200)
  t.equal((await post('/policy?command=allow', { ...ASKED_23, remote: '' })).statusCode, 200)
  t.strictSame(
    asked.map(({ remoteIp, pwhash, login }) => [remoteIp, pwhash, login.length]),
    [
      [undefined, '', 1024],
      [undefined, '04ac', 16],
    ],
  )
})

t.test('who may ask, and what', async (t) => {
  const { post, asked, reported } = setUp(t)
  t.equal((await post('/policy?command=allow', ASKED_23, {})).statusCode, 401)
  t.equal((await post('/policy?command=allow', ASKED_23, bearer('read'))).statusCode, 403)
  for (const url of ['/policy', '/policy?command=learn', '/policy?command=allow&command=report'])
    t.match((await post(url, ASKED_23)).json(), { error: { code: 'field_invalid' } }, url)
  for (const body of [
    { ...ASKED_23, login: 7 },
    { remote: '192.0.2.7' },
    { ...ASKED_23, success: 'yes' },
    { ...ASKED_23, pwhash: 'a'.repeat(257) },
    { ...ASKED_23, device_id: 'x'.repeat(20_000) },
  ])
    t.ok([400, 413].includes((await post('/policy?command=allow', body)).statusCode))
  t.strictSame([...asked, ...reported], [])
})
