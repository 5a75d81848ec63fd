/** The realm file: what is wrong with it and where, when it is read again, big ones, and the one that we write. */
import { randomUUID } from 'node:crypto'
import { readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createRealmFileDirectory } from '../../src/directory/realm-file/directory.ts'
import { jsonErrorPlace } from '../../src/directory/realm-file/json-place.ts'
import { writeRealmFile } from '../../src/directory/realm-file/write.ts'
import type { DirectoryProfile } from '../../src/directory/user.ts'
import { silentLogger, type Logger } from '../../src/telemetry/logger.ts'
import { FakeClock } from '../fakes/clock.ts'

const HASH = '{PLAIN}the-hash-of-this-test'
const PROFILE_PROVIDER = 'org.keycloak.userprofile.UserProfileProvider'
const DEFAULT_PROFILE: DirectoryProfile = {
  emailSelfChosen: false,
  hashVisible: true,
  hashSelfEdited: false,
  templateSelfEdited: false,
}

function open(t: Test) {
  const path = join(t.testdir({}), 'realm.json')
  const clock = new FakeClock()
  const said: string[] = []
  const say = (fields: object, text: string) => said.push(`${text} ${inspect(fields, { depth: 9 })}`)
  const logger: Logger = { ...silentLogger, warn: say, error: say }
  const directory = createRealmFileDirectory({
    path,
    passwordAttribute: 'mailcow_password',
    templateAttribute: 'mailcow_template',
    logger,
    clock,
  })
  t.teardown(() => directory.close())
  /** Puts another file in its place, as an editor or `kc.sh export` would, and lets the next look-up see it. */
  async function put(text: string): Promise<void> {
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
    await clock.advance(1000)
  }
  return { path, clock, said, directory, put }
}

function realm(users: readonly object[], more: object = {}): string {
  return JSON.stringify({ realm: 'test', users, ...more })
}

function user(name: string, change: object = {}): object {
  return {
    id: `id-${name}`,
    username: name,
    email: `${name}@x.example`,
    emailVerified: true,
    enabled: true,
    attributes: { mailcow_password: [HASH] },
    ...change,
  }
}

t.test('a file that was never good is an error with its place, and quotes nothing', async (t) => {
  const { directory, put, path, said } = open(t)
  await t.rejects(directory.findByEmail('joe@x.example'), {
    code: 'directory_unavailable',
    message: `${path}: ENOENT`,
  })
  const withProfile = (config: unknown) => realm([], { components: { [PROFILE_PROVIDER]: config } })
  const cases: readonly (readonly [text: string, message: RegExp])[] = [
    ['', /no JSON from line 1 column 1 on$/],
    [realm([user('joe')]).slice(0, -1), /no JSON from line 1 column \d+ on$/],
    [`{\n "realm": "test",\n "users": [{"hash": "${HASH}" x}]}`, /no JSON from line 3 column \d+ on$/],
    [`"${HASH}"`, /no realm export/],
    [JSON.stringify({ realm: 'test', hash: HASH }), /no realm export: .*users/],
    [JSON.stringify({ users: [] }), /no realm export: .*realm/],
    [realm([user('joe'), { username: 5, hash: HASH }]), /users\/1: \/username/],
    [realm([user('joe', { enabled: HASH })]), /users\/0: \/enabled/],
    [realm([user('joe', { attributes: [HASH] })]), /users\/0: \/attributes/],
    [realm([user('joe'), user('jane', { id: 'id-joe' })]), /users\/1: the same id as users\/0/],
    [realm([{ username: 'joe' }, { username: 'JOE' }]), /users\/1: the same id as users\/0/],
    [withProfile(HASH), /components\/org\.keycloak\.userprofile\.UserProfileProvider: no list/],
    [withProfile([{ config: { 'kc.user.profile.config': [`{"${HASH}"`] } }]), /no JSON from line 1/],
    [
      withProfile([{ config: { 'kc.user.profile.config': [`{"attributes": "${HASH}"}`] } }]),
      /no user profile/,
    ],
  ]
  for (const [text, message] of cases) {
    await put(text)
    const calls: readonly (() => Promise<unknown>)[] = [
      () => directory.findByEmail('joe@x.example'),
      () => directory.findById('id-joe'),
    ]
    for (const call of calls) {
      await t.rejects(call(), { code: 'directory_invalid', message }, String(message))
    }
    await directory.profile().then(
      () => t.fail('a profile from a file that is wrong'),
      (error: unknown) => t.notMatch(inspect(error, { depth: 9, showHidden: true }), /of-this-test/),
    )
  }
  t.notMatch(said.join('\n'), /of-this-test/)
  t.equal(said.length, cases.length + 1, 'each is told once')

  await unlink(path)
  await put(realm([user('joe')]))
  t.match(await directory.findByEmail('joe@x.example'), { kind: 'found' })
  t.strictSame(await directory.profile(), DEFAULT_PROFILE)
})

