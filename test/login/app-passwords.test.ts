/** Logins with app passwords: which rows are compared, and what is told of the one that matched. */
import t from 'tap'
import { AccountMemory } from '../../src/account/accounts.ts'
import {
  MAX_UNTAGGED,
  type OwnAppPassword,
  type StoredAccount,
  type StoredAppPassword,
} from '../../src/account/stored.ts'
import type { HashAnswer, HashVerifier } from '../../src/credential/hash-verifier.ts'
import { Memo } from '../../src/credential/memo.ts'
import { CredentialVerifier } from '../../src/credential/verify.ts'
import type { DirectoryUser } from '../../src/directory/user.ts'
import { decide } from '../../src/login/decide.ts'
import type { Outcome } from '../../src/login/outcome.ts'
import type { LoginRequest } from '../../src/login/request.ts'
import { createApply } from '../../src/mailbox/apply.ts'
import type { Change, MailboxWriter } from '../../src/mailbox/change.ts'
import { openPolicy } from '../../src/policy/policy.ts'
import { Secret } from '../../src/secret.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeDirectory, FakeSource, jane, mailbox, resident, settings } from '../fakes/accounts.ts'
import { FakeClock } from '../fakes/clock.ts'

const DAY_MS = 86_400_000
const NOW_MS = new FakeClock().nowMs()

/** Compares `{PLAIN}` text, when `held` lets it, and keeps what it was asked. */
class CountingPool implements HashVerifier {
  compared: string[] = []
  held: Promise<void> | undefined

  verify(hash: string, secret: Secret): HashAnswer | Promise<HashAnswer> {
    this.compared.push(hash)
    const { held } = this
    if (held !== undefined)
      return held.then(() => (hash === `{PLAIN}${secret.reveal().toString('utf8')}` ? 'match' : 'mismatch'))
    if (hash === '{BUSY}') return 'busy'
    if (hash === '{BAD}') return { unusable: 'a bad scheme' }
    return Promise.resolve(hash === `{PLAIN}${secret.reveal().toString('utf8')}` ? 'match' : 'mismatch')
  }
}

interface Situation {
  readonly appPasswords: readonly StoredAppPassword[]
  readonly stored?: Partial<StoredAccount>
  readonly user?: Partial<DirectoryUser>
}

function house({ appPasswords, stored, user }: Situation) {
  const clock = new FakeClock()
  const source = new FakeSource()
  source.stored = { ...resident, ...stored, appPasswords }
  const directory = new FakeDirectory()
  directory.answer = () => Promise.resolve({ kind: 'found', user: { ...jane, ...user } })
  const limits = {
    maxAccounts: 100,
    storeFreshMs: 2e3,
    freshMs: 6e4,
    unknownMs: 3e4,
    waitMs: 2e3,
    staleMs: 3e5,
    outageMs: 86_400_000,
    storeOutageMs: 900_000,
  }
  const accounts = new AccountMemory({
    source,
    directory,
    settings: () => settings,
    clock,
    logger: silentLogger,
    limits,
  })
  const pool = new CountingPool()
  const written: Change[] = []
  /** Rows as they are when the writer looks at them under its lock. */
  const under = { stored: undefined as StoredAccount | undefined }
  const writer: MailboxWriter = {
    async apply(_address, plan) {
      const planned = plan(under.stored ?? source.stored)
      if (planned.kind === 'refused') return planned
      written.push(...planned.changes)
      return { kind: 'done', made: false }
    },
  }
  const verifier = new CredentialVerifier(new Memo(1000, clock), pool)
  const rooms = {
    policy: openPolicy,
    accounts,
    verifier,
    apply: createApply(writer),
    settings: () => settings,
    clock,
  }
  const login = async (password: string, request: Partial<LoginRequest> = {}): Promise<Outcome> =>
    decide(
      {
        door: 'sasl',
        mechanism: 'PLAIN',
        service: 'imap',
        username: 'jane@example.org',
        secret: Secret.fromText(password),
        remoteIp: '192.0.2.1',
        localIp: undefined,
        tls: true,
        sessionId: undefined,
        receivedAtMs: clock.monotonicMs(),
        deadlineMs: clock.monotonicMs() + 8000,
        ...request,
      },
      rooms,
    )
  return { clock, source, directory, accounts, pool, written, under, login }
}

