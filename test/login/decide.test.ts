import t from 'tap'
import { AccountMemory } from '../../src/account/accounts.ts'
import type { StoredAccount, StoredAppPassword, StoredMailbox } from '../../src/account/stored.ts'
import type { DirectorySettings } from '../../src/config/settings.ts'
import type { HashAnswer, HashVerifier } from '../../src/credential/hash-verifier.ts'
import { Memo } from '../../src/credential/memo.ts'
import { CredentialVerifier } from '../../src/credential/verify.ts'
import type { Lookup } from '../../src/directory/directory.ts'
import type { DirectoryProfile, DirectoryUser } from '../../src/directory/user.ts'
import { MailpassdError } from '../../src/errors.ts'
import { decide, refusal } from '../../src/login/decide.ts'
import { createLogin, type LoginParts } from '../../src/login/login.ts'
import type { Outcome } from '../../src/login/outcome.ts'
import type { LoginRequest } from '../../src/login/request.ts'
import { createApply } from '../../src/mailbox/apply.ts'
import type { Applied, Change, MailboxWriter, Plan } from '../../src/mailbox/change.ts'
import { openPolicy } from '../../src/policy/policy.ts'
import { Secret } from '../../src/secret.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { FakeClock, settle } from '../fakes/clock.ts'
import {
  domain,
  FakeDirectory,
  FakeSource,
  jane,
  mailbox,
  making,
  newcomer,
  profile,
  resident,
  settings,
  template,
} from '../fakes/accounts.ts'

/** Compares `{PLAIN}` text; `{BUSY}` and `{BAD}` answer as their names say. */
class FakePool implements HashVerifier {
  compared = 0

  verify(hash: string, secret: Secret): HashAnswer | Promise<HashAnswer> {
    this.compared += 1
    if (hash === '{BUSY}') return 'busy'
    if (hash === '{BAD}') return { unusable: 'a bad scheme' }
    return Promise.resolve(hash === `{PLAIN}${secret.reveal().toString('utf8')}` ? 'match' : 'mismatch')
  }
}

class FakeWriter implements MailboxWriter {
  written: readonly Change[][] = []
  stored: StoredAccount | undefined
  error: Error | undefined
  readonly #source: FakeSource

  constructor(source: FakeSource) {
    this.#source = source
  }

  async apply(_address: unknown, plan: (stored: StoredAccount) => Plan): Promise<Applied> {
    await Promise.resolve()
    if (this.error !== undefined) throw this.error
    const planned = plan(this.stored ?? this.#source.stored)
    if (planned.kind === 'refused') return planned
    this.written = [...this.written, [...planned.changes]]
    const made = planned.changes.some((change) => change.kind === 'make_mailbox')
    if (made) this.#source.stored = resident
    return { kind: 'done', made }
  }
}

/** Knows one password, or, absent, none. */
const sogoPassword = {
  matches: (secret: Secret) => Promise.resolve(secret.reveal().toString('utf8') === 'of SOGo'),
}

interface Situation {
  readonly stored?: StoredAccount
  readonly lookup?: Lookup
  readonly user?: Partial<DirectoryUser>
  readonly settings?: Partial<DirectorySettings>
  readonly profile?: Partial<DirectoryProfile>
}

function house(situation: Situation = {}) {
  const clock = new FakeClock()
  const source = new FakeSource()
  source.stored = situation.stored ?? newcomer
  const directory = new FakeDirectory()
  const lookup = situation.lookup ?? { kind: 'found', user: { ...jane, ...situation.user } }
  directory.answer = () => Promise.resolve(lookup)
  directory.profileAnswer = { ...profile, ...situation.profile }
  const rules = { ...settings, ...situation.settings }
  const pool = new FakePool()
  const writer = new FakeWriter(source)
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
  const accounts = new AccountMemory({
    source,
    directory,
    settings: () => rules,
    clock,
    logger: silentLogger,
    limits,
  })
  const verifier = new CredentialVerifier(new Memo(1000, clock), pool)
  const rooms = {
    policy: openPolicy,
    accounts,
    verifier,
    apply: createApply(writer),
    settings: () => rules,
    clock,
    sogoPassword,
  }
  const login = async (request: Partial<LoginRequest> & { password?: string } = {}): Promise<Outcome> =>
    decide(requestOf(clock, request), rooms)
  return { clock, source, directory, pool, writer, accounts, rooms, login }
}

function requestOf(
  clock: FakeClock,
  { password = 'right', ...request }: Partial<LoginRequest> & { password?: string },
): LoginRequest {
  return {
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
  }
}

const withMailbox = (change: Partial<StoredMailbox>): StoredAccount => ({
  ...resident,
  mailbox: { ...mailbox, ...change },
})
const own = (change: Partial<StoredMailbox> = {}) =>
  withMailbox({ authsource: 'mailcow', hash: '{PLAIN}right', ...change })
const app: StoredAppPassword = {
  id: 7,
  hash: '{PLAIN}device',
  services: new Set(['imap']),
  active: true,
  own: undefined,
  lastUsedMs: undefined,
}

t.test('the first good login makes the mailbox, the second finds it', async (t) => {
  const { login, writer, source, clock } = house()
  t.match(await login(), {
    verdict: 'ok',
    why: 'verified',
    mailbox: 'jane@example.org',
    credential: 'main',
    provisioned: true,
  })
  t.same(
    writer.written[0]?.map((change) => change.kind),
    [
      'make_mailbox',
      'add_tag',
      'make_quota',
      'make_quota',
      'make_alias',
      'make_acl',
      'set_rate_limit',
      'make_sogo_row',
      'bind_identity',
    ],
  )
  t.match(writer.written[0]?.[0], {
    name: 'Jane Doe',
    active: 1,
    attributes: { imap_access: '1', mailbox_format: 'maildir:' },
  })
  source.stored = resident
  await clock.advance(1)
  t.match(await login(), { verdict: 'ok', provisioned: false })
  t.equal(writer.written.length, 1, 'nothing changed, nothing written')
})

t.test('50 first logins at once make one mailbox and 50 successes', async (t) => {
  const { login, writer, pool } = house()
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => login()))
  t.ok(outcomes.every((outcome) => outcome.verdict === 'ok'))
  t.equal(outcomes.filter((outcome) => outcome.provisioned).length, 1)
  t.equal(writer.written.length, 1)
  t.equal(pool.compared, 1, 'and one comparison')
})

