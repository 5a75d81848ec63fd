/** Generated situations of a login: everything that a room looks at, in every state it may have, independent of sense. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type {
  MakingFacts,
  StoredAccount,
  StoredAppPassword,
  StoredDomain,
  StoredMailbox,
} from '../../src/account/stored.ts'
import type { DirectorySettings } from '../../src/config/settings.ts'
import type { Lookup } from '../../src/directory/directory.ts'
import type { DirectoryProfile, DirectoryUser } from '../../src/directory/user.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { Door } from '../../src/login/request.ts'
import { FLAGGED_SERVICES, SERVICES, type FlaggedService, type Service } from '../../src/login/service.ts'
import { MIB, domain, jane, mailbox, making, profile, settings, template } from '../fakes/accounts.ts'
import { FAKE_NOW_MS } from '../fakes/clock.ts'

/** A stored hash, and the password that it was made of; for one that is never compared, a password nobody has. */
export interface KnownHash {
  readonly hash: string
  readonly password: string
  readonly isComparable: (allowWeak: boolean) => boolean
}

export interface Situation {
  readonly name: string
  readonly service: Service
  readonly door: Door
  readonly remoteIp: string | undefined
  readonly allowWeak: boolean
  readonly stored: StoredAccount
  readonly storeFails: ErrorCode | undefined
  readonly lookup: Lookup | ErrorCode
  readonly profile: DirectoryProfile
  readonly settings: DirectorySettings
  readonly mains: readonly KnownHash[]
  readonly apps: ReadonlyMap<number, KnownHash>
}

const always = () => true
const never = () => false
const weakOnly = (allowWeak: boolean) => allowWeak

/** Of every kind that differs in how it is read; `password` is in all that can be compared. */
function hashes(password: string): fc.Arbitrary<KnownHash> {
  const kinds: KnownHash[] = [
    { hash: `{PLAIN}${password}`, password, isComparable: weakOnly },
    { hash: `{CLEAR.HEX}${Buffer.from(password).toString('hex')}`, password, isComparable: weakOnly },
    { hash: '{NOPE}whatever', password, isComparable: never },
    { hash: 'no braces', password, isComparable: never },
    { hash: `{BLF-CRYPT}$2y$31$${'a'.repeat(53)}`, password, isComparable: never },
    { hash: `{CRYPT}$1$salt$${'b'.repeat(10)}`, password, isComparable: never },
    { hash: `{SSHA256}${'*'.repeat(60)}`, password, isComparable: never },
    { hash: `{PLAIN}${'x'.repeat(1100)}`, password, isComparable: never },
  ]
  const strong = STRONG.get(password)
  const usable: KnownHash[] = strong === undefined ? [] : [{ hash: strong, password, isComparable: always }]
  return fc.oneof(
    { arbitrary: fc.constantFrom(...usable, ...kinds.slice(0, 2)), weight: 4 },
    { arbitrary: fc.constantFrom(...kinds), weight: 1 },
  )
}

/** Of an app password that mailpassd made: its tag, and what its owner types. */
const tagOf = (id: number) => `phane${id + 1}`
const ownPassword = (id: number) => `${tagOf(id)}-aaaa-bbbb-cccc-dddd-eeee`

const PASSWORDS = [
  'main-0',
  'main-1',
  'main-2',
  ...[1, 2, 3].flatMap((id) => [`device-${id}`, ownPassword(id)]),
]

/** {SSHA512} of each, salted with zeros: compared at once, whatever is allowed. */
const STRONG: ReadonlyMap<string, string> = new Map(
  PASSWORDS.map((password) => [password, ssha512(password)]),
)

function ssha512(password: string): string {
  const salt = Buffer.alloc(8)
  const digest = createHash('sha512').update(password).update(salt).digest()
  return `{SSHA512}${Buffer.concat([digest, salt]).toString('base64')}`
}

const rarely = fc.oneof(
  { arbitrary: fc.constant(false), weight: 7 },
  { arbitrary: fc.constant(true), weight: 1 },
)
const mostly = rarely.map((value) => !value)
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
/** Usually `usual`. */
const often = <T>(usual: T, ...others: T[]) =>
  fc.oneof(
    { arbitrary: fc.constant(usual), weight: 5 },
    ...others.map((other) => ({ arbitrary: fc.constant(other), weight: 1 })),
  )

const flags = fc.record(
  { imap: mostly, pop3: mostly, smtp: mostly, sieve: mostly, eas: mostly, dav: mostly },
  { requiredKeys: [] },
)

const domains: fc.Arbitrary<StoredDomain> = fc.record({
  name: fc.constant('example.org'),
  active: mostly,
  maxMailboxes: often(10, 0, 3),
  maxMailboxQuotaBytes: often(domain.maxMailboxQuotaBytes, MIB),
  quotaBytes: often(domain.quotaBytes, 0, 5 * MIB),
  autojoin: often<boolean | undefined>(true, false, undefined),
  template: often<string | undefined>(undefined, 'Domain', 'Gone'),
})