const PASSWORD = 'k7m2xp-4h3t-9wqe-mn5c-bz8r-2vya'
const own: OwnAppPassword = {
  tag: 'k7m2xp',
  directoryId: 'id-jane',
  networks: [],
  createdMs: NOW_MS - 10 * DAY_MS,
  expiresMs: undefined,
  unusedDays: undefined,
  revokedMs: undefined,
}
const ours: StoredAppPassword = {
  id: 7,
  hash: `{PLAIN}${PASSWORD}`,
  services: new Set(['imap', 'smtp']),
  active: true,
  own,
  lastUsedMs: undefined,
}
const php = (id: number, password: string, change: Partial<StoredAppPassword> = {}): StoredAppPassword => ({
  id,
  hash: `{PLAIN}${password}`,
  services: new Set(['imap'] as const),
  active: true,
  own: undefined,
  lastUsedMs: undefined,
  ...change,
})
const tagOf = (id: number) =>
  String(id + 100_000).replace(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit)))
const thousandOfOurs = Array.from({ length: 1000 }, (_, at): StoredAppPassword => ({
  ...ours,
  id: 1000 - at,
  hash: `{PLAIN}${tagOf(1000 - at)}-4h3t-9wqe-mn5c-bz8r-2vya`,
  own: { ...own, tag: tagOf(1000 - at) },
}))
const thousandOfPhp = Array.from({ length: 1000 }, (_, at) => php(1000 - at, `device ${1000 - at}`))

t.test('one of 1,000 of ours costs one comparison, warm none', async (t) => {
  const { login, pool } = house({ appPasswords: thousandOfOurs })
  const password = `${tagOf(5)}-4h3t-9wqe-mn5c-bz8r-2vya`
  t.match(await login(password), { verdict: 'ok', credential: 'app:5' })
  t.same(pool.compared, [`{PLAIN}${password}`])
  t.match(await login(password), { verdict: 'ok', credential: 'app:5' })
  t.match(await login(password.toUpperCase().replaceAll('-', ' ')), { verdict: 'ok' }, 'typed otherwise')
  t.equal(pool.compared.length, 1)
})

t.test('a wrong one with a known tag: that row and the main password, then remembered', async (t) => {
  const { login, pool } = house({ appPasswords: thousandOfOurs })
  const password = `${tagOf(5)}-4h3t-9wqe-mn5c-bz8r-2vyb`
  for (let tries = 0; tries < 3; tries += 1)
    t.match(await login(password), {
      verdict: 'password_mismatch',
      why: 'app_password_differs',
      credential: undefined,
    })
  t.same(pool.compared, [`{PLAIN}${tagOf(5)}-4h3t-9wqe-mn5c-bz8r-2vya`, '{PLAIN}right'])
})

t.test('a main password of the same form opens, as it is and not as it could be read', async (t) => {
  const main = 'K7M2XP 4H3T 9WQE MN5C BZ8R 2VYB'
  const { login } = house({ appPasswords: [ours], user: { hashes: [`{PLAIN}${main}`] } })
  t.match(await login(main), { verdict: 'ok', credential: 'main' })
  t.match(await login(main.toLowerCase()), { why: 'app_password_differs' })
  const both = house({ appPasswords: [ours], user: { hashes: [`{PLAIN}${PASSWORD}`] } })
  t.match(await both.login(PASSWORD), { verdict: 'ok', credential: 'app:7' })
})

t.test('a password without a known tag is not compared with ours', async (t) => {
  const { login, pool } = house({ appPasswords: [...thousandOfOurs, php(2000, 'device')] })
  t.match(await login('wrong'), { verdict: 'password_mismatch', why: 'hash_differs' })
  t.match(await login('zzzzzz-4h3t-9wqe-mn5c-bz8r-2vya'), { why: 'hash_differs' }, 'a tag of nobody')
  t.same(pool.compared, ['{PLAIN}device', '{PLAIN}right', '{PLAIN}device', '{PLAIN}right'])
  t.match(await login('device'), { verdict: 'ok', credential: 'app:2000' })
})

t.test('only ours, and nothing else to compare with: a wrong password is wrong', async (t) => {
  const { login, pool } = house({
    appPasswords: [{ ...ours, own: { ...own, directoryId: undefined } }],
    stored: { mailbox: { ...mailbox, authsource: 'ldap', directoryId: undefined } },
  })
  t.match(await login('wrong'), { verdict: 'password_mismatch', why: 'hash_differs' })
  t.equal(pool.compared.length, 0)
  t.match(await login(PASSWORD), { verdict: 'ok', credential: 'app:7' })
})

