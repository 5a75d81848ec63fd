/**
 * Guessing through our own doors, with the whole way of a login behind them and an hour of a clock that is moved: how many
 * hashes are compared, and that nobody can tell a mailbox from a name that is none.
 */
import t from 'tap'
import { AccountMemory } from '../../src/account/accounts.ts'
import type { AccountSource } from '../../src/account/stored.ts'
import type { HashAnswer, HashVerifier } from '../../src/credential/hash-verifier.ts'
import { Memo } from '../../src/credential/memo.ts'
import { CredentialVerifier } from '../../src/credential/verify.ts'
import { createAuthApp } from '../../src/door/http/auth-app.ts'
import { decide } from '../../src/login/decide.ts'
import { createLogin } from '../../src/login/login.ts'
import type { Secret } from '../../src/secret.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { jane, newcomer, profile, resident, settings } from '../fakes/accounts.ts'
import { guard, JANE } from '../policy/guard.ts'
import { Rig } from './dovecot-auth/rig.ts'
import { tokens, TOKENS } from './http/fixtures.ts'

const NOBODY = 'john@example.org'
const HOUR_MS = 60 * 60 * 1000

class CountingPool implements HashVerifier {
  compared = 0

  verify(hash: string, secret: Secret): Promise<HashAnswer> {
    this.compared += 1
    return Promise.resolve(hash === `{PLAIN}${secret.reveal().toString('utf8')}` ? 'match' : 'mismatch')
  }
}

/** jane@example.org has a mailbox and a directory user, other names of the domain have neither. */
function house() {
  const { clock, policy } = guard()
  const source: AccountSource = {
    loadAccount: ({ full }) => Promise.resolve(full === JANE ? resident : newcomer),
  }
  const directory = {
    findByEmail: (email: string) =>
      Promise.resolve(email === JANE ? { kind: 'found' as const, user: jane } : { kind: 'absent' as const }),
    profile: () => Promise.resolve(profile),
    downBy: () => undefined,
  }
  const accounts = new AccountMemory({
    source,
    directory,
    settings: () => settings,
    clock,
    logger: silentLogger,
    limits: {
      maxAccounts: 1000,
      storeFreshMs: 2000,
      freshMs: 60_000,
      unknownMs: 30_000,
      waitMs: 2000,
      staleMs: 300_000,
      outageMs: 86_400_000,
      storeOutageMs: 900_000,
    },
  })
  const pool = new CountingPool()
  const rooms = {
    policy,
    accounts,
    verifier: new CredentialVerifier(new Memo(1000, clock), pool),
    apply: () => Promise.reject(new Error('nothing is to be written')),
    settings: () => settings,
    clock,
  }
  const login = createLogin({
    decide: (request) => decide(request, rooms),
    policy,
    log: { record() {} },
    clock,
    logger: silentLogger,
  })

  const rig = new Rig({ login: () => 'later', failureDelayMs: 2000 })
  rig.nowMs = clock.monotonicMs()
  rig.send('VERSION\t1\t2\nCPID\t1\n')
  let id = 0

  /** The answer over SASL, and how long after the request it left. */
  async function sasl(name: string, password: string, ip: string) {
    rig.nowMs = clock.monotonicMs()
    id += 1
    const response = Buffer.from(`\0${name}\0${password}`).toString('base64')
    rig.send(`AUTH\t${id}\tPLAIN\tservice=smtp\trip=${ip}\tresp=${response}\n`)
    const request = rig.requests[id - 1]
    if (request === undefined) throw new Error('login was not asked')
    const before = rig.output.length
    rig.answer(id - 1, await login(request))
    let waitedMs = 0
    while (rig.output.length === before && waitedMs < 9000) {
      rig.advance(100)
      waitedMs += 100
    }
    return { line: rig.output.slice(before), waitedMs }
  }

  const app = createAuthApp({
    login,
    userdb: async () => ({ kind: 'absent' }),
    authPolicy: { allow: () => true, report: () => {} },
    sogoNetworks: [],
    tokens: tokens(),
    compatNetworks: [],
    clock,
    logger: silentLogger,
  })

  async function post(url: string, payload: Record<string, unknown>) {
    const answer = await app.inject({
      method: 'POST',
      url,
      headers: { authorization: `Bearer ${TOKENS.login}` },
      payload,
    })
    return { status: answer.statusCode, headers: { ...answer.headers, date: '' }, body: answer.body }
  }

  /** The answer of mailcow's route, whole but for the date. */
  const mailcow = (username: string, password: string, ip: string) =>
    post('/', { username, password, service: 'imap', real_rip: ip })

  /**
   * As our Lua tells it to a client: a name that is none is a wrong password. The mail server, which has a token, is told
   * by the body which it was.
   */
  async function http(username: string, password: string, ip: string) {
    const { status, headers, body } = await post('/v1/login', {
      username,
      password,
      service: 'imap',
      remote_ip: ip,
    })
    return {
      status,
      headers: { ...headers, 'content-length': '' },
      body: body.replace('user_unknown', 'password_mismatch'),
    }
  }

  return { clock, pool, sasl, http, mailcow, close: () => app.close() }
}

const ipOf = (index: number, networks: number) =>
  `10.${(index % networks) >> 8}.${(index % networks) & 255}.7`

t.test('1,000 guesses an hour at one mailbox: 10 comparisons from one network, 50 from 1,000', async (t) => {
  for (const [networks, bound] of [
    [1, 10],
    [1000, 50],
  ] as const) {
    const { clock, pool, sasl, close } = house()
    t.match(await sasl(JANE, 'right', '198.51.100.7'), { line: /^OK\t/, waitedMs: 0 }, 'the owner, at home')
    const before = pool.compared
    for (let index = 0; index < 1000; index += 1) {
      await sasl(JANE, `guess ${index}`, ipOf(index, networks))
      await clock.advance(HOUR_MS / 1000 - 1)
    }
    t.equal(pool.compared - before, bound, `from ${networks}`)
    t.match(await sasl(JANE, 'right', '203.0.113.7'), {
      line: networks === 1 ? /^OK\t/ : /^FAIL\t\d+\tuser=[^\t]+\tcode=temp_fail\n$/,
    })
    t.match(await sasl(JANE, 'right', '198.51.100.9'), { line: /^OK\t/, waitedMs: 0 }, 'the owner gets in')
    t.match(await sasl(JANE, 'a slip', '198.51.100.9'), { line: /^FAIL\t/, waitedMs: 2000 }, 'and may slip')
    await close()
  }
})

t.test(
  '2,000 attempts each at a mailbox and at a name that is none: the same bytes, at the same time',
  async (t) => {
    for (const door of ['sasl', 'http', 'mailcow'] as const) {
      const [one, other] = [house(), house()]
      const kinds = new Map<string, number>()
      let different = 0
      for (let index = 0; index < 2000; index += 1) {
        // Some passwords come again, some networks are full, some hours go by.
        const [password, ip] = [`guess ${(index * 7) % 400}`, ipOf(index * 3, 1 + (index % 90))]
        const mailbox = JSON.stringify(await one[door](JANE, password, ip)).replaceAll(JANE, '(name)')
        const name = JSON.stringify(await other[door](NOBODY, password, ip)).replaceAll(NOBODY, '(name)')
        if (mailbox !== name) different += 1
        const kind = mailbox.replaceAll(/\d+/g, '0')
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
        await Promise.all([one.clock.advance(20_000), other.clock.advance(20_000)])
      }
      t.equal(different, 0, door)
      t.equal(kinds.size, 2, 'refused and throttled were among them')
      await Promise.all([one.close(), other.close()])
    }
  },
)
