/** Who may still send (sasl-access), and what the maps say when rows cannot be read. */
import t, { type Test } from 'tap'
import { AccountMemory } from '../../src/account/accounts.ts'
import { createMailMaps } from '../../src/account/maps/mail-maps.ts'
import type { MapSource } from '../../src/account/maps/source.ts'
import type { StoredAccount } from '../../src/account/stored.ts'
import type { DirectorySettings } from '../../src/config/settings.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import * as fakes from '../fakes/accounts.ts'
import { FakeClock } from '../fakes/clock.ts'

const REJECT = { kind: 'found', value: 'REJECT this account may not send mail now' }
const FINE = { kind: 'absent' }
const JANE = 'jane@example.org'

const downSource: MapSource = {
  lookupHosting: () => Promise.reject(new MailpassdError('store_unavailable', 'down')),
  loadAddresses: () => Promise.reject(new MailpassdError('store_unavailable', 'down')),
  loadSenderAcl: () => Promise.reject(new MailpassdError('store_unavailable', 'down')),
  loadLogins: () => Promise.reject(new MailpassdError('store_unavailable', 'down')),
}

function saslAccess(wish: { settings?: DirectorySettings } = {}) {
  const clock = new FakeClock()
  const source = new fakes.FakeSource()
  source.stored = fakes.resident
  const directory = new fakes.FakeDirectory()
  const settings = () => wish.settings ?? fakes.settings
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
  const parts = {
    source: downSource,
    accounts,
    settings,
    clock,
    logger: silentLogger,
    recipientDelimiter: '+',
  }
  const lookup = createMailMaps(parts).get('sasl-access')
  const ask = async (key = JANE, waitMs = 0) => {
    const answer = lookup?.(key)
    if (waitMs > 0) await clock.advance(waitMs)
    return answer
  }
  return { clock, source, directory, accounts, ask }
}

const { mailbox, domain } = fakes
const app = { id: 1, hash: 'x', active: true, own: undefined, lastUsedMs: undefined }
const own = {
  tag: 't',
  directoryId: mailbox.directoryId,
  networks: [],
  createdMs: 1,
  expiresMs: undefined,
  unusedDays: undefined,
  revokedMs: undefined,
}

/** What rows say -> whether the sender may go on. */
const ROWS: Readonly<Record<string, readonly [Partial<StoredAccount>, typeof REJECT | typeof FINE]>> = {
  'active mailbox': [{}, FINE],
  'mailbox gone': [{ mailbox: undefined, making: fakes.making }, REJECT],
  inactive: [{ mailbox: { ...mailbox, active: 0 } }, REJECT],
  'receives only': [{ mailbox: { ...mailbox, active: 2 } }, REJECT],
  resource: [{ mailbox: { ...mailbox, kind: 'location' } }, REJECT],
  'domain gone': [{ domain: undefined }, REJECT],
  'domain inactive': [{ domain: { ...domain, active: false } }, REJECT],
  locked: [{ lock: { untilMs: undefined } }, REJECT],
  'locked for another minute': [{ lock: { untilMs: 1_800_000_060_000 } }, REJECT],
  'lock is over': [{ lock: { untilMs: 1_800_000_000_000 } }, FINE],
  'smtp closed': [{ mailbox: { ...mailbox, services: { smtp: false } } }, REJECT],
  'smtp closed, but open for an app password': [
    {
      mailbox: { ...mailbox, services: { smtp: false } },
      appPasswords: [{ ...app, services: new Set(['smtp']) }],
    },
    FINE,
  ],
  ...Object.fromEntries(
    (
      [
        ['as it was made', {}, FINE],
        ['expired, and not swept yet', { expiresMs: 1_800_000_000_000 }, REJECT],
        ['not used for too long', { unusedDays: 1 }, REJECT],
        ['revoked, and switched on again by somebody', { revokedMs: 1 }, REJECT],
        ['of the user before', { directoryId: 'id-before' }, REJECT],
      ] as const
    ).map(([name, change, expected]) => [
      `smtp closed, and the app password ${name}`,
      [
        {
          mailbox: { ...mailbox, services: { smtp: false } },
          appPasswords: [{ ...app, own: { ...own, ...change }, services: new Set(['smtp'] as const) }],
        },
        expected,
      ] as const,
    ]),
  ),
  'smtp closed, and the app password revoked': [
    {
      mailbox: { ...mailbox, services: { smtp: false } },
      appPasswords: [{ ...app, active: false, services: new Set(['smtp']) }],
    },
    REJECT,
  ],
}

