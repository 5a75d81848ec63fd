/** What the embedded default makes, and what of somebody else's it leaves alone. */
import t from 'tap'
import { readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepareEmbeddedDefault, TRY_ADDRESS } from '../src/embedded-default.ts'

t.test('made once, for its owner alone, and kept', async (t) => {
  const dir = t.testdir()
  const realm = join(dir, 'realm.json')
  const { realmFile, ...first } = await prepareEmbeddedDefault(dir, realm)
  await realmFile
  t.match(first, { token: /^[\w-]{32}$/, password: /^[\w-]{32}$/ })
  t.match(readFileSync(realm, 'utf8'), TRY_ADDRESS)
  for (const name of ['realm.json', 'token', 'demo-password'])
    t.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name)
  t.match(await prepareEmbeddedDefault(dir, realm), first)
})

t.test('a realm file of somebody else stays, and no user is made', async (t) => {
  const dir = t.testdir()
  const realm = join(dir, 'realm.json')
  writeFileSync(realm, '{}')
  t.equal((await prepareEmbeddedDefault(dir, realm)).password, undefined)
  t.equal(readFileSync(realm, 'utf8'), '{}')
})

t.test('so does one that cannot be read now', async (t) => {
  const dir = t.testdir()
  const realm = join(dir, 'realm.json')
  symlinkSync(join(dir, 'not-mounted', 'realm.json'), realm)
  t.equal((await prepareEmbeddedDefault(dir, realm)).password, undefined)
  t.equal(readlinkSync(realm), join(dir, 'not-mounted', 'realm.json'))
  writeFileSync(join(dir, 'file'), '')
  await t.rejects(prepareEmbeddedDefault(dir, join(dir, 'file', 'realm.json')), { code: 'config_unreadable' })
})
