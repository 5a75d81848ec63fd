/** Dovecot's auth policy protocol over our policy: what is asked takes nothing, and only guesses are reported as such. */
import t from 'tap'
import { createAuthPolicy, type PolicyAttempt, type PolicyReport } from '../../src/login/auth-policy.ts'
import type { Outcome } from '../../src/login/outcome.ts'
import type { LoginRequest } from '../../src/login/request.ts'
import { openPolicy, type Policy } from '../../src/policy/policy.ts'
import { FakeClock } from '../fakes/clock.ts'

interface Seen {
  readonly request: LoginRequest
  readonly outcome: Outcome
  /** The secret's bytes as they were then. */
  readonly secret: string
}

function setUp(retryAfterSeconds?: number) {
  const seen: Seen[] = []
  const asked: unknown[] = []
  const policy: Policy = {
    admit: () => {
      throw new Error('a question is no attempt')
    },
    observe: (request, outcome) =>
      void seen.push({ request, outcome, secret: request.secret.reveal().toString() }),
    foresee: (request) => {
      asked.push(request)
      return { retryAfterSeconds, penalties: [] }
    },
  }
  const attempt = (more: Partial<PolicyAttempt> = {}): PolicyAttempt => ({
    login: 'Jane@Example.org',
    service: 'imap',
    remoteIp: '192.0.2.7',
    pwhash: '04ac',
    sessionId: 'session',
    ...more,
  })
  const authPolicy = createAuthPolicy({ policy, clock: new FakeClock() })
  const report = (result: Partial<PolicyReport>, more: Partial<PolicyAttempt> = {}): Seen | undefined => {
    authPolicy.report(attempt(more), { isSuccess: false, isRejected: false, failType: undefined, ...result })
    return seen.at(-1)
  }
  return { authPolicy, attempt, report, seen, asked }
}

t.test('allow: what admit would say, and nothing is taken or counted', (t) => {
  const open = setUp()
  t.equal(open.authPolicy.allow(open.attempt()), true)
  t.strictSame(open.asked, [
    { username: 'Jane@Example.org', service: 'imap', door: 'http', remoteIp: '192.0.2.7' },
  ])
  const closed = setUp(30)
  t.equal(closed.authPolicy.allow(closed.attempt()), false)
  t.strictSame([...open.seen, ...closed.seen], [])
  t.equal(createAuthPolicy({ policy: openPolicy, clock: new FakeClock() }).allow(open.attempt()), true)
  t.end()
})

t.test('report: a guess is one at the canonical mailbox, by the hash of its password', (t) => {
  const { report } = setUp()
  const seen = report({ failType: 'credentials' })
  t.match(seen, {
    secret: '04ac',
    request: { username: 'Jane@Example.org', service: 'imap', remoteIp: '192.0.2.7', door: 'http' },
    outcome: { verdict: 'password_mismatch', why: 'hash_differs', mailbox: 'jane@example.org' },
  })
  t.equal(seen?.request.secret.isWiped, true)
  t.match(report({ failType: 'account' })?.outcome, { verdict: 'user_unknown', why: 'no_such_user' })
  t.match(report({}, { login: 'jane' })?.outcome, { verdict: 'user_unknown', mailbox: undefined })
  t.end()
})

t.test('report: what was no guess counts as none', (t) => {
  const { report } = setUp()
  for (const [failType, verdict] of [
    ['internal', 'temp_fail'],
    ['something of a later version', 'temp_fail'],
    ['policy', 'throttled'],
  ] as const) {
    const outcome = report({ failType })?.outcome
    t.match(outcome, { verdict }, failType)
    t.equal(outcome?.credential, undefined)
  }
  // The password was right: with a credential it is no guess to any policy.
  for (const failType of ['disabled', 'expired'])
    t.match(report({ failType })?.outcome, { credential: 'main' })
  t.match(report({ isRejected: true })?.outcome, { verdict: 'throttled' })
  t.match(report({ isRejected: true, failType: 'credentials' })?.outcome, { verdict: 'throttled' })
  t.match(report({ isSuccess: true })?.outcome, { verdict: 'ok', credential: 'main' })
  t.end()
})

t.test('Dovecot 2.3 does not say why: a password that was right the last time is no guess', (t) => {
  const { report } = setUp()
  t.match(report({}, { pwhash: 'aaaa' })?.outcome, { verdict: 'password_mismatch' }, 'never right so far')
  report({ isSuccess: true }, { pwhash: 'aaaa' })
  t.match(report({}, { pwhash: 'aaaa' })?.outcome, { verdict: 'temp_fail' }, 'a fault of its own')
  t.match(report({ failType: '' }, { pwhash: 'aaaa' })?.outcome, { verdict: 'temp_fail' })
  t.match(report({}, { pwhash: 'bbbb' })?.outcome, { verdict: 'password_mismatch' }, 'another password')
  t.match(report({}, { login: 'joe@example.org', pwhash: 'aaaa' })?.outcome, { verdict: 'password_mismatch' })
  t.match(
    report({ failType: 'credentials' }, { pwhash: 'aaaa' })?.outcome,
    { verdict: 'password_mismatch' },
    '2.4 says that it was wrong: changed since',
  )
  report({ isSuccess: true }, { pwhash: '' })
  t.match(report({}, { pwhash: '' })?.outcome, { verdict: 'password_mismatch' }, 'no hash, nothing known')
  t.end()
})