const refusals: [string, Situation, Partial<LoginRequest> & { password?: string }, Partial<Outcome>][] = [
  ['no address', {}, { username: 'jane' }, { verdict: 'user_unknown', why: 'address_invalid' }],
  [
    'password too long',
    {},
    { password: 'x'.repeat(1025) },
    { verdict: 'password_mismatch', why: 'password_too_long' },
  ],
  [
    'domain not ours',
    { stored: { ...newcomer, domain: undefined, making: undefined } },
    {},
    { verdict: 'user_unknown', why: 'domain_not_hosted' },
  ],
  ['nobody', { lookup: { kind: 'absent' } }, {}, { verdict: 'user_unknown', why: 'no_such_user' }],
  ['wrong password, first', {}, { password: 'wrong' }, { verdict: 'password_mismatch', why: 'hash_differs' }],
  [
    'two users with one e-mail',
    { lookup: { kind: 'ambiguous', users: [jane, { ...jane, id: 'two' }] } },
    {},
    { verdict: 'temp_fail', why: 'directory_ambiguous' },
  ],
  [
    'a hit with another e-mail',
    { lookup: { kind: 'other_email' } },
    {},
    { verdict: 'temp_fail', why: 'directory_email_differs' },
  ],
  ['disabled', { user: { enabled: false } }, {}, { verdict: 'user_disabled', why: 'directory_disabled' }],
  [
    'disabled, wrong password',
    { user: { enabled: false } },
    { password: 'wrong' },
    { verdict: 'password_mismatch' },
  ],
  [
    'locked out',
    { user: { enabled: false, lockedOut: true } },
    {},
    { verdict: 'user_disabled', why: 'directory_locked_out' },
  ],
  [
    'unverified, self-chosen',
    { user: { emailVerified: false }, profile: { emailSelfChosen: true } },
    {},
    { verdict: 'user_disabled', why: 'email_unverified' },
  ],
  [
    'unverified, yes',
    { user: { emailVerified: false }, settings: { requireEmailVerified: 'yes' } },
    {},
    { verdict: 'user_disabled', why: 'email_unverified' },
  ],
  [
    'required actions',
    { user: { requiredActions: ['UPDATE_PASSWORD'] }, settings: { refuseRequiredActions: true } },
    {},
    { verdict: 'user_disabled', why: 'required_actions' },
  ],
  ['no hash', { user: { hashes: [] } }, {}, { verdict: 'user_disabled', why: 'no_hash' }],
  ['unusable hash', { user: { hashes: ['{BAD}'] } }, {}, { verdict: 'user_disabled', why: 'hash_unusable' }],
  [
    'pool full',
    { user: { hashes: ['{BUSY}'] } },
    {},
    { verdict: 'throttled', why: 'busy', retryAfterSeconds: 2 },
  ],
  [
    'no autojoin',
    { stored: { ...newcomer, domain: { ...domain, autojoin: false } } },
    {},
    { verdict: 'user_disabled', why: 'no_autojoin' },
  ],
  [
    'provisioning off',
    { stored: { ...newcomer, domain: { ...domain, autojoin: undefined } } },
    {},
    { verdict: 'user_disabled', why: 'provisioning_off' },
  ],
  [
    'no template',
    { settings: { defaultTemplate: undefined } },
    {},
    { verdict: 'user_disabled', why: 'no_template' },
  ],
  [
    'template missing',
    { settings: { defaultTemplate: 'Gone' } },
    {},
    { verdict: 'user_disabled', why: 'template_missing' },
  ],
  [
    'attribute not trusted',
    {
      user: { template: 'x' },
      profile: { templateSelfEdited: true },
      settings: { defaultTemplate: undefined, mappings: new Map([['x', 'Default']]) },
    },
    {},
    { verdict: 'user_disabled', why: 'template_attribute_untrusted' },
  ],
  [
    'local part',
    {},
    { username: "o'neill@example.org" },
    { verdict: 'user_disabled', why: 'local_part_not_allowed' },
  ],
  [
    'collation',
    { stored: { ...newcomer, making: { ...making, collides: true } } },
    {},
    { verdict: 'user_disabled', why: 'object_exists' },
  ],
  [
    'alias',
    { stored: { ...newcomer, making: { ...making, isAlias: true } } },
    {},
    { verdict: 'user_disabled', why: 'is_alias' },
  ],
  [
    'spam alias',
    { stored: { ...newcomer, making: { ...making, isSpamAlias: true } } },
    {},
    { verdict: 'user_disabled', why: 'is_spam_alias' },
  ],
  [
    'alias domain',
    { stored: { ...newcomer, domain: undefined, aliasDomainOf: 'example.com' } },
    {},
    { verdict: 'user_disabled', why: 'domain_is_alias' },
  ],
  [
    'full domain',
    { stored: { ...newcomer, making: { ...making, mailboxCount: 10 } } },
    {},
    { verdict: 'user_disabled', why: 'max_mailboxes' },
  ],
  [
    'mailbox quota',
    {
      stored: {
        ...newcomer,
        making: { ...making, templates: [{ ...template, quotaBytes: domain.maxMailboxQuotaBytes + 1 }] },
      },
    },
    {},
    { verdict: 'user_disabled', why: 'mailbox_quota_exceeded' },
  ],
  [
    'domain quota',
    {
      stored: {
        ...newcomer,
        making: { ...making, quotaSumBytes: domain.quotaBytes, templates: [{ ...template, quotaBytes: 1 }] },
      },
    },
    {},
    { verdict: 'user_disabled', why: 'domain_quota_exceeded' },
  ],
  [
    'domain inactive, first',
    { stored: { ...newcomer, domain: { ...domain, active: false } } },
    {},
    { verdict: 'user_disabled', why: 'domain_inactive' },
  ],
  [
    'template inactive',
    { stored: { ...newcomer, making: { ...making, templates: [{ ...template, active: 0 }] } } },
    {},
    { verdict: 'user_disabled', why: 'mailbox_inactive' },
  ],
  [
    'protocol closed in the template',
    {
      stored: {
        ...newcomer,
        making: { ...making, templates: [{ ...template, services: { ...template.services, imap: false } }] },
      },
    },
    {},
    { verdict: 'service_denied', why: 'service_closed' },
  ],
  ['unknown service, first', {}, { service: 'other' }, { verdict: 'service_denied', why: 'service_unknown' }],
  [
    'another identity, right password',
    { stored: resident, user: { id: 'id-mallory' } },
    {},
    { verdict: 'user_disabled', why: 'identity_changed' },
  ],
  [
    'another identity, wrong password',
    { stored: resident, user: { id: 'id-mallory' } },
    { password: 'wrong' },
    { verdict: 'password_mismatch' },
  ],
  [
    'user gone',
    { stored: resident, lookup: { kind: 'absent' } },
    {},
    { verdict: 'user_disabled', why: 'directory_user_gone' },
  ],
  [
    'mailbox inactive',
    { stored: withMailbox({ active: 0 }) },
    {},
    { verdict: 'user_disabled', why: 'mailbox_inactive' },
  ],
  [
    'mailbox receives only',
    { stored: withMailbox({ active: 2 }) },
    {},
    { verdict: 'user_disabled', why: 'mailbox_receive_only' },
  ],
  [
    'resource',
    { stored: withMailbox({ kind: 'location' }) },
    {},
    { verdict: 'user_disabled', why: 'mailbox_is_resource' },
  ],
  [
    'domain inactive',
    { stored: { ...resident, domain: { ...domain, active: false } } },
    {},
    { verdict: 'user_disabled', why: 'domain_inactive' },
  ],
  [
    'protocol closed',
    { stored: withMailbox({ services: { imap: false } }) },
    {},
    { verdict: 'service_denied', why: 'service_closed' },
  ],
  [
    'own password, second factor',
    { stored: own({ tfaActive: true }) },
    {},
    { verdict: 'user_disabled', why: 'tfa_active' },
  ],
  ['own password, none set', { stored: own({ hash: '' }) }, {}, { verdict: 'user_disabled', why: 'no_hash' }],
  [
    'ldap mailbox',
    { stored: withMailbox({ authsource: 'ldap' }) },
    {},
    { verdict: 'user_disabled', why: 'authsource_unsupported' },
  ],
  [
    'locked until unlocked',
    { stored: { ...resident, lock: { untilMs: undefined } } },
    {},
    { verdict: 'user_disabled', why: 'locked' },
  ],
  [
    'locked before there is a mailbox',
    { stored: { ...newcomer, lock: { untilMs: undefined } } },
    {},
    { verdict: 'user_disabled', why: 'locked' },
  ],
  [
    'locked, disabled in the directory: the lock is told',
    { stored: { ...resident, lock: { untilMs: undefined } }, user: { enabled: false } },
    {},
    { verdict: 'user_disabled', why: 'locked' },
  ],
  [
    'locked, app password',
    { stored: { ...resident, lock: { untilMs: undefined }, appPasswords: [app] } },
    { password: 'device' },
    { verdict: 'user_disabled', why: 'locked', credential: 'app:7' },
  ],
  [
    'locked, own password',
    { stored: { ...own(), lock: { untilMs: undefined } } },
    {},
    { verdict: 'user_disabled', why: 'locked' },
  ],
  [
    'locked, wrong password: nothing is told',
    { stored: { ...resident, lock: { untilMs: undefined } } },
    { password: 'wrong' },
    { verdict: 'password_mismatch', why: 'hash_differs' },
  ],
  [
    'app password, protocol closed',
    { stored: { ...resident, appPasswords: [app] } },
    { password: 'device', service: 'smtp' },
    { verdict: 'service_denied', why: 'service_closed', credential: 'app:7' },
  ],
  [
    'app password, unknown service',
    { stored: { ...resident, appPasswords: [app] } },
    { password: 'device', service: 'other', door: 'mailcow' },
    { verdict: 'service_denied', why: 'service_unknown' },
  ],
  [
    'NONE on the mailcow route, not from SOGo',
    { stored: resident },
    { service: 'none', door: 'mailcow' },
    { verdict: 'service_denied', why: 'service_unknown' },
  ],
  [
    'app password, user disabled',
    { stored: { ...resident, appPasswords: [app] }, user: { enabled: false } },
    { password: 'device' },
    { verdict: 'user_disabled', why: 'directory_disabled' },
  ],
  [
    'app password, user gone',
    { stored: { ...resident, appPasswords: [app] }, lookup: { kind: 'absent' } },
    { password: 'device' },
    { verdict: 'user_disabled', why: 'directory_user_gone' },
  ],
  [
    'app password, inactive mailbox',
    { stored: { ...withMailbox({ active: 2 }), appPasswords: [app] } },
    { password: 'device' },
    { verdict: 'user_disabled' },
  ],
]