t.test('of 1,000 made elsewhere 20 are compared, last used first', async (t) => {
  const rows = thousandOfPhp.map((row) => (row.id === 3 ? { ...row, lastUsedMs: NOW_MS } : row))
  const { login, pool, source, clock } = house({ appPasswords: rows })
  t.match(await login('device 3'), { verdict: 'ok', credential: 'app:3' })
  t.same(pool.compared, ['{PLAIN}device 3'])
  t.match(
    await login('device 982'),
    { verdict: 'ok', credential: 'app:982' },
    'the newest, where none was used',
  )
  pool.compared = []
  t.match(await login('right'), { verdict: 'ok', credential: 'main' }, 'the main password all the same')
  t.equal(pool.compared.length, MAX_UNTAGGED + 1)
  pool.compared = []
  for (let tries = 0; tries < 3; tries += 1)
    t.match(await login('wrong'), { verdict: 'temp_fail', why: 'too_many_app_passwords' })
  t.equal(pool.compared.length, MAX_UNTAGGED + 1, 'remembered')
  t.match(await login('device 5'), { verdict: 'temp_fail', why: 'too_many_app_passwords' })
  source.stored = {
    ...source.stored,
    appPasswords: rows.map((row) => (row.id === 5 ? { ...row, lastUsedMs: NOW_MS } : row)),
  }
  await clock.advance(2001)
  t.match(await login('device 5'), { verdict: 'ok' }, 'what was not compared is not remembered as wrong')
})

t.test('exactly 20 made elsewhere are all compared', async (t) => {
  const { login, pool } = house({ appPasswords: thousandOfPhp.slice(0, MAX_UNTAGGED) })
  t.match(await login('wrong'), { verdict: 'password_mismatch', why: 'hash_differs' })
  t.equal(pool.compared.length, MAX_UNTAGGED + 1)
})

t.test('too many, and none of the 20 can be compared: nothing is said of the password', async (t) => {
  const rows = thousandOfPhp.map((row) => ({ ...row, hash: '{BAD}' }))
  const { login } = house({ appPasswords: rows, user: { hashes: [] } })
  t.match(await login('wrong'), { verdict: 'temp_fail', why: 'too_many_app_passwords' })
})

type Row = [
  name: string,
  row: Partial<Omit<StoredAppPassword, 'own'>> & { readonly own?: Partial<OwnAppPassword> },
  expected: Partial<Outcome>,
  request?: Partial<LoginRequest>,
]
const REVOKED = { verdict: 'user_disabled', why: 'app_password_revoked', credential: 'app:7' } as const
const EXPIRED = { verdict: 'pass_expired', why: 'app_password_expired', credential: 'app:7' } as const
const UNUSED = { verdict: 'pass_expired', why: 'app_password_unused', credential: 'app:7' } as const
const NETWORK = { verdict: 'service_denied', why: 'app_password_network', credential: 'app:7' } as const
const OTHER = { verdict: 'user_disabled', why: 'app_password_other_identity' } as const
const OK = { verdict: 'ok', credential: 'app:7' } as const

const GATE: readonly Row[] = [
  ['as it was made', {}, OK],
  ['before its date', { own: { expiresMs: NOW_MS + 1 } }, OK],
  ['at its date', { own: { expiresMs: NOW_MS } }, EXPIRED],
  ['past it, and switched off by the sweep', { own: { expiresMs: NOW_MS - 1 }, active: false }, EXPIRED],
  ['past it, and switched on again by somebody', { own: { expiresMs: NOW_MS - 1 } }, EXPIRED],
  ['never used, in its days', { own: { unusedDays: 11 } }, OK],
  ['never used, past its days', { own: { unusedDays: 10 } }, UNUSED],
  ['used since', { own: { unusedDays: 3 }, lastUsedMs: NOW_MS - 2 * DAY_MS }, OK],
  ['used too long ago', { own: { unusedDays: 3 }, lastUsedMs: NOW_MS - 3 * DAY_MS }, UNUSED],
  ['revoked', { own: { revokedMs: NOW_MS - 1 }, active: false }, REVOKED],
  ['revoked, and switched on again by somebody', { own: { revokedMs: NOW_MS - 1 } }, REVOKED],
  ['revoked and expired', { own: { revokedMs: 1, expiresMs: 1 } }, REVOKED],
  ['switched off', { active: false }, { verdict: 'user_disabled', why: 'app_password_off' }],
  ['of the user before', { own: { directoryId: 'id-before' } }, OTHER],
  ['of no directory user', { own: { directoryId: undefined } }, OK],
  ['another protocol', {}, { verdict: 'service_denied', why: 'service_closed' }, { service: 'pop3' }],
  ['inside its network', { own: { networks: ['198.51.100.0/24', '192.0.2.0/24'] } }, OK],
  ['outside', { own: { networks: ['198.51.100.0/24'] } }, NETWORK],
  ['from nowhere known', { own: { networks: ['0.0.0.0/0', '::/0'] } }, NETWORK, { remoteIp: undefined }],
  ['IPv4-mapped', { own: { networks: ['192.0.2.0/24'] } }, OK, { remoteIp: '::ffff:192.0.2.1' }],
  ['IPv6', { own: { networks: ['2001:db8::/32'] } }, OK, { remoteIp: '2001:db8::1' }],
]

