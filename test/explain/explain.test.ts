/** What an explanation tells, and what it never does: hashes, and characters that a terminal would obey. */
import t from 'tap'
import type { Account } from '../../src/account/account.ts'
import type { StoredAccount } from '../../src/account/stored.ts'
import { explanationText } from '../../src/cli/explain-text.ts'
import { MailpassdError } from '../../src/errors.ts'
import { createExplain, type ExplainRequest } from '../../src/explain/explain.ts'
import { REMEDIES } from '../../src/explain/remedies.ts'
import { remediesFor } from '../../src/explain/remedy.ts'
import { shell } from '../../src/explain/shell.ts'
import type { Lookup } from '../../src/directory/directory.ts'
import type { LoginLogEntry } from '../../src/login-log/event.ts'
import { WHYS } from '../../src/login/why.ts'
import { createPasswordPool } from '../../src/password/pool.ts'
import { openPolicy } from '../../src/policy/policy.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import {
  address,
  domain,
  jane,
  mailbox,
  making,
  newcomer,
  profile,
  resident,
  settings,
  template,
} from '../fakes/accounts.ts'
import { FAKE_NOW_MS, FakeClock, settle } from '../fakes/clock.ts'

interface Situation {
  readonly stored?: StoredAccount
  readonly lookup?: Lookup
  readonly account?: () => Promise<Account>
  readonly rows?: readonly LoginLogEntry[] | Error
  readonly pending?: readonly LoginLogEntry[]
  readonly names?: ReadonlyMap<number, string>
}

function explainer(situation: Situation = {}) {
  const clock = new FakeClock()
  const account: Account = {
    address: address('jane@example.org'),
    stored: situation.stored ?? newcomer,
    storedAtMs: clock.monotonicMs() - 1500,
    directory: {
      kind: 'record',
      lookup: situation.lookup ?? { kind: 'found', user: jane },
      profile,
      atMs: clock.monotonicMs() - 30_000,
    },
  }
  const { rows = [] } = situation
  const explain = createExplain({
    policy: openPolicy,
    accounts: { get: situation.account ?? (() => account), putOff: () => undefined },
    settings: () => settings,
    hashes: createPasswordPool({ allowWeak: false, argon2MemoryMib: 64, workers: 1, clock }),
    names: { appPasswordNames: async () => situation.names ?? new Map() },
    log: {
      readLogins: async () => {
        if (rows instanceof Error) throw rows
        return rows
      },
    },
    heldTurn: () => undefined,
    pendingOf: () => situation.pending ?? [],
    clock,
    logger: silentLogger,
  })
  const ask = (request: Partial<ExplainRequest> = {}) =>
    explain({ name: 'jane@example.org', service: 'imap', door: 'http', remoteIp: undefined, ...request })
  return { ask, clock }
}

const strong = `{SSHA512}${'A'.repeat(96)}`
const found = (change: Partial<typeof jane>): Lookup => ({
  kind: 'found',
  user: { ...jane, hashes: [strong], ...change },
})

t.test('facts of a first login', async (t) => {
  const told = await explainer({ lookup: found({}) }).ask({ name: 'Jane@Example.ORG', remoteIp: '192.0.2.7' })
  t.match(told, {
    name: 'Jane@Example.ORG',
    address: 'jane@example.org',
    network: '192.0.2.0/24',
    answer: 'yes',
    credentials: [{ id: 'main', answer: 'yes', changes: ['make the mailbox (active 1, unlimited quota)'] }],
    rows_age_ms: 1500,
    directory: {
      state: 'found',
      age_ms: 30_000,
      user: { id: 'id-jane', enabled: true, hashes: [{ scheme: 'SSHA512', weak: false, unusable: null }] },
    },
    domain: { exists: true, mailboxes: 0, max_mailboxes: 10, quota_used_bytes: 0 },
    template: { name: 'Default', named_by: 'default', exists: true },
    mailbox: null,
    todo: [{ step: 9, command: 'mailpassd login --service imap jane@example.org' }],
  })
})

t.test('several things are wrong: all are told, in the order to try them', async (t) => {
  const stored: StoredAccount = {
    ...newcomer,
    domain: { ...domain, active: false },
    making: { ...making, mailboxCount: 10, templates: [{ ...template, name: 'Other' }] },
    lock: { untilMs: undefined },
  }
  const told = await explainer({ stored, lookup: found({ enabled: false, hashes: ['{NOPE}x'] }) }).ask()
  t.equal(told.answer, 'no')
  t.same(
    told.todo.map(({ step, why }) => [step, why]),
    [
      [2, 'domain_inactive'],
      [2, 'max_mailboxes'],
      [3, 'template_missing'],
      [4, 'directory_disabled'],
      [5, 'hash_unusable'],
      [6, 'locked'],
    ],
  )
})

t.test('nothing of a hash is in it', async (t) => {
  const secrets = ['{SECRET}', 'hunter2', '{PLAIN}hunter2', `{BLF-CRYPT}$2y$10$hunter2`, strong]
  for (const hash of secrets) {
    const stored: StoredAccount = {
      ...resident,
      mailbox: { ...mailbox, hash, authsource: 'mailcow' },
      appPasswords: [
        { id: 7, hash, services: new Set(['imap']), active: true, own: undefined, lastUsedMs: undefined },
      ],
    }
    for (const one of [{ stored }, { lookup: found({ hashes: [hash] }) }]) {
      const text = JSON.stringify(await explainer(one).ask())
      t.notMatch(text, /hunter2|SECRET|AAAA/)
    }
  }
})