t.test('the last good reading serves while the file is wrong, half written or gone', async (t) => {
  const { directory, put, path, clock, said } = open(t)
  await put(realm([user('joe')]))
  t.match(await directory.findByEmail('joe@x.example'), { kind: 'found' })

  await writeFile(path, realm([user('jane')]).slice(0, 40))
  await clock.advance(1000)
  t.match(await directory.findByEmail('joe@x.example'), { kind: 'found' })
  await clock.advance(1000)
  t.match(await directory.findById('id-joe'), { username: 'joe' })
  t.equal(said.length, 1)
  t.match(said[0], /the last good realm file serves/)

  await unlink(path)
  await clock.advance(1000)
  t.match(await directory.findByEmail('joe@x.example'), { kind: 'found' })
  t.match(said[1], /ENOENT/)

  await put(realm([user('jane')]))
  t.strictSame(await directory.findByEmail('joe@x.example'), { kind: 'absent' })
  t.match(await directory.findByEmail('jane@x.example'), { kind: 'found' })
})

t.test('looks at the file once a second', async (t) => {
  const { directory, put, path, clock } = open(t)
  await put(realm([user('joe')]))
  await directory.findByEmail('joe@x.example')
  await writeFile(path, realm([user('joe'), user('jane')]))
  await clock.advance(999)
  t.strictSame(await directory.findByEmail('jane@x.example'), { kind: 'absent' })
  await clock.advance(1)
  const all = await Promise.all(Array.from({ length: 20 }, () => directory.findByEmail('jane@x.example')))
  t.ok(all.every((lookup) => lookup.kind === 'found'))
})

t.test('takes what people write by hand', async (t) => {
  const { directory, put } = open(t)
  await put(
    `\ufeff${realm([
      { username: 'Joe', email: 'Joe@X.example', enabled: true, attributes: { mailcow_password: HASH } },
      { username: 'nomail', email: null, attributes: null },
      { username: 'x', email: '' },
      user('proto', { attributes: { other: ['1'] } }),
    ])}`,
  )
  const lookup = await directory.findByEmail('joe@x.example')
  t.match(lookup, { kind: 'found', user: { username: 'Joe', hashes: [HASH], emailVerified: false } })
  const id = lookup.kind === 'found' ? lookup.user.id : ''
  t.match(id, /^file-[0-9a-f]{32}$/)
  t.strictSame(await directory.findByEmail(''), { kind: 'absent' })
  t.match(await directory.findByEmail('proto@x.example'), { user: { hashes: [] } })

  await put(realm([user('other'), { username: 'joe', email: 'joe@x.example' }]))
  t.match(await directory.findById(id), { username: 'joe', enabled: false }, 'the same id wherever it stands')
})

t.test('reads the rules of the realm', async (t) => {
  const { directory, put } = open(t)
  const declare = (attributes: object[], more: object = {}) => ({
    components: {
      [PROFILE_PROVIDER]: [
        { providerId: 'declarative-user-profile' },
        { config: { 'kc.user.profile.config': [JSON.stringify({ attributes, ...more })] } },
      ],
    },
  })
  const everybody = { view: ['admin', 'user'], edit: ['admin', 'user'] }
  const admin = { view: ['admin'], edit: ['admin'] }
  const cases: readonly (readonly [more: object, profile: Partial<DirectoryProfile>])[] = [
    [{}, DEFAULT_PROFILE],
    [{ registrationAllowed: true }, { emailSelfChosen: true }],
    [{ components: {} }, DEFAULT_PROFILE],
    [
      { components: { [PROFILE_PROVIDER]: [{ providerId: 'declarative-user-profile', config: {} }] } },
      DEFAULT_PROFILE,
    ],
    [declare([{ name: 'email', permissions: admin }]), DEFAULT_PROFILE],
    [declare([{ name: 'email', permissions: everybody }]), { emailSelfChosen: true, hashVisible: true }],
    [
      declare([{ name: 'email', permissions: admin }], { unmanagedAttributePolicy: 'ENABLED' }),
      { emailSelfChosen: false, hashSelfEdited: true, templateSelfEdited: true },
    ],
    [declare([{ name: 'mailcow_password', permissions: everybody }]), { hashSelfEdited: true }],
  ]
  for (const [more, profile] of cases) {
    await put(realm([], more))
    t.match(await directory.profile(), profile, inspect(more, { depth: 9 }))
  }
})