t.test('refusals tell their reason and write nothing', async (t) => {
  for (const [name, situation, request, expected] of refusals) {
    const { login, writer } = house(situation)
    t.match(await login(request), expected, name)
    t.equal(writer.written.length, 0, `${name}: nothing written`)
  }
})

t.test('a lock ends at its time', async (t) => {
  const { login, source, clock } = house({ stored: resident })
  source.stored = { ...resident, lock: { untilMs: clock.nowMs() + 60_000 } }
  t.match(await login(), { verdict: 'user_disabled', why: 'locked' })
  await clock.advance(60_000)
  t.match(await login(), { verdict: 'ok' })
})

const successes: [string, Situation, Partial<LoginRequest> & { password?: string }, string][] = [
  ['resident', { stored: resident }, {}, 'main'],
  ['own password', { stored: own() }, {}, 'main'],
  [
    'second value of the hash attribute',
    { stored: resident, user: { hashes: ['{PLAIN}old', '{PLAIN}right'] } },
    {},
    'main',
  ],
  [
    'known identity among two users',
    {
      stored: resident,
      lookup: { kind: 'ambiguous', users: [{ ...jane, id: 'two', hashes: ['{PLAIN}no'] }, jane] },
    },
    {},
    'main',
  ],
  [
    'lockout ignored',
    { stored: resident, user: { enabled: false, lockedOut: true }, settings: { lockout: 'ignore' } },
    {},
    'main',
  ],
  ['unverified where users cannot choose', { stored: resident, user: { emailVerified: false } }, {}, 'main'],
  ['app password', { stored: { ...resident, appPasswords: [app] } }, { password: 'device' }, 'app:7'],
  [
    'app password where the mailbox flag is closed',
    { stored: { ...withMailbox({ services: { imap: false } }), appPasswords: [app] } },
    { password: 'device' },
    'app:7',
  ],
  [
    'app password, ldap mailbox',
    { stored: { ...withMailbox({ authsource: 'ldap' }), appPasswords: [app] } },
    { password: 'device' },
    'app:7',
  ],
  ['main password beside app passwords', { stored: { ...resident, appPasswords: [app] } }, {}, 'main'],
  [
    'unknown service on the mailcow route',
    { stored: resident },
    { door: 'mailcow', service: 'other' },
    'main',
  ],
  ['upper case', { stored: resident }, { username: 'Jane@EXAMPLE.org' }, 'main'],
]