t.test(
  'a name with such characters can be a mailbox: it is asked about, and shown without them',
  async (t) => {
    const name = 'a\u009b31m\u202eb@example.org'
    const late = async () => {
      throw new MailpassdError('store_unavailable', 'down')
    }
    for (const situation of [{}, { account: late }]) {
      const told = await explainer(situation).ask({ name })
      t.notMatch(explanationText(told) + JSON.stringify(told), /[\u009b\u202e]/)
      t.equal(told.address, 'a31mb@example.org')
    }
  },
)

t.test('texts of others cannot command a terminal', async (t) => {
  const evil = 'a\u001b[2J\u202eb\u0007\n'
  const stored: StoredAccount = {
    ...resident,
    mailbox: { ...mailbox, directoryId: `id${evil}`, kind: evil },
    appPasswords: [
      {
        id: 7,
        hash: strong,
        services: new Set(['imap']),
        active: true,
        own: {
          tag: evil,
          directoryId: evil,
          networks: [evil],
          createdMs: Number.NaN,
          expiresMs: 1e300,
          unusedDays: undefined,
          revokedMs: undefined,
        },
        lastUsedMs: undefined,
      },
    ],
  }
  const user = { username: evil, id: `x${evil}`, requiredActions: [evil], template: evil }
  for (const situation of [
    { stored, lookup: found(user), names: new Map([[7, evil]]) },
    { stored: { ...newcomer, domain: { ...domain, template: evil } }, lookup: found(user) },
    { stored: newcomer, lookup: { kind: 'ambiguous', users: [jane, { ...jane, ...user }] } as const },
    { stored: { ...newcomer, domain: undefined, aliasDomainOf: evil } },
  ])
    for (const name of ['jane@example.org', evil]) {
      const told = await explainer(situation).ask({ name })
      t.notMatch(JSON.stringify(told), /\\u001b|\\u0007|\\n|\u202e/)
    }
})

t.test('what cannot be found out is not "no"', async (t) => {
  const down = new MailpassdError('store_unavailable', 'down')
  t.match(await explainer({ account: () => Promise.reject(down) }).ask(), {
    answer: 'unknown',
    address: 'jane@example.org',
    checks: [{ room: 'store', state: 'unknown', why: 'store_down' }],
    todo: [{ step: 1, command: 'mailpassd check --live' }],
  })
  const slow = explainer({ account: () => new Promise(() => {}) })
  const asked = slow.ask()
  await slow.clock.advance(8000)
  t.match(await asked, { answer: 'unknown', credentials: [{ why: 'deadline' }] })
  t.match(await explainer({ rows: down }).ask(), { attempts: null }, 'the rest is told without the log')
  t.match(await explainer().ask({ name: 'jane' }), { answer: 'no', address: null, attempts: [] })
  await settle()
})

t.test('the last logins: rows and what is not written yet, as one', async (t) => {
  const hourMs = FAKE_NOW_MS - (FAKE_NOW_MS % 3_600_000)
  const row: LoginLogEntry = {
    mailbox: 'jane@example.org',
    network: '192.0.2.0/24',
    service: 'imap',
    credential: 'main',
    verdict: 'ok',
    why: 'verified',
    hourMs,
    firstMs: hourMs,
    lastMs: hourMs + 5,
    count: 2,
  }
  const other = { ...row, verdict: 'later_word', why: 'of_a_later_version', lastMs: hourMs + 9 }
  const told = await explainer({
    rows: [row],
    pending: [row, { ...row, lastMs: hourMs + 7, count: 3 }, other],
  }).ask()
  t.match(told.attempts, [
    { why: 'of_a_later_version', meaning: '' },
    // The first of them is the row itself, written while it was asked.
    { why: 'verified', count: 5, last: new Date(hourMs + 7).toISOString() },
  ])
})

t.test('app passwords that are off and not ours are named', async (t) => {
  const names = new Map([
    [3, 'Old phone'],
    [4, 'Tablet\u001b'],
  ])
  const told = await explainer({ stored: resident, names }).ask()
  t.match(
    told.checks.filter(({ room }) => room === 'app_passwords'),
    [{ text: 'none that is on' }, { state: 'note', text: 'switched off: 3 Old phone, 4 Tablet' }],
  )
})

t.test('every reason has something to do about it', (t) => {
  const about = { address: 'jane@example.org', domain: 'example.org', user: 'jane', service: 'imap' }
  for (const why of WHYS) {
    const [todo] = remediesFor([why], about)
    t.ok(todo !== undefined && todo.text.length > 10 && !todo.text.includes('%'), why)
    t.ok(REMEDIES[why].step >= 1 && REMEDIES[why].step <= 9)
  }
  t.equal(shell('jane@example.org'), 'jane@example.org')
  t.equal(shell("o'neill@example.org"), "'o'\\''neill@example.org'")
  t.equal(shell('$(id)@example.org'), "'$(id)@example.org'")
  t.equal(shell('-all@example.org'), '-- -all@example.org')
  t.end()
})