function openBut(closed: readonly FlaggedService[]): Record<FlaggedService, boolean> {
  const services = { ...template.services }
  for (const service of closed) services[service] = false
  return services
}

const templates = fc.subarray(['Default', 'Domain', 'Staff']).chain((names) =>
  fc.tuple(
    ...names.map((name) =>
      fc
        .record({
          quotaBytes: often(0, 2 * MIB, 20_000 * MIB),
          active: often<0 | 1 | 2>(1, 0, 2),
          closed: fc.subarray<FlaggedService>([...FLAGGED_SERVICES], { maxLength: 2 }),
        })
        .map(({ quotaBytes, active, closed }) => ({
          ...template,
          name,
          quotaBytes,
          active,
          services: openBut(closed),
        })),
    ),
  ),
)

const makings: fc.Arbitrary<MakingFacts> = fc.record({
  mailboxCount: often(0, 3, 10),
  quotaSumBytes: often(0, 4 * MIB),
  isAlias: rarely,
  isSpamAlias: rarely,
  collides: rarely,
  templates: fc.oneof({ arbitrary: fc.constant(making.templates), weight: 2 }, templates),
})

const mailboxes = (hash: string): fc.Arbitrary<StoredMailbox> =>
  fc.record({
    username: fc.constant('jane@example.org'),
    hash: fc.constant(hash),
    authsource: often<StoredMailbox['authsource']>('keycloak', 'mailcow', 'mailcow', 'ldap', 'generic-oidc'),
    active: often<0 | 1 | 2>(1, 0, 2),
    kind: often('', 'location'),
    services: flags,
    tfaActive: rarely,
    directoryId: often<string | undefined>('id-jane', undefined, 'id-other'),
    missing: fc.record({ alias: rarely, quota2: rarely, quota2replica: rarely, userAcl: rarely }),
    name: fc.constant(''),
    quotaBytes: fc.constant(0),
    mailboxFormat: fc.constant(mailbox.mailboxFormat),
    pathPrefix: fc.constant(mailbox.pathPrefix),
  })

const DAY_MS = 86_400_000
const times = fc.constantFrom(FAKE_NOW_MS - DAY_MS, FAKE_NOW_MS - 1, FAKE_NOW_MS, FAKE_NOW_MS + DAY_MS)

function appPasswords(id: number): fc.Arbitrary<{ row: StoredAppPassword; known: KnownHash }> {
  return fc
    .record({
      foreign: hashes(`device-${id}`),
      ours: hashes(ownPassword(id)),
      services: fc.subarray<FlaggedService>([...FLAGGED_SERVICES], { minLength: 2 }),
      active: mostly,
      lastUsedMs: maybe(times),
      own: maybe(
        fc.record({
          tag: fc.constant(tagOf(id)),
          directoryId: often<string | undefined>('id-jane', undefined, 'id-other'),
          networks: often<readonly string[]>([], ['192.0.2.0/24'], ['2001:db8::/32', '198.51.100.7/32']),
          createdMs: fc.constant(FAKE_NOW_MS - 40 * DAY_MS),
          expiresMs: maybe(times),
          unusedDays: often<number | undefined>(undefined, 1, 30, 90),
          revokedMs: often<number | undefined>(undefined, FAKE_NOW_MS - 1),
        }),
      ),
    })
    .map(({ foreign, ours, services, active, lastUsedMs, own }) => {
      const known = own === undefined ? foreign : ours
      const row = {
        id,
        hash: known.hash,
        services: new Set(services),
        // Rows of others that are off are not even loaded.
        active: own === undefined ? true : active && own.revokedMs === undefined,
        own,
        lastUsedMs,
      }
      return { known, row }
    })
}

/** More app passwords of other programs than are compared, all used later than the others. */
const crowd = hashes('of the crowd').map(({ hash }) =>
  Array.from({ length: 22 }, (_, at): StoredAppPassword => {
    const services = new Set(FLAGGED_SERVICES)
    return { id: 100 + at, hash, services, active: true, own: undefined, lastUsedMs: FAKE_NOW_MS - at }
  }),
)

const users = (mains: readonly KnownHash[]): fc.Arbitrary<DirectoryUser> =>
  fc
    .record({
      id: often('id-jane', 'id-mallory'),
      emailVerified: mostly,
      enabled: mostly,
      lockedOut: rarely,
      requiredActions: often<readonly string[]>([], ['UPDATE_PASSWORD']),
      template: often<string | undefined>(undefined, 'staff', 'unmapped'),
    })
    .map((some) => ({
      ...jane,
      ...some,
      enabled: some.enabled && !some.lockedOut,
      hashes: mains.map(({ hash }) => hash),
    }))