t.test('what opens a mailbox', async (t) => {
  for (const [name, situation, request, credential] of successes) {
    const { login } = house(situation)
    t.match(await login(request), { verdict: 'ok', credential, mailbox: 'jane@example.org' }, name)
  }
})

t.test('template by mapping, then the domain, then the default', async (t) => {
  const templates = ['Default', 'Staff', 'Domain'].map((name) => ({ ...template, name }))
  const stored: StoredAccount = {
    ...newcomer,
    making: { ...making, templates },
    domain: { ...domain, template: 'Domain' },
  }
  const mappings = new Map([['staff', 'Staff']])
  const used = async (situation: Situation) => {
    const { login, writer } = house({ ...situation, settings: { mappings, ...situation.settings } })
    await login()
    return writer.written[0]?.find((change) => change.kind === 'bind_identity')?.template
  }
  t.equal(await used({ stored, user: { template: 'staff' } }), 'Staff')
  t.equal(await used({ stored, user: { template: 'other' } }), 'Domain')
  t.equal(
    await used({ stored, user: { template: 'staff' }, profile: { templateSelfEdited: true } }),
    'Domain',
  )
  t.equal(
    await used({
      stored,
      user: { template: 'staff' },
      profile: { templateSelfEdited: true },
      settings: { trustUserAttributes: true },
    }),
    'Staff',
  )
  t.equal(await used({ stored: { ...stored, domain } }), 'Default')
})

