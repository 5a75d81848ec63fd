/** The configurations in conf/ are good ones, once their secrets are there. */
import t from 'tap'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { examineConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problem.ts'

const CONF = join(import.meta.dirname, '../../conf')

const base = await mkdtemp(join(tmpdir(), 'mailpassd-shipped-'))
t.teardown(() => rm(base, { recursive: true, force: true }))

const SECRETS = ['client_secret', 'store_password', 'redis_password', 'token_dovecot']
const shipped = (await readdir(CONF)).filter((name) => name.endsWith('.toml'))

t.test('all are there', async (t) => {
  t.same(shipped.sort(), [
    'mailcow.toml',
    'mailpassd.example.toml',
    'standalone-mariadb.toml',
    'standalone-sqlite.toml',
  ])
})

for (const name of shipped)
  t.test(`${name}: a good configuration without a warning; its secrets are read from files`, async (t) => {
    const path = join(base, name)
    await cp(join(CONF, name), path)
    const examine = () => examineConfig({ path, dataDir: base, env: {}, makeDataDir: false })
    if (name !== 'mailpassd.example.toml') {
      for (const secret of SECRETS) await rm(join(base, secret), { force: true })
      const { problems } = await examine()
      t.ok(problems.length >= 2)
      for (const { text } of problems) t.match(text, /cannot be read \(ENOENT\)$/)
    }
    for (const secret of SECRETS)
      await writeFile(join(base, secret), `${secret}-of-this-test-only\n`, { mode: 0o600 })
    const { config, problems, warnings } = await examine()
    t.same(problems.map(formatProblem), [])
    t.same(warnings.map(formatProblem), [])
    if (name === 'mailpassd.example.toml') return
    t.match(config, {
      directory: { kind: 'keycloak', client_secret: 'client_secret-of-this-test-only' },
      tokens: [{ name: 'dovecot', scopes: ['login'], secret: 'token_dovecot-of-this-test-only' }],
    })
    if (config?.store.kind === 'mysql') t.equal(config.store.password, 'store_password-of-this-test-only')
  })