const lookups = (mains: readonly KnownHash[]): fc.Arbitrary<Lookup | ErrorCode> =>
  fc.oneof(
    { arbitrary: users(mains).map((user) => ({ kind: 'found', user }) as const), weight: 12 },
    { arbitrary: fc.constant({ kind: 'absent' } as const), weight: 2 },
    {
      arbitrary: users(mains).map(
        (user) => ({ kind: 'ambiguous', users: [{ ...user, id: 'id-twin' }, user] }) as const,
      ),
      weight: 1,
    },
    { arbitrary: fc.constant({ kind: 'other_email' } as const), weight: 1 },
    {
      arbitrary: fc.constantFrom<ErrorCode>(
        'directory_unavailable',
        'directory_refused',
        'directory_invalid',
        'internal',
      ),
      weight: 2,
    },
  )

const allSettings: fc.Arbitrary<DirectorySettings> = fc
  .record({
    mailpasswordFlow: mostly,
    loginProvisioning: fc.boolean(),
    defaultTemplate: often<string | undefined>('Default', undefined, 'Gone'),
    requireEmailVerified: fc.constantFrom('auto' as const, 'yes' as const, 'no' as const),
    refuseRequiredActions: fc.boolean(),
    lockout: fc.constantFrom('block' as const, 'ignore' as const),
    trustUserAttributes: fc.boolean(),
    namesFromDirectory: fc.boolean(),
  })
  .map((some) => ({ ...settings, ...some, mappings: new Map([['staff', 'Staff']]) }))

const profiles: fc.Arbitrary<DirectoryProfile> = fc
  .record({ emailSelfChosen: fc.boolean(), templateSelfEdited: rarely, hashVisible: mostly })
  .map((some) => ({ ...profile, ...some }))

const mainHashes = fc
  .oneof(
    { arbitrary: fc.tuple(hashes('main-0')), weight: 4 },
    { arbitrary: fc.tuple(hashes('main-0'), hashes('main-1'), hashes('main-2')), weight: 1 },
    { arbitrary: fc.constant([]), weight: 1 },
  )
  .map((list): readonly KnownHash[] => list)

export const situations: fc.Arbitrary<Situation> = fc
  .record({
    mains: mainHashes,
    apps: fc.tuple(maybe(appPasswords(1)), maybe(appPasswords(2)), maybe(appPasswords(3))),
    hasMailbox: fc.boolean(),
    others: fc.oneof({ arbitrary: fc.constant([]), weight: 7 }, { arbitrary: crowd, weight: 1 }),
  })
  .chain(({ mains, apps, hasMailbox, others }) =>
    fc
      .record({
        name: often('jane@example.org', 'JANE@Example.org', "o'neill@example.org", 'jane'),
        service: fc.constantFrom<Service>(...FLAGGED_SERVICES, ...SERVICES),
        door: fc.constantFrom<Door>('sasl', 'http', 'mailcow', 'cli'),
        remoteIp: fc.constantFrom('192.0.2.1', '198.51.100.7', '2001:db8::1', undefined),
        allowWeak: fc.boolean(),
        storeFails: often<ErrorCode | undefined>(undefined, undefined, undefined, 'store_unavailable'),
        lookup: lookups(mains),
        profile: profiles,
        settings: allSettings,
        hosting: fc.oneof(
          { arbitrary: domains.map((domain) => ({ domain, aliasDomainOf: undefined })), weight: 10 },
          { arbitrary: fc.constant({ domain: undefined, aliasDomainOf: 'example.com' }), weight: 1 },
          { arbitrary: fc.constant({ domain: undefined, aliasDomainOf: undefined }), weight: 1 },
        ),
        lock: often<{ untilMs: number | undefined } | undefined>(
          undefined,
          { untilMs: undefined },
          { untilMs: FAKE_NOW_MS - 1 },
          { untilMs: FAKE_NOW_MS + 1 },
        ),
        mailbox: mailboxes(mains[0]?.hash ?? ''),
        making: makings,
      })
      .map(({ hosting, lock, mailbox, making, ...rest }): Situation => {
        const rows = hasMailbox ? apps.filter((one) => one !== undefined) : []
        return {
          ...rest,
          mains: hasMailbox && mailbox.authsource === 'mailcow' ? mains.slice(0, 1) : mains,
          apps: new Map(rows.map(({ row, known }) => [row.id, known])),
          stored: {
            ...hosting,
            lock,
            mailbox: hasMailbox ? mailbox : undefined,
            appPasswords: hasMailbox ? [...others, ...rows.map(({ row }) => row)] : [],
            making: hasMailbox ? undefined : making,
          },
        }
      }),
  )