t.test('a mailbox without identity gets it; rows left out by a crash are made', async (t) => {
  const stored = withMailbox({
    directoryId: undefined,
    missing: { alias: true, quota2: true, quota2replica: true, userAcl: true },
  })
  const { login, writer } = house({ stored })
  t.match(await login(), { verdict: 'ok', provisioned: false })
  t.same(
    writer.written[0]?.map((change) => change.kind),
    ['make_alias', 'make_quota', 'make_quota', 'make_acl', 'bind_identity'],
  )
})

t.test('the plan is asked again under the lock: what another node did counts', async (t) => {
  const raced = house()
  raced.writer.stored = resident
  t.match(await raced.login(), { verdict: 'ok', provisioned: false })
  const taken = house()
  taken.writer.stored = withMailbox({ directoryId: 'id-other' })
  t.match(await taken.login(), { verdict: 'user_disabled', why: 'identity_changed' })
  const full = house()
  full.writer.stored = { ...newcomer, making: { ...making, mailboxCount: 10 } }
  t.match(await full.login(), { verdict: 'user_disabled', why: 'max_mailboxes' })
})

t.test('a write under way for another directory user does not let this one in', async (t) => {
  const { login, writer, directory, accounts } = house()
  const written = Promise.withResolvers<void>()
  const apply = writer.apply.bind(writer)
  writer.apply = async (...call) => {
    await written.promise
    return apply(...call)
  }
  const first = login()
  await settle()
  const mallory = { ...jane, id: 'id-mallory', hashes: ['{PLAIN}mallory'] }
  directory.answer = () => Promise.resolve({ kind: 'found', user: mallory })
  accounts.changed({ kind: 'directory', address: 'jane@example.org' })
  const second = login({ password: 'mallory' })
  await settle()
  written.resolve()
  t.match(await first, { verdict: 'ok', provisioned: true })
  t.match(await second, { verdict: 'user_disabled', why: 'identity_changed' })
  t.equal(writer.written.length, 1)
})