for (const [name, [stored, expected]] of Object.entries(ROWS)) {
  t.test(`sasl-access by rows: ${name}`, async (t) => {
    const { source, ask } = saslAccess()
    source.stored = { ...fakes.resident, ...stored }
    t.same(await ask(), expected)
  })
}

t.test('sasl-access by the directory', async (t) => {
  const { jane } = fakes
  const users = {
    enabled: [jane, FINE],
    disabled: [{ ...jane, enabled: false }, REJECT],
    'another identity': [{ ...jane, id: 'id-other' }, REJECT],
    'no hash any more': [{ ...jane, hashes: [] }, FINE],
  } as const
  for (const [name, [user, expected]] of Object.entries(users)) {
    const { directory, ask } = saslAccess()
    directory.answer = () => Promise.resolve({ kind: 'found', user })
    t.same(await ask(), expected, name)
  }
  const { directory, ask } = saslAccess()
  directory.answer = () => Promise.resolve({ kind: 'absent' })
  t.same(await ask(), REJECT, 'gone')
})

t.test('sasl-access: names that are no address, and other spellings', async (t) => {
  const { ask } = saslAccess()
  for (const name of ['', 'jane', '@example.org', 'jane@', 'a/b@example.org'])
    t.same(await ask(name), REJECT, name)
  t.same(await ask('JANE@Example.org'), FINE)
})

t.test('sasl-access: a directory that is down is not known, never refused; a lock needs none', async (t) => {
  const { clock, source, directory, accounts, ask } = saslAccess()
  directory.answer = () => Promise.reject(new MailpassdError('directory_unavailable', 'down'))
  t.same(await ask(JANE, 2000), { kind: 'temp_fail', why: 'directory_down' }, 'never seen')
  directory.answer = () => Promise.resolve({ kind: 'found', user: fakes.jane })
  t.same(await ask(), FINE)
  directory.answer = () => Promise.reject(new MailpassdError('directory_unavailable', 'down'))
  await clock.advance(200_000)
  t.same(await ask(JANE, 2000), FINE, 'a record of three minutes serves')
  await clock.advance(200_000)
  t.same(await ask(JANE, 2000), { kind: 'temp_fail', why: 'directory_down' }, 'an older one does not')
  source.stored = { ...fakes.resident, lock: { untilMs: undefined } }
  accounts.changed({ kind: 'mailbox', address: JANE })
  await clock.advance(1)
  t.same(await ask(JANE, 2000), REJECT, 'locked')
})

t.test('sasl-access: a mailbox that is not of the directory needs none', async (t) => {
  const { source, directory, ask } = saslAccess()
  directory.answer = () => Promise.reject(new MailpassdError('directory_unavailable', 'down'))
  source.stored = { ...fakes.resident, mailbox: { ...mailbox, authsource: 'mailcow' } }
  t.same(await ask(), FINE)
})

t.test('a database that is down is not known, for every map', async (t: Test) => {
  const clock = new FakeClock()
  const accounts = { get: () => Promise.reject(new MailpassdError('store_conflict', 'busy')) }
  const parts = {
    accounts,
    settings: () => fakes.settings,
    clock,
    logger: silentLogger,
    recipientDelimiter: '+',
  }
  const maps = createMailMaps({ ...parts, source: downSource })
  t.same(
    [...maps.keys()],
    ['virtual-mailbox-domains', 'virtual-mailbox', 'virtual-alias', 'sender-login', 'sasl-access'],
  )
  for (const [name, lookup] of maps) {
    const key = name.endsWith('domains') ? 'example.org' : JANE
    t.same(await lookup(key), { kind: 'temp_fail', why: 'store_down' }, name)
  }
  const broken = createMailMaps({
    ...parts,
    source: { ...downSource, lookupHosting: () => Promise.reject(new Error('a fault of ours')) },
  })
  t.same(await broken.get('virtual-alias')?.(JANE), { kind: 'temp_fail', why: 'internal' })
})