t.test('what is told of an app password that matched', async (t) => {
  for (const [name, change, expected, request] of GATE) {
    const row = { ...ours, ...change, own: { ...own, ...change.own } }
    const { login, written } = house({ appPasswords: [row] })
    t.match(await login(PASSWORD, request), expected, name)
    t.match(
      await login(PASSWORD.replace('vya', 'vyb'), request),
      { verdict: 'password_mismatch', why: 'app_password_differs' },
      `${name}: nothing is told to who does not have it`,
    )
    t.equal(written.length, 0)
  }
})

t.test('an app password of the user before opens nothing, and binds nobody, after a rebind', async (t) => {
  const unbound = { mailbox: { ...mailbox, directoryId: undefined } }
  const before = { ...ours, own: { ...own, directoryId: 'id-before' } }
  const { login, written } = house({ appPasswords: [before], stored: unbound })
  t.match(await login(PASSWORD), { verdict: 'user_disabled', why: 'app_password_other_identity' })
  t.same(written, [])
  const same = house({ appPasswords: [ours], stored: unbound })
  t.match(await same.login(PASSWORD), { verdict: 'ok' }, 'the directory says it is the same user')
  t.match(same.written, [{ kind: 'bind_identity', directoryId: 'id-jane' }])
})

t.test('an app password revoked under the login is refused by the rows as they are then', async (t) => {
  const stored = { mailbox: { ...mailbox, directoryId: undefined } }
  const { login, under, source, written } = house({ appPasswords: [ours], stored })
  const revoked = { ...ours, active: false, own: { ...own, revokedMs: NOW_MS } }
  under.stored = { ...source.stored, appPasswords: [revoked] }
  t.match(await login(PASSWORD), { verdict: 'user_disabled', why: 'app_password_revoked' })
  t.same(written, [])
})

t.test('an expiry that passes counts without anybody reading rows again', async (t) => {
  const row = { ...ours, own: { ...own, expiresMs: NOW_MS + 1000 } }
  const { login, clock } = house({ appPasswords: [row] })
  t.match(await login(PASSWORD), { verdict: 'ok' })
  await clock.advance(1000)
  t.match(await login(PASSWORD), { verdict: 'pass_expired', why: 'app_password_expired' })
})

t.test('what happens to an account while a login waits for its comparison counts', async (t) => {
  const revoked = { ...ours, active: false, own: { ...own, revokedMs: NOW_MS } }
  const situations: readonly (readonly [string, Partial<StoredAccount>, Partial<Outcome>])[] = [
    ['revoked', { appPasswords: [revoked] }, { verdict: 'user_disabled', why: 'app_password_revoked' }],
    ['locked', { lock: { untilMs: undefined } }, { verdict: 'user_disabled', why: 'locked' }],
    ['deleted', { appPasswords: [] }, { verdict: 'password_mismatch' }],
    ['switched off', { mailbox: { ...mailbox, active: 0 } }, { why: 'mailbox_inactive' }],
    ['nothing', {}, { verdict: 'ok', credential: 'app:7' }],
  ]
  for (const [name, change, expected] of situations) {
    for (const [how, waitMs] of [
      ['by the age of the rows', 2001],
      ['told', 0],
    ] as const) {
      const { login, source, accounts, clock, pool } = house({ appPasswords: [ours] })
      const { promise, resolve } = Promise.withResolvers<void>()
      pool.held = promise
      const waiting = login(PASSWORD)
      await clock.advance(1)
      source.stored = { ...source.stored, ...change }
      if (waitMs === 0) accounts.changed({ kind: 'mailbox', address: 'jane@example.org' })
      await clock.advance(waitMs)
      resolve()
      t.match(await waiting, expected, `${name}, ${how}`)
      t.match(await login(PASSWORD), expected, `${name}: the next one`)
    }
  }
})
