/**
 * The rules of what is remembered (design §3), each against every fault of the directory: the rooms of a login, the
 * memory and the breaker over the Keycloak adapter and an HTTP server that misbehaves. The clock stands still until a
 * test moves it; what is on the wire is waited for.
 */
import type { ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { AccountMemory } from '../../src/account/accounts.ts'
import { LookupBudget } from '../../src/account/lookup-budget.ts'
import type { StoredAccount } from '../../src/account/stored.ts'
import { Memo } from '../../src/credential/memo.ts'
import { CredentialVerifier } from '../../src/credential/verify.ts'
import { createKeycloakDirectory } from '../../src/directory/keycloak/directory.ts'
import { watchDirectory } from '../../src/directory/watched.ts'
import { MailpassdError } from '../../src/errors.ts'
import { decide } from '../../src/login/decide.ts'
import { createLogin } from '../../src/login/login.ts'
import type { Outcome } from '../../src/login/outcome.ts'
import { createApply } from '../../src/mailbox/apply.ts'
import { openPolicy } from '../../src/policy/policy.ts'
import { Secret } from '../../src/secret.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { CLIENT_SECRET, FakeKeycloak, json, user, type Asked } from '../directory/fake-keycloak.ts'
import { FakeSource, mailbox, newcomer, resident, settings } from '../fakes/accounts.ts'
import { FakeClock } from '../fakes/clock.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const PEOPLE = ['ann', 'bob', 'cat', 'dan', 'eve'] as const
const NOBODY = ['nora', 'nick', 'nell', 'ned', 'nan'] as const
const nameOf = (local: string) => `${local}@example.org`

type Fault = (response: ServerResponse) => void

function answer(status: number, type: string, body: string, headers: Record<string, string> = {}): Fault {
  return (response) => response.writeHead(status, { 'content-type': type, ...headers }).end(body)
}

/** What it is down by, as a login tells the operator. */
const FAULTS: readonly (readonly [name: string, why: string, fault: Fault])[] = [
  ['reset', 'directory_down', (response) => response.destroy()],
  ['500', 'directory_down', answer(500, 'application/json', '{}')],
  ['401 to us', 'directory_refuses_us', answer(401, 'application/json', '{}')],
  ['403 to us', 'directory_refuses_us', answer(403, 'application/json', '{}')],
  ['HTML', 'directory_garbage', answer(200, 'text/html', '<html>')],
  [
    'half a body',
    'directory_garbage',
    (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
      response.write('[{"id"', () => response.destroy())
    },
  ],
  ['redirect', 'directory_garbage', answer(302, 'text/html', '', { location: '/elsewhere' })],
  [
    'more than 1 MiB',
    'directory_garbage',
    answer(200, 'application/json', JSON.stringify([user({ more: 'x'.repeat(1024 * 1024) })])),
  ],
  ['accepts and stays silent', 'directory_down', () => {}],
]

interface House {
  readonly clock: FakeClock
  readonly keycloak: FakeKeycloak
  readonly source: FakeSource
  readonly asked: () => number
  /** The hash of each, changed by tests. */
  readonly users: Map<string, Record<string, unknown>>
  fault: Fault | undefined
  readonly watched: ReturnType<typeof watchDirectory>
  /** Advances the clock where it must, until the login is answered. */
  login(name: string, password?: string, change?: { remoteIp?: string }): Promise<Outcome>
  /** Many at once. */
  logins(names: readonly string[], password?: string): Promise<Outcome[]>
}

const PROFILE = {
  attributes: ['email', 'mailcow_password', 'mailcow_template'].map((name) => ({
    name,
    permissions: { view: ['admin'], edit: ['admin'] },
  })),
}
const HIDING = { attributes: [{ name: 'email', permissions: { view: ['admin'], edit: ['admin'] } }] }

function emailOf({ path }: Asked): string {
  return new URLSearchParams(path.slice(path.indexOf('?'))).get('email') ?? ''
}

async function house(
  t: Test,
  options: { outageHours?: number; known?: readonly string[]; unknownPerSecond?: number } = {},
): Promise<House> {
  const clock = new FakeClock()
  const keycloak = await FakeKeycloak.start()
  t.teardown(() => keycloak.stop())
  const users = new Map(
    PEOPLE.map((local) => {
      const attributes = { mailcow_password: [`{PLAIN}of ${local}`] }
      return [nameOf(local), user({ id: `id-${local}`, username: local, email: nameOf(local), attributes })]
    }),
  )
  keycloak.expiresInSeconds = 10 * 86_400
  const adapter = createKeycloakDirectory(
    {
      server_url: keycloak.url,
      realm: 'test',
      client_id: 'mailpassd',
      client_secret: CLIENT_SECRET,
      connections: 16,
      password_attribute: 'mailcow_password',
      template_attribute: 'mailcow_template',
      tls: { insecure: false },
    },
    { clock, logger: silentLogger },
  )
  const watched = watchDirectory(adapter, { clock, logger: silentLogger, waitMs: 2000, record: () => {} })
  t.teardown(() => watched.close())
  const source = new FakeSource()
  const boxes = new Map<string, StoredAccount>(
    PEOPLE.map((local) => [
      nameOf(local),
      { ...resident, mailbox: { ...mailbox, username: nameOf(local), directoryId: `id-${local}` } },
    ]),
  )
  const accounts = new AccountMemory({
    source: {
      loadAccount: async ({ full }) => {
        source.calls += 1
        await source.answer()
        return boxes.get(full) ?? newcomer
      },
    },
    directory: watched,
    settings: () => settings,
    clock,
    logger: silentLogger,
    budget: new LookupBudget(options.unknownPerSecond ?? 20, {
      isKnownNetwork: (network) => options.known?.includes(network) ?? false,
    }),
    limits: {
      maxAccounts: 1000,
      storeFreshMs: 2000,
      freshMs: MINUTE,
      unknownMs: 30 * SECOND,
      waitMs: 2 * SECOND,
      staleMs: 5 * MINUTE,
      outageMs: (options.outageHours ?? 24) * HOUR,
      storeOutageMs: 15 * MINUTE,
    },
  })
  const rooms = {
    policy: openPolicy,
    accounts,
    verifier: new CredentialVerifier(new Memo(1000, clock), {
      verify: (hash, secret) =>
        hash === `{PLAIN}${secret.reveal().toString('utf8')}` ? ('match' as const) : ('mismatch' as const),
    }),
    apply: createApply({ apply: () => Promise.reject(new MailpassdError('store_unavailable', 'down')) }),
    settings: () => settings,
    clock,
  }
  const login = createLogin({
    decide: (request) => decide(request, rooms),
    policy: openPolicy,
    log: { record: () => {} },
    clock,
    logger: silentLogger,
  })
  const attempt = (name: string, password?: string, { remoteIp = '192.0.2.1' } = {}) =>
    login({
      door: 'sasl',
      mechanism: 'PLAIN',
      service: 'imap',
      username: name,
      secret: Secret.fromText(password ?? `of ${name.slice(0, name.indexOf('@'))}`),
      remoteIp,
      localIp: undefined,
      tls: true,
      sessionId: undefined,
      receivedAtMs: clock.monotonicMs(),
      deadlineMs: clock.monotonicMs() + 8 * SECOND,
    })
  const self: House = {
    clock,
    keycloak,
    source,
    users,
    fault: undefined,
    watched,
    asked: () => keycloak.count('users'),
    login: async (name, password, change) => {
      const [outcome] = await answered(clock, [attempt(name, password, change)], self)
      if (outcome === undefined) throw new Error('one attempt, one outcome')
      return outcome
    },
    logins: (names, password) =>
      answered(
        clock,
        names.map((name) => attempt(name, password)),
        self,
      ),
  }
  keycloak.misbehave = (asked, response) => {
    if (self.fault !== undefined) {
      self.fault(response)
      return true
    }
    if (asked.endpoint !== 'users') return false
    const found = users.get(emailOf(asked))
    json(response, 200, found === undefined ? [] : [found])
    return true
  }
  return self
}

/** A silent directory is waited for on the clock, any other on the wire. */
async function answered(
  clock: FakeClock,
  logins: readonly (Outcome | Promise<Outcome>)[],
  { fault }: House,
): Promise<Outcome[]> {
  const all = Promise.all(logins.map(async (login) => login))
  const isSilent = fault !== undefined && fault.length === 0
  if (!isSilent) return all
  for (let waited = 0; waited < 8; waited += 1) await clock.advance(SECOND)
  return all
}

const whys = (outcomes: readonly Outcome[]) => outcomes.map(({ why }) => why)
const verdicts = (outcomes: readonly Outcome[]) => [...new Set(outcomes.map(({ verdict }) => verdict))]
const people = PEOPLE.map(nameOf)
const nobody = NOBODY.map(nameOf)

/** Everybody logged in an hour ago, and the directory fails since: the breaker is open. */
async function inOutage(t: Test, fault: Fault, options: { outageHours?: number } = {}): Promise<House> {
  const here = await house(t, options)
  await here.logins(people)
  await here.clock.advance(HOUR)
  here.fault = fault
  await here.logins(people)
  t.not(here.watched.downBy(), undefined, 'it counts as down')
  return here
}

for (const [name, why, fault] of FAULTS) {
  t.test(
    `rule 2: ${name}, once: a record at most 5 min old answers, an older one and none do not`,
    async (t) => {
      const here = await house(t)
      await here.login('ann@example.org')
      await here.login('bob@example.org')
      await here.clock.advance(4 * MINUTE)
      await here.login('bob@example.org')
      here.fault = fault
      t.match(await here.login('ann@example.org'), { verdict: 'ok' })
      t.match(await here.login('dan@example.org'), { verdict: 'temp_fail' })
      await here.clock.advance(6 * MINUTE)
      t.match(await here.login('bob@example.org'), { verdict: 'temp_fail' })
      t.equal(here.watched.downBy(), undefined, 'single failures are no outage')
    },
  )

  t.test(
    `rule 3: ${name}, for long: who logged in before gets in at once, who did not is put off`,
    async (t) => {
      const here = await inOutage(t, fault, { outageHours: 1.05 })
      const asked = here.asked()
      const outcomes = await here.logins(people)
      t.same(verdicts(outcomes), ['ok'])
      t.ok(
        outcomes.every(({ recordAgeMs = 0 }) => recordAgeMs >= HOUR),
        'by old records',
      )
      t.ok(here.asked() - asked <= 4, 'and the directory is asked by probes alone')
      t.same(whys(await here.logins(nobody.slice(0, 2))), [why, why], 'never seen: not known')
      t.same(
        verdicts(await here.logins([...people, ...nobody], 'wrong')),
        ['temp_fail'],
        'none is called wrong',
      )
      await here.clock.advance(MINUTE)
      t.match(await here.login('ann@example.org'), { verdict: 'ok' }, 'as long as outage_hours says')
      await here.clock.advance(3 * MINUTE)
      t.match(await here.login('ann@example.org'), { verdict: 'temp_fail' }, 'and no longer')
    },
  )

  t.test(`rule 3: ${name}: it finds out by itself that the directory is back`, async (t) => {
    const here = await inOutage(t, fault)
    here.fault = undefined
    const asked = here.asked()
    await here.clock.advance(SECOND)
    await here.keycloak.untilAsked('users', asked + 1)
    while (here.watched.downBy() !== undefined) await here.clock.advance(100)
    t.match(await here.login('ann@example.org'), { verdict: 'ok' })
    t.match(await here.login('nora@example.org'), { verdict: 'user_unknown' })
  })

  t.test(`rule 4: ${name} while a wrong password is held against the directory: put off`, async (t) => {
    const here = await house(t)
    await here.login('ann@example.org')
    await here.login('nora@example.org', 'wrong')
    await here.clock.advance(3 * SECOND)
    here.fault = fault
    t.match(await here.login('ann@example.org', 'wrong'), { verdict: 'temp_fail', why: 'reread_failed' })
    t.match(await here.login('nora@example.org', 'wrong'), { verdict: 'temp_fail', why: 'reread_failed' })
    t.match(await here.login('ann@example.org'), { verdict: 'ok' }, 'the right one gets in')
  })

  t.test(`rule 7: ${name}: that nobody had a name says nothing any more`, async (t) => {
    const here = await inOutage(t, fault)
    t.same(verdicts(await here.logins(nobody, 'wrong')), ['temp_fail'])
  })
}

t.test(
  'rule 3: Keycloak stopped for an hour: known users in, unknown ones put off, none is called wrong',
  async (t) => {
    const here = await house(t)
    await here.logins(people)
    await here.keycloak.stop()
    await here.clock.advance(MINUTE)
    await here.logins(people)
    for (let minute = 0; minute < 60; minute += 1) {
      await here.clock.advance(MINUTE)
      t.same(verdicts(await here.logins(people)), ['ok'], `known, minute ${minute}`)
      t.same(verdicts(await here.logins(nobody)), ['temp_fail'], `unknown, minute ${minute}`)
      t.same(verdicts(await here.logins(people, 'wrong')), ['temp_fail'])
    }
  },
)

t.test('rule 3: outage_hours = 0: as when a single call fails', async (t) => {
  const here = await inOutage(t, answer(500, 'text/plain', ''), { outageHours: 0 })
  t.match(await here.login('ann@example.org'), { verdict: 'temp_fail', why: 'directory_down' })
})

t.test('rule 3: one name that fails again and again is no outage', async (t) => {
  const here = await house(t)
  here.fault = answer(500, 'text/plain', '')
  for (let i = 0; i < 20; i += 1) await here.login('ann@example.org')
  t.equal(here.watched.downBy(), undefined)
})

t.test(
  'rule 4: a password changed in Keycloak counts at once; the old one until the record is renewed',
  async (t) => {
    const here = await house(t)
    await here.login('ann@example.org')
    await here.clock.advance(3 * SECOND)
    here.users.set(
      'ann@example.org',
      user({ id: 'id-ann', email: 'ann@example.org', attributes: { mailcow_password: ['{PLAIN}new'] } }),
    )
    t.match(await here.login('ann@example.org'), { verdict: 'ok' })
    t.match(await here.login('ann@example.org', 'new'), { verdict: 'ok' })
    t.match(await here.login('ann@example.org'), { verdict: 'password_mismatch' })
  },
)

t.test('rule 4: one look-up in 30 s for a name, existing or not', async (t) => {
  for (const name of ['ann@example.org', 'nora@example.org']) {
    const here = await house(t)
    await here.login(name, 'wrong')
    await here.clock.advance(3 * SECOND)
    const asked = here.asked()
    for (let i = 0; i < 9; i += 1) {
      t.not((await here.login(name, `wrong ${i}`)).verdict, 'temp_fail')
      await here.clock.advance(3 * SECOND)
    }
    t.equal(here.asked(), asked + 1, name)
  }
})

t.test(
  'rule 4: 20 a second over all; beyond it every name is put off, and right passwords are let in',
  async (t) => {
    const here = await house(t, { unknownPerSecond: 1000 })
    const many = Array.from({ length: 30 }, (_, i) => `n${i}@example.org`)
    for (const name of [...many, ...people]) await here.login(name)
    await here.clock.advance(3 * SECOND)
    for (const name of many) await here.login(name, 'wrong')
    const outcomes = [...(await here.logins(nobody, 'wrong')), ...(await here.logins(people, 'wrong'))]
    t.same([...new Set(whys(outcomes))], ['reread_refused'])
    t.same(verdicts(await here.logins(people)), ['ok'])
    await here.clock.advance(SECOND)
    t.match(await here.login('ann@example.org', 'wrong'), { verdict: 'password_mismatch' })
  },
)

t.test(
  'rule 6: disabled or deleted counts when the record is renewed, by a wrong attempt at once',
  async (t) => {
    const here = await house(t)
    await here.logins(people)
    here.users.set('ann@example.org', { ...here.users.get('ann@example.org'), enabled: false })
    here.users.delete('bob@example.org')
    await here.clock.advance(61 * SECOND)
    t.match(await here.login('ann@example.org'), { verdict: 'user_disabled', why: 'directory_disabled' })
    t.match(await here.login('bob@example.org'), { verdict: 'user_disabled', why: 'directory_user_gone' })
  },
)

t.test('rule 7: made-up names reach the directory no faster than the budget of their network', async (t) => {
  const here = await house(t)
  const outcomes: Outcome[] = []
  for (let i = 0; i < 200; i += 1) outcomes.push(await here.login(`made-up-${i}@example.org`))
  t.equal(here.asked(), 60, 'what a network has saved')
  t.same([...new Set(whys(outcomes.slice(60)))], ['lookups_spent'])
  t.match(
    await here.login('ann@example.org', 'wrong'),
    { why: 'lookups_spent' },
    'a wrong password looks the same',
  )
  t.match(await here.login('ann@example.org'), { verdict: 'ok' }, 'a right one is let in')
  t.match(await here.login('made-up-x@example.org', 'x', { remoteIp: '198.51.100.1' }), {
    verdict: 'user_unknown',
  })
})

t.test('rule 7: a quarter is kept for networks that somebody logged in from', async (t) => {
  const here = await house(t, { known: ['203.0.113.0/24'] })
  for (let i = 0; i < 200; i += 1)
    await here.login(`made-up-${i}@example.org`, 'x', { remoteIp: `198.51.${i}.1` })
  t.equal(here.asked(), 75)
  t.match(await here.login('other@example.org', 'x', { remoteIp: '192.0.2.9' }), { why: 'lookups_spent' })
  t.match(await here.login('other@example.org', 'x', { remoteIp: '203.0.113.9' }), {
    verdict: 'user_unknown',
  })
})

t.test('rule 8: a hash that is gone: hidden by the realm, or taken away', async (t) => {
  const here = await house(t)
  await here.logins(people)
  const bare = (local: string) =>
    here.users.set(nameOf(local), user({ id: `id-${local}`, email: nameOf(local), attributes: {} }))
  for (const local of PEOPLE) bare(local)
  here.keycloak.profile = HIDING
  await here.clock.advance(61 * SECOND)
  t.same(verdicts(await here.logins(people)), ['ok'], 'hidden: the old hashes serve')
  here.keycloak.profile = PROFILE
  await here.clock.advance(61 * SECOND)
  t.match(await here.login('ann@example.org'), { verdict: 'user_disabled', why: 'no_hash' })
})

t.test('rule 9: two users match: put off, unless the mailbox is known to be of one', async (t) => {
  const here = await house(t)
  const twins = (local: string) => [
    here.users.get(nameOf(local)),
    user({ id: 'id-twin', email: nameOf(local) }),
  ]
  here.keycloak.misbehave = (asked, response) => {
    if (asked.endpoint !== 'users') return false
    const email = emailOf(asked)
    json(
      response,
      200,
      email === 'ann@example.org' ? twins('ann') : [user({ id: 'a', email }), user({ id: 'b', email })],
    )
    return true
  }
  t.match(await here.login('ann@example.org'), { verdict: 'ok' })
  t.match(await here.login('bob@example.org'), { verdict: 'temp_fail', why: 'directory_ambiguous' })
  here.keycloak.misbehave = (asked, response) => {
    if (asked.endpoint !== 'users') return false
    json(response, 200, [user({ id: 'c', email: 'other@example.org' })])
    return true
  }
  t.match(await here.login('cat@example.org'), { verdict: 'temp_fail', why: 'directory_email_differs' })
})

t.test('rule 13: the database down: known rows serve, for a while; nothing else is known', async (t) => {
  const here = await house(t)
  await here.logins(people)
  await here.clock.advance(MINUTE)
  here.source.answer = () => Promise.reject(new MailpassdError('store_unavailable', 'down'))
  t.same(verdicts(await here.logins(people)), ['ok'])
  t.same([...new Set(whys(await here.logins([...people, ...nobody], 'wrong')))], ['store_down'])
  await here.clock.advance(15 * MINUTE)
  t.match(await here.login('ann@example.org'), { verdict: 'temp_fail', why: 'store_down' })
  here.source.answer = () => Promise.resolve(newcomer)
  t.match(await here.login('ann@example.org'), { verdict: 'ok' })
})

t.test(
  'known and unknown names: equal verdicts with the directory up, down, and the budgets spent',
  async (t) => {
    const both = async (here: House) => {
      const known = verdicts(await here.logins(people, 'wrong'))
      const unknown = verdicts(await here.logins(nobody, 'wrong'))
      return { known, unknown }
    }
    const up = await house(t)
    t.same(
      await both(up),
      { known: ['password_mismatch'], unknown: ['user_unknown'] },
      'both a FAIL, both 401',
    )
    const down = await inOutage(t, answer(500, 'text/plain', ''))
    t.same(await both(down), { known: ['temp_fail'], unknown: ['temp_fail'] })
    const spent = await house(t)
    for (let i = 0; i < 60; i += 1) await spent.login(`made-up-${i}@example.org`)
    t.same(await both(spent), { known: ['temp_fail'], unknown: ['temp_fail'] })
  },
)
