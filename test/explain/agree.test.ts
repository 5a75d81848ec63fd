/**
 * explain against decide: whatever the situation, what explain says of a credential is what a login with its password
 * comes to, reason and all; and nothing is written by asking.
 */
import fc from 'fast-check'
import t from 'tap'
import { AccountMemory } from '../../src/account/accounts.ts'
import type { StoredAccount } from '../../src/account/stored.ts'
import { Memo } from '../../src/credential/memo.ts'
import { CredentialVerifier } from '../../src/credential/verify.ts'
import { MailpassdError } from '../../src/errors.ts'
import { createExplain } from '../../src/explain/explain.ts'
import { parseAddress } from '../../src/login/address.ts'
import { decide } from '../../src/login/decide.ts'
import { createLogin } from '../../src/login/login.ts'
import type { Outcome, Why } from '../../src/login/outcome.ts'
import { createApply } from '../../src/mailbox/apply.ts'
import type { Applied, MailboxWriter, Plan } from '../../src/mailbox/change.ts'
import { createPasswordPool } from '../../src/password/pool.ts'
import { openPolicy } from '../../src/policy/policy.ts'
import { Secret } from '../../src/secret.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeDirectory, FakeSource } from '../fakes/accounts.ts'
import { FakeClock } from '../fakes/clock.ts'
import { situations, type Situation } from './situations.ts'

class CountingWriter implements MailboxWriter {
  writes = 0
  readonly #stored: StoredAccount

  constructor(stored: StoredAccount) {
    this.#stored = stored
  }

  async apply(_address: unknown, plan: (stored: StoredAccount) => Plan): Promise<Applied> {
    await Promise.resolve()
    const planned = plan(this.#stored)
    if (planned.kind === 'refused') return planned
    this.writes += 1
    return { kind: 'done', made: planned.changes.some(({ kind }) => kind === 'make_mailbox') }
  }
}

/** What fails since a moment ago, after everything was known. */
type Outage = 'none' | 'directory' | 'store'

/** The rooms in this situation, untouched by any other login. */
async function house(situation: Situation, outage: Outage) {
  const clock = new FakeClock()
  const source = new FakeSource()
  const { stored, storeFails, lookup } = situation
  source.answer = () =>
    storeFails === undefined
      ? Promise.resolve(stored)
      : Promise.reject(new MailpassdError(storeFails, 'as generated'))
  const directory = new FakeDirectory()
  directory.answer = () =>
    typeof lookup === 'string'
      ? Promise.reject(new MailpassdError(lookup, 'as generated'))
      : Promise.resolve(lookup)
  directory.profileAnswer = situation.profile
  const settings = () => situation.settings
  const limits = {
    maxAccounts: 100,
    storeFreshMs: 2000,
    freshMs: 60_000,
    unknownMs: 30_000,
    waitMs: 2000,
    staleMs: 300_000,
    outageMs: 86_400_000,
    storeOutageMs: 900_000,
  }
  const accounts = new AccountMemory({ source, directory, settings, clock, logger: silentLogger, limits })
  const { allowWeak } = situation
  const pool = createPasswordPool({ allowWeak, argon2MemoryMib: 64, workers: 1, clock })
  const writer = new CountingWriter(stored)
  const verifier = new CredentialVerifier(new Memo(1000, clock), pool)
  const rooms = { policy: openPolicy, accounts, verifier, apply: createApply(writer), settings, clock }
  const login = createLogin({
    decide: (request) => decide(request, rooms),
    policy: openPolicy,
    log: { record: () => {} },
    clock,
    logger: silentLogger,
  })
  const explain = createExplain({
    policy: openPolicy,
    accounts,
    settings,
    hashes: pool,
    names: { appPasswordNames: async () => new Map() },
    log: { readLogins: async () => [] },
    heldTurn: () => undefined,
    pendingOf: () => [],
    clock,
    logger: silentLogger,
  })
  const address = parseAddress(situation.name)
  if (outage !== 'none' && address !== undefined) {
    await Promise.resolve(accounts.get(address)).catch(() => undefined)
    await clock.advance(61_000)
    if (outage === 'store')
      source.answer = () => Promise.reject(new MailpassdError('store_unavailable', 'as generated'))
    else directory.down = 'directory_unavailable'
  }
  const asked = {
    name: situation.name,
    service: situation.service,
    door: situation.door,
    remoteIp: situation.remoteIp,
  }
  return {
    writer,
    explain: () => explain(asked),
    login: async (password: string): Promise<Outcome> =>
      login({
        door: situation.door,
        mechanism: 'PLAIN',
        service: situation.service,
        username: situation.name,
        secret: Secret.fromText(password),
        remoteIp: situation.remoteIp,
        localIp: undefined,
        tls: true,
        sessionId: undefined,
        receivedAtMs: clock.monotonicMs(),
        deadlineMs: clock.monotonicMs() + 8000,
      }),
  }
}

/** A password for each credential: its own, where its hash is one that is compared; else one that opens nothing. */
function passwordsOf(situation: Situation): [credential: string, password: string][] {
  const { mains, apps, allowWeak } = situation
  const usable = mains.filter(({ isComparable }) => isComparable(allowWeak))
  return [
    ...(usable.length === 0 ? ['of nobody'] : usable.map(({ password }) => password)).map(
      (password): [string, string] => ['main', password],
    ),
    ...[...apps].map(([id, { password }]): [string, string] => [`app:${id}`, password]),
  ]
}

const outages = fc.constantFrom<Outage>('none', 'none', 'directory', 'store')

const met = new Set<Why>()

async function agrees(situation: Situation, outage: Outage): Promise<void> {
  const { explain, writer } = await house(situation, outage)
  const explanation = await explain()
  if (writer.writes > 0) throw new Error('explain wrote')
  for (const [id, password] of passwordsOf(situation)) {
    const outcome = await (await house(situation, outage)).login(password)
    met.add(outcome.why)
    const told = explanation.credentials.find((credential) => credential.id === id)
    // Where nothing is known of the account, there is one answer for all credentials.
    const { verdict, why } = told ?? explanation.credentials[0] ?? {}
    if (verdict !== outcome.verdict || why !== outcome.why)
      throw new Error(`${id}: explain says ${verdict} ${why}, login ${outcome.verdict} ${outcome.why}`)
    const isExplained =
      outcome.verdict === 'ok' ||
      explanation.checks.some((check) => check.why === outcome.why) ||
      (outcome.why === 'hash_differs' && explanation.checks.some(({ state }) => state === 'no'))
    if (!isExplained) throw new Error(`${id}: no check tells ${outcome.why}`)
  }
  const opens = explanation.credentials.some(({ answer }) => answer === 'yes')
  if (opens !== (explanation.answer === 'yes')) throw new Error('the answer is not that of its credentials')
}

t.test('explain says of each credential what a login says', async (t) => {
  const numRuns = Number(process.env['EXPLAIN_RUNS'] ?? 1000)
  await t.resolves(fc.assert(fc.asyncProperty(situations, outages, agrees), { numRuns }))
  t.comment(`${numRuns} situations, ${met.size} reasons met: ${[...met].sort().join(' ')}`)
  t.ok(met.size >= 35, 'the situations are not all alike')
})