t.test('a mailbox made meanwhile with a password of its own is not opened by the directory’s', async (t) => {
  const raced = house()
  raced.writer.stored = own({ hash: '{PLAIN}sql', directoryId: undefined })
  let looks = 0
  raced.source.answer = () =>
    Promise.resolve((looks += 1) === 1 ? newcomer : (raced.writer.stored ?? newcomer))
  t.match(await raced.login(), { verdict: 'password_mismatch', why: 'hash_differs' })
  t.same(raced.writer.written.flat(), [])
  const restless = house()
  restless.writer.stored = own({ directoryId: undefined })
  await t.rejects(restless.login(), { code: 'store_conflict' })
  t.same(restless.writer.written.flat(), [])
})

t.test('a name longer than its column is cut between characters', async (t) => {
  const { login, writer } = house({ user: { firstName: 'J'.repeat(250), lastName: '😀'.repeat(250) } })
  t.match(await login(), { verdict: 'ok', provisioned: true })
  const [made] = writer.written.flat()
  t.equal(made?.kind === 'make_mailbox' ? made.name : '', `${'J'.repeat(250)} ${'😀'.repeat(4)}`)
})

t.test('a password wiped under a comparison is not remembered as wrong', async (t) => {
  const stored = { ...resident, appPasswords: [app] }
  const { login, pool } = house({ stored })
  const secret = Secret.fromText('right')
  const verify = pool.verify.bind(pool)
  pool.verify = async (...call) => {
    const answer = await verify(...call)
    secret.wipe()
    return answer
  }
  t.match(await login({ secret }), { verdict: 'throttled', why: 'busy' })
  pool.verify = verify
  t.match(await login(), { verdict: 'ok' })
})

t.test(
  'with the directory unknown, a password that matches no app password is not called wrong',
  async (t) => {
    const { login, directory, pool } = house({ stored: { ...resident, appPasswords: [app] } })
    directory.answer = () => Promise.reject(new MailpassdError('directory_unavailable', 'down'))
    t.match(await login({ password: 'wrong' }), { verdict: 'temp_fail', why: 'directory_down' })
    t.match(
      await login({ password: 'device' }),
      { verdict: 'temp_fail', why: 'directory_down' },
      'nor is an app password enough',
    )
    t.equal(pool.compared, 2)
  },
)

t.test('memo: a right password costs one comparison until its hash changes', async (t) => {
  const { login, pool, directory, clock } = house({ stored: resident })
  for (let i = 0; i < 5; i += 1) t.equal((await login()).verdict, 'ok')
  t.equal(pool.compared, 1)
  directory.answer = () => Promise.resolve({ kind: 'found', user: { ...jane, hashes: ['{PLAIN}new'] } })
  await clock.advance(61_000)
  t.equal((await login()).verdict, 'password_mismatch')
  t.equal((await login({ password: 'new' })).verdict, 'ok')
})

t.test(
  'wrong memo: the same wrong password costs one comparison in 30 s, and dies with the hashes',
  async (t) => {
    const { login, pool, source, clock } = house({ stored: resident })
    for (let i = 0; i < 5; i += 1) t.equal((await login({ password: 'device' })).verdict, 'password_mismatch')
    t.equal(pool.compared, 1)
    source.stored = { ...resident, appPasswords: [app] }
    await clock.advance(2500)
    t.equal((await login({ password: 'device' })).verdict, 'ok', 'an app password made meanwhile works')
    await login({ password: 'wrong' })
    const compared = pool.compared
    await clock.advance(30_001)
    await login({ password: 'wrong' })
    t.ok(pool.compared > compared)
  },
)

const bySogo = { door: 'mailcow', service: 'sogo' } as const

