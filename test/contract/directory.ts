/**
 * What every Directory promises, as one suite: test/contract/directory.test.ts runs it on the realm file and on a real
 * Keycloak. A subject makes a realm of these users in its own way and gives the directory on it.
 */
import type { Test } from 'tap'
import type { Directory } from '../../src/directory/directory.ts'
import type { TestUser } from '../servers/keycloak.ts'

export interface DirectoryRealm {
  readonly directory: Directory
  /** Changes what is named; the directory shows it at once. */
  setUser(username: string, change: Partial<TestUser>): Promise<void>
  deleteUser(username: string): Promise<void>
  addUser(user: TestUser): Promise<void>
  close(): Promise<void>
}

export interface DirectorySubject {
  readonly name: string
  /** A realm with users who may share e-mails, with mailcow_password and mailcow_template as attributes. */
  makeRealm(wish: {
    users: readonly TestUser[]
    registrationAllowed?: boolean
    emailEdited?: boolean
    attributes?: Readonly<Record<string, 'admin' | 'user-view' | 'user-edit'>>
  }): Promise<DirectoryRealm>
}

const USERS: readonly TestUser[] = [
  {
    username: 'bjoe',
    email: 'bjoe@x.example',
    attributes: { mailcow_password: ['{PLAIN}of bjoe'] },
  },
  {
    username: 'joe',
    email: 'joe@x.example',
    firstName: 'Joe',
    lastName: 'Bläck',
    attributes: {
      mailcow_password: ['{PLAIN}1', '{PLAIN}2', '{PLAIN}3', '{PLAIN}4', '{PLAIN}5', '{PLAIN}6'],
      mailcow_template: ['staff', 'other'],
    },
  },
  { username: 'jane', email: 'jane@x.example' },
  { username: 'percent', email: 'a%b@x.example' },
  { username: 'plus', email: 'a+b@x.example' },
  { username: 'upper', email: 'Upper@X.Example' },
  { username: 'off', email: 'off@x.example', enabled: false },
  { username: 'unverified', email: 'unverified@x.example', emailVerified: false },
  { username: 'first', email: 'twice@x.example' },
  { username: 'second', email: 'Twice@x.example' },
  { username: 'idn', email: 'idn@bücher.example' },
  { username: 'punycode', email: 'punycode@xn--bcher-kva.example' },
  { username: 'idntwice', email: 'idntwice@bücher.example' },
  { username: 'idntwice2', email: 'idntwice@xn--bcher-kva.example' },
  { username: 'nomail' },
  {
    username: 'locked',
    email: 'locked@x.example',
    enabled: false,
    attributes: { disabledReason: ['permanentLockout'] },
  },
  {
    username: 'reason',
    email: 'reason@x.example',
    enabled: false,
    attributes: { disabledReason: ['other'] },
  },
  { username: 'todo', email: 'todo@x.example', requiredActions: ['UPDATE_PASSWORD'] },
]