t.test('big files are read in a thread, and say the same', async (t) => {
  const { directory, put, clock, said } = open(t)
  const names = Array.from({ length: 5000 }, (_, index) => `user${index}`)
  const users = names.map((name) => user(name, { attributes: { mailcow_password: [name] } }))
  await put(
    realm([...users, user('one', { email: 'two@x.example' }), user('two')], { registrationAllowed: true }),
  )
  for (const name of ['user0', 'user4999', 'user2500']) {
    const lookup = await directory.findByEmail(`${name}@x.example`)
    t.match(lookup, { kind: 'found', user: { username: name, hashes: [name], template: undefined } })
    t.strictSame(await directory.findById(`id-${name}`), lookup.kind === 'found' && lookup.user)
  }
  t.match(await directory.findByEmail('two@x.example'), { kind: 'ambiguous', users: { length: 2 } })
  t.strictSame(await directory.findByEmail('user5000@x.example'), { kind: 'absent' })
  t.match(await directory.profile(), { emailSelfChosen: true })

  await put(`${realm(users)}\n,`)
  t.match(await directory.findByEmail('two@x.example'), { kind: 'ambiguous' })
  t.match(said[0], /no JSON from line 2 column 1 on/)
  await put(realm([...users, { id: 5, hash: HASH }]))
  t.match(await directory.findByEmail('two@x.example'), { kind: 'ambiguous' })
  t.match(said[1], /users\/5000: /)
  t.notMatch(said.join('\n'), /of-this-test/)

  await put(realm(users))
  const early = directory.findByEmail('two@x.example')
  await clock.advance(1000)
  t.match(await early, { kind: 'ambiguous' }, 'a reading that takes long is not waited for')
  let late = await directory.findByEmail('two@x.example')
  while (late.kind !== 'absent') late = await directory.findByEmail('two@x.example')
  t.strictSame(late, { kind: 'absent' })
})

t.test('says where a text stops being JSON', async (t) => {
  const places: readonly (readonly [text: string, place: string])[] = [
    ['', 'line 1 column 1'],
    [' \n ', 'line 2 column 2'],
    ['{"a": 1,}', 'line 1 column 9'],
    ['{"a": 1\n "b": 2}', 'line 2 column 2'],
    ['[1, 2', 'line 1 column 6'],
    ['[1 2]', 'line 1 column 4'],
    ['[1,]', 'line 1 column 4'],
    ['{"a" 1}', 'line 1 column 6'],
    ['{a: 1}', 'line 1 column 2'],
    ['{"a": [1}', 'line 1 column 9'],
    ['[}', 'line 1 column 2'],
    ['{]', 'line 1 column 2'],
    ['1 2', 'line 1 column 3'],
    ['{"a": "x\ny"}', 'line 1 column 7'],
    ['["\\x"]', 'line 1 column 2'],
    ['[01]', 'line 1 column 3'],
    ['[nul]', 'line 1 column 2'],
    ['{"a":1}}', 'line 1 column 8'],
    ['{"a":}', 'line 1 column 6'],
    ['{:1}', 'line 1 column 2'],
    ['[1:2]', 'line 1 column 3'],
    [`["${'x'.repeat(5_000_000)}`, 'line 1 column 2'],
    [`["${'x'.repeat(5_000_000)}" 1`, 'line 1 column 5000005'],
    ['['.repeat(100_000), 'line 1 column 100001'],
  ]
  for (const [text, place] of places) t.equal(jsonErrorPlace(text), place, text.slice(0, 30))
  const columns = (text: string) => `line 1 column ${text.length + 1}`
  const jsonText = fc.json({ maxDepth: 5 })
  fc.assert(fc.property(jsonText, (text) => jsonErrorPlace(text) === columns(text)))
  // A NUL stands in no JSON text: outside of strings it is exactly the place.
  const plain = fc.object({ key: fc.constantFrom('a', 'b'), values: [fc.integer(), fc.constant(null)] })
  fc.assert(
    fc.property(plain, fc.nat(), (value, seed) => {
      const text = JSON.stringify(value)
      const brackets = [...text.matchAll(/[{}[\]]/g)].map((match) => match.index)
      const before = text.slice(0, brackets[seed % brackets.length])
      return jsonErrorPlace(`${before}\0`) === columns(before)
    }),
  )
})

t.test('writes a realm file that can be read', async (t) => {
  const { directory, path, clock } = open(t)
  await writeRealmFile(path, [
    { username: 'demo', email: 'demo@x.example', hash: HASH, firstName: 'Demo', template: 'staff' },
    { username: 'other', email: 'other@x.example', hash: HASH },
  ])
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.match(await directory.findByEmail('demo@x.example'), {
    kind: 'found',
    user: {
      username: 'demo',
      hashes: [HASH],
      template: 'staff',
      firstName: 'Demo',
      emailVerified: true,
      enabled: true,
    },
  })
  t.strictSame(await directory.profile(), DEFAULT_PROFILE)

  await writeRealmFile(path, [{ username: 'new', email: 'new@x.example', hash: HASH }], { realm: 'second' })
  await clock.advance(1000)
  t.match(await directory.findByEmail('new@x.example'), { kind: 'found' })
  t.match(JSON.parse(await readFile(path, 'utf8')), { realm: 'second' })

  const dir = join(path, '..')
  t.strictSame(await readdir(dir), ['realm.json'], 'leaves nothing else behind')
  await t.rejects(writeRealmFile(join(dir, 'no', randomUUID()), []), { code: 'config_unreadable' })
})