t.test('SOGo’s own password opens what is there and may be used, and writes nothing', async (t) => {
  const password = 'of SOGo'
  const closed = { imap: false, pop3: false, smtp: false, sieve: false, eas: false, dav: false }
  const opened: [string, Situation][] = [
    ['a mailbox', { stored: resident }],
    ['every protocol closed', { stored: withMailbox({ services: closed }) }],
    ['a password of its own', { stored: own() }],
    ['a second factor', { stored: own({ tfaActive: true }) }],
    ['no directory user bound', { stored: withMailbox({ directoryId: undefined }) }],
    ['no password at all', { stored: resident, user: { hashes: [] } }],
    ['ldap', { stored: withMailbox({ authsource: 'ldap' }) }],
  ]
  for (const [name, situation] of opened) {
    const { login, writer, pool } = house(situation)
    t.match(
      await login({ ...bySogo, password }),
      { verdict: 'ok', why: 'sogo_password', credential: 'sogo', provisioned: false },
      name,
    )
    t.equal(writer.written.length, 0, `${name}: nothing written`)
    t.equal(pool.compared, 0)
  }
  const refused: [string, Situation, Partial<Outcome>][] = [
    ['nobody', { lookup: { kind: 'absent' } }, { verdict: 'user_unknown', why: 'no_such_user' }],
    ['a user without mailbox', {}, { verdict: 'user_unknown', why: 'no_such_user' }],
    ['receives only', { stored: withMailbox({ active: 2 }) }, { why: 'mailbox_receive_only' }],
    ['inactive', { stored: withMailbox({ active: 0 }) }, { why: 'mailbox_inactive' }],
    ['a resource', { stored: withMailbox({ kind: 'thing' }) }, { why: 'mailbox_is_resource' }],
    [
      'domain inactive',
      { stored: { ...resident, domain: { ...domain, active: false } } },
      { why: 'domain_inactive' },
    ],
    ['locked', { stored: { ...resident, lock: { untilMs: undefined } } }, { why: 'locked' }],
    ['disabled', { stored: resident, user: { enabled: false } }, { why: 'directory_disabled' }],
    ['another’s', { stored: resident, user: { id: 'id-mallory' } }, { why: 'identity_changed' }],
    ['gone', { stored: resident, lookup: { kind: 'absent' } }, { why: 'directory_user_gone' }],
  ]
  for (const [name, situation, expected] of refused) {
    const { login, writer } = house(situation)
    t.match(await login({ ...bySogo, password }), { ...expected, credential: 'sogo' }, name)
    t.equal(writer.written.length, 0)
  }
})

t.test('SOGo’s own password is nothing elsewhere', async (t) => {
  const password = 'of SOGo'
  for (const door of ['sasl', 'http', 'mailcow', 'cli'] as const)
    for (const service of ['imap', 'none', 'other'] as const) {
      const { login } = house({ stored: resident })
      t.match(
        await login({ door, service, password }),
        { verdict: 'password_mismatch' },
        `${door} ${service}`,
      )
    }
  for (const door of ['sasl', 'http', 'cli'] as const) {
    const { login } = house({ stored: resident })
    const why = 'service_unknown'
    t.match(await login({ ...bySogo, door, password }), { verdict: 'service_denied', why }, `${door} as SOGo`)
  }
  const { rooms, clock } = house({ stored: resident })
  const { sogoPassword: _, ...without } = rooms
  t.match(await decide(requestOf(clock, { ...bySogo, password }), without), { verdict: 'password_mismatch' })
})

t.test('where SOGo’s password cannot be read, nobody knows what SOGo sent', async (t) => {
  const { rooms, clock } = house({ stored: resident })
  const blind = { ...rooms, sogoPassword: { matches: () => Promise.resolve('unknown' as const) } }
  const why = 'sogo_password_unknown'
  for (const password of ['of SOGo', 'wrong'])
    t.match(await decide(requestOf(clock, { ...bySogo, password }), blind), { verdict: 'temp_fail', why })
  t.match(await decide(requestOf(clock, bySogo), blind), { verdict: 'ok', credential: 'main' })
  const imap = { door: 'mailcow', service: 'imap', password: 'wrong' } as const
  t.match(await decide(requestOf(clock, imap), blind), { verdict: 'password_mismatch' })
})

t.test('a user’s own passwords from SOGo: no flag is asked', async (t) => {
  const closed = {
    ...withMailbox({ services: { imap: false } }),
    appPasswords: [{ ...app, services: new Set([]) }],
  }
  const { login } = house({ stored: closed })
  t.match(await login(bySogo), { verdict: 'ok', why: 'verified', credential: 'main' })
  t.match(await login({ ...bySogo, password: 'device' }), { verdict: 'ok', credential: 'app:7' })
  t.match(await login({ ...bySogo, password: 'wrong' }), { verdict: 'password_mismatch' })
  const first = house()
  t.match(await first.login(bySogo), { verdict: 'ok', provisioned: true }, 'a first login, too')
  const tfa = house({ stored: own({ tfaActive: true }) })
  t.match(await tfa.login(bySogo), { why: 'tfa_active' })
})