export async function directoryContract(t: Test, subject: DirectorySubject): Promise<void> {
  await t.test(`${subject.name}: finds users by e-mail and id`, async (t) => {
    const realm = await subject.makeRealm({ users: USERS })
    t.teardown(() => realm.close())
    const { directory } = realm

    await t.test('gives all of a user', async (t) => {
      const lookup = await directory.findByEmail('joe@x.example')
      t.match(lookup, {
        kind: 'found',
        user: {
          username: 'joe',
          email: 'joe@x.example',
          emailVerified: true,
          enabled: true,
          lockedOut: false,
          firstName: 'Joe',
          lastName: 'Bläck',
          template: 'staff',
        },
      })
      if (lookup.kind !== 'found') return
      t.strictSame(lookup.user.requiredActions, [])
      // Keycloak keeps several values in no order: any five of the six.
      t.equal(lookup.user.hashes.length, 5)
      for (const hash of lookup.user.hashes) t.match(hash, /^\{PLAIN\}[1-6]$/)
      t.strictSame(await directory.findById(lookup.user.id), lookup.user)
    })

    await t.test('never takes a substring, a wildcard or another case for the address', async (t) => {
      for (const absent of [
        'oe@x.example',
        'joe@x.exampl',
        'ja_e@x.example',
        'jan%@x.example',
        '%@x.example',
        '*',
        '%',
        '*@x.example',
        'nobody@x.example',
        'joe@x.example ',
        'joe',
        'email:joe@x.example',
        '"joe@x.example"',
        'joe@x.example&exact=false',
        '',
      ]) {
        t.strictSame(await directory.findByEmail(absent), { kind: 'absent' }, absent)
      }
      t.match(await directory.findByEmail('bjoe@x.example'), { user: { hashes: ['{PLAIN}of bjoe'] } })
      t.match(await directory.findByEmail('a%b@x.example'), { user: { username: 'percent' } })
      t.match(await directory.findByEmail('a+b@x.example'), { user: { username: 'plus' } })
    })

    await t.test('compares in lower case', async (t) => {
      t.match(await directory.findByEmail('upper@x.example'), {
        kind: 'found',
        user: { username: 'upper', email: 'upper@x.example', hashes: [], template: undefined },
      })
    })

    await t.test('finds an internationalised domain however it was typed', async (t) => {
      for (const name of ['idn', 'punycode']) {
        const email = `${name}@xn--bcher-kva.example`
        t.match(await directory.findByEmail(email), { kind: 'found', user: { username: name, email } })
      }
      t.match(await directory.findByEmail('idntwice@xn--bcher-kva.example'), { kind: 'ambiguous' })
      t.strictSame(await directory.findByEmail('idn@bucher.example'), { kind: 'absent' })
    })

    await t.test('says who is disabled, locked out, unverified or has something to do', async (t) => {
      t.match(await directory.findByEmail('off@x.example'), { user: { enabled: false, lockedOut: false } })
      t.match(await directory.findByEmail('locked@x.example'), { user: { enabled: false, lockedOut: true } })
      t.match(await directory.findByEmail('reason@x.example'), { user: { enabled: false, lockedOut: false } })
      t.match(await directory.findByEmail('unverified@x.example'), { user: { emailVerified: false } })
      t.match(await directory.findByEmail('todo@x.example'), {
        user: { requiredActions: ['UPDATE_PASSWORD'] },
      })
    })

    await t.test('gives both users of one e-mail, and each by id', async (t) => {
      const lookup = await directory.findByEmail('twice@x.example')
      t.equal(lookup.kind, 'ambiguous')
      if (lookup.kind !== 'ambiguous') return
      t.strictSame(lookup.users.map((user) => user.username).sort(), ['first', 'second'])
      for (const user of lookup.users) t.strictSame(await directory.findById(user.id), user)
    })

    await t.test('knows no other ids', async (t) => {
      const lookup = await directory.findByEmail('jane@x.example')
      const id = lookup.kind === 'found' ? lookup.user.id : ''
      for (const other of ['', 'jane', '..', id.slice(1), `${id}0`, '00000000-0000-0000-0000-000000000000']) {
        t.equal(await directory.findById(other), undefined, other)
      }
      t.match(await directory.findById(id), { username: 'jane' })
    })
  })

  await t.test(`${subject.name}: shows changes at once`, async (t) => {
    const realm = await subject.makeRealm({
      users: [
        { username: 'erin', email: 'erin@x.example', attributes: { mailcow_password: ['{PLAIN}old'] } },
        { username: 'mallory', email: 'mallory@x.example' },
      ],
    })
    t.teardown(() => realm.close())
    const { directory } = realm
    const before = await directory.findByEmail('erin@x.example')
    t.match(before, { user: { hashes: ['{PLAIN}old'], enabled: true } })
    const id = before.kind === 'found' ? before.user.id : ''

    await realm.setUser('erin', { attributes: { mailcow_password: ['{PLAIN}new'] } })
    t.match(await directory.findByEmail('erin@x.example'), { user: { id, hashes: ['{PLAIN}new'] } })
    await realm.setUser('erin', { enabled: false })
    t.match(await directory.findById(id), { enabled: false, hashes: ['{PLAIN}new'] })

    await realm.deleteUser('erin')
    t.strictSame(await directory.findByEmail('erin@x.example'), { kind: 'absent' })
    t.equal(await directory.findById(id), undefined)

    await realm.setUser('mallory', { email: 'erin@x.example' })
    const after = await directory.findByEmail('erin@x.example')
    t.match(after, { kind: 'found', user: { username: 'mallory' } })
    if (after.kind === 'found') t.not(after.user.id, id, 'another identity under the same address')

    await realm.addUser({ username: 'new', email: 'new@x.example' })
    t.match(await directory.findByEmail('new@x.example'), { kind: 'found', user: { username: 'new' } })
  })

  await t.test(`${subject.name}: gives pages of users`, async (t) => {
    const realm = await subject.makeRealm({ users: USERS })
    t.teardown(() => realm.close())
    const { directory } = realm
    t.equal(await directory.count(), USERS.length, 'service accounts are no users')
    const all = await directory.page({ first: 0, max: 500 })
    const names = all.map((entry) => (entry.kind === 'user' ? entry.user.username : entry.reason))
    t.strictSame([...names].sort(), USERS.map(({ username }) => username).sort())
    for (const entry of all) {
      if (entry.kind !== 'user' || entry.user.hashes.length > 1) continue
      t.strictSame(entry.user, await directory.findById(entry.user.id), 'as the look-up gives them')
    }
    const parts = [
      ...(await directory.page({ first: 0, max: 7 })),
      ...(await directory.page({ first: 7, max: 7 })),
      ...(await directory.page({ first: 14, max: 7 })),
    ]
    t.strictSame(parts, all, 'in one order')
    t.strictSame(await directory.page({ first: USERS.length, max: 7 }), [])
    t.strictSame(await directory.page({ first: 1_000_000, max: 7 }), [])
    await realm.deleteUser('bjoe')
    t.equal(await directory.count(), USERS.length - 1)
    t.equal((await directory.page({ first: 0, max: 500 })).length, USERS.length - 1)
  })

  await t.test(`${subject.name}: tells the realm's rules`, async (t) => {
    const closed = await subject.makeRealm({ users: [], registrationAllowed: false })
    t.teardown(() => closed.close())
    t.strictSame(await closed.directory.profile(), {
      emailSelfChosen: false,
      hashVisible: true,
      hashSelfEdited: false,
      templateSelfEdited: false,
    })
    const open = await subject.makeRealm({ users: [], registrationAllowed: true })
    t.teardown(() => open.close())
    t.match(await open.directory.profile(), { emailSelfChosen: true })
    const loose = await subject.makeRealm({
      users: [],
      emailEdited: true,
      attributes: { mailcow_password: 'user-view', mailcow_template: 'user-edit' },
    })
    t.teardown(() => loose.close())
    t.strictSame(await loose.directory.profile(), {
      emailSelfChosen: true,
      hashVisible: true,
      hashSelfEdited: false,
      templateSelfEdited: true,
    })
  })
}
