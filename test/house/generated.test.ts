/** Generated files are as the source makes them now, and the example configuration is one. */
import t from 'tap'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GENERATED } from '../../scripts/generated.ts'
import { examineConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problem.ts'

const ROOT = join(import.meta.dirname, '../..')
const base = await mkdtemp(join(tmpdir(), 'mailpassd-generated-'))
t.teardown(() => rm(base, { recursive: true, force: true }))

t.test('generated files are in step with the source (else: npm run generate)', async (t) => {
  for (const [path, make] of GENERATED)
    t.equal((await readFile(join(ROOT, path), 'utf8')) === (await make()), true, path)
})

async function load(text: string) {
  const path = join(base, 'mailpassd.toml')
  await writeFile(path, text, { mode: 0o600 })
  const { config, problems } = await examineConfig({ path, dataDir: base, env: {}, makeDataDir: false })
  t.same(problems.map(formatProblem), [])
  return config
}

t.test(
  'the example configuration: as it is, and with every default uncommented, it says the defaults',
  async (t) => {
    const example = await readFile(join(ROOT, 'conf/mailpassd.example.toml'), 'utf8')
    const defaults = await load('')
    t.same(await load(example), defaults)
    const uncommented = example.replaceAll(/^#(?=\w+ = )/gm, '')
    t.not(uncommented, example)
    t.same(await load(uncommented), defaults)
  },
)

t.test('its examples are good values, each', async (t) => {
  const example = await readFile(join(ROOT, 'conf/mailpassd.example.toml'), 'utf8')
  const chosen = example
    .replaceAll(/^#\? (?=\w+ = |\[\[)/gm, '')
    // One way of giving a secret at a time.
    .replaceAll(/^\w*(?:secret|password|api_key|snapshot_key)_(?:file|env) = .*$/gm, '')
    // And one way to reach a Dovecot.
    .replaceAll(/^command = .*$/gm, '')
    .replace('kind = "realm-file"', 'kind = "keycloak"')
    .replace(/^#kind = "keycloak"/m, 'kind = "keycloak"')
    .replace('[admin]', '[admin]\nlisten = []\n')
  const config = await load(chosen)
  t.match(config, {
    directory: { kind: 'keycloak', realm: 'mail', mappings: [{ attribute: 'sales', template: 'Sales' }] },
    tokens: [{ name: 'dovecot', scopes: ['login'] }],
    sasl: { listeners: [{ listen: 'unix:auth.sock', temp_fail: 'close', mode: '0660' }] },
  })
})