function recorded(parts: Pick<LoginParts, 'decide'>) {
  const clock = new FakeClock()
  const outcomes: Outcome[] = []
  const log = { record: (_request: LoginRequest, outcome: Outcome) => void outcomes.push(outcome) }
  const login = createLogin({ ...parts, policy: openPolicy, log, clock, logger: silentLogger })
  return { clock, outcomes, atOnce: login, login: async (request: LoginRequest) => login(request) }
}

t.test('a throw is temp_fail, recorded once, and the password is wiped', async (t) => {
  const cases: [Error, string][] = [
    [new MailpassdError('store_unavailable', 'down'), 'store_down'],
    [new TypeError('bug'), 'internal'],
  ]
  for (const [error, why] of cases) {
    const { clock, outcomes, login } = recorded({ decide: () => Promise.reject(error) })
    const request = requestOf(clock, {})
    t.match(await login(request), { verdict: 'temp_fail', why })
    t.equal(outcomes.length, 1)
    await new Promise((resolve) => setImmediate(resolve))
    t.ok(request.secret.reveal().every((byte) => byte === 0))
    await clock.advance(100)
    t.equal(clock.pendingTimers, 0, 'the sweep ends when nobody waits')
  }
})

t.test('what is decided at once is answered at once, recorded once, and the password is wiped', async (t) => {
  const { rooms, clock } = house({ stored: resident })
  await decide(requestOf(clock, {}), rooms)
  const warm = recorded({ decide: (request) => decide(request, rooms) })
  const request = requestOf(clock, {})
  const outcome = warm.atOnce(request)
  t.notOk(outcome instanceof Promise)
  t.match(outcome, { verdict: 'ok' })
  t.same(warm.outcomes, [outcome])
  t.ok(request.secret.isWiped)
  t.equal(warm.clock.pendingTimers, 0, 'no timer')

  const thrown = recorded({
    decide() {
      throw new MailpassdError('store_unavailable', 'down')
    },
  })
  t.match(thrown.atOnce(requestOf(clock, {})), { verdict: 'temp_fail', why: 'store_down' })
  t.equal(thrown.outcomes.length, 1)
})

t.test('what observes an outcome may still look at the password', async (t) => {
  const clock = new FakeClock()
  const outcome = refusal('hash_differs', undefined)
  for (const decided of [outcome, Promise.resolve(outcome)]) {
    const seen: string[] = []
    const login = createLogin({
      decide: () => decided,
      policy: { ...openPolicy, observe: ({ secret }) => void seen.push(secret.reveal().toString()) },
      log: { record() {} },
      clock,
      logger: silentLogger,
    })
    await login(requestOf(clock, {}))
    t.same(seen, ['right'])
  }
})

t.test('a log that throws costs nobody the answer, nor the process', async (t) => {
  const clock = new FakeClock()
  const outcome = refusal('hash_differs', undefined)
  const pending = Promise.withResolvers<Outcome>()
  const answers = [Promise.resolve(outcome), pending.promise]
  const login = createLogin({
    decide: () => answers.shift() ?? Promise.resolve(outcome),
    policy: openPolicy,
    log: {
      record() {
        throw new TypeError('bug')
      },
    },
    clock,
    logger: silentLogger,
  })
  t.equal(await login(requestOf(clock, {})), outcome)
  const late = login(requestOf(clock, {}))
  await clock.advance(8000)
  t.match(await late, { why: 'deadline' })
  pending.resolve(outcome)
})

t.test(
  'the answer comes by the deadline; a comparison under way keeps its bytes until it is done',
  async (t) => {
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const { clock, outcomes, login } = recorded({ decide: () => promise })
    const request = requestOf(clock, {})
    const answer = login(request)
    await clock.advance(8000)
    const outcome = await answer
    t.match(outcome, { verdict: 'temp_fail', why: 'deadline' })
    t.notOk(request.secret.reveal().every((byte) => byte === 0))
    resolve({ ...outcome, verdict: 'ok', why: 'verified' })
    await clock.advance(1)
    t.equal(outcomes.length, 1, 'recorded once')
    t.ok(request.secret.reveal().every((byte) => byte === 0))
  },
)
