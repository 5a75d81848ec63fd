/** The lines of docs/keycloak.md prepare a realm: they are run as they stand there, and then somebody logs in. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { defaultServersDir } from '../servers/keycloak.ts'
import { KEYCLOAK_ADMIN } from '../servers/keycloak-realm.ts'
import { keycloakMissing, suite } from '../servers/suite.ts'
import { httpLogin, MAILPASSD, startDaemon } from './daemon.ts'
import { isRecord } from './json.ts'

const run = promisify(execFile)
const KCADM_DIR = join(defaultServersDir(), 'keycloak-26.7.3/bin')
const PASSWORD = 'from the lines of the document'
/** Each line starts a JVM, 2 s where nothing else runs. */
const LIMIT_MS = 280_000

/** Blocks of shell lines, in order, as one script. */
async function linesOf(document: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '../../docs', document), 'utf8')
  return [...text.matchAll(/^( *)```\w*\n([^]*?)^\1```$/gm)]
    .map(([, indent = '', block = '']) => block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))
    .filter((block) => block.includes('kcadm.sh'))
    .join('\n')
}

suite(
  'docs/keycloak.md, line by line',
  [
    keycloakMissing(),
    existsSync(join(KCADM_DIR, 'kcadm.sh')) ? undefined : 'kcadm.sh is not installed (npm run servers)',
  ],
  async (t) => {
    t.setTimeout(LIMIT_MS)
    const url = process.env['MAILPASSD_TEST_KEYCLOAK'] ?? ''
    const dir = await mkdtemp(join(tmpdir(), 'mailpassd-kcadm-'))
    t.teardown(() => rm(dir, { recursive: true, force: true }))
    const realm = `lines-${process.pid}`
    const env = {
      ...process.env,
      // kcadm.sh keeps its session in the home directory.
      HOME: dir,
      PATH: `${KCADM_DIR}:${dirname(MAILPASSD)}:${process.env['PATH']}`,
      KC_CLI_PASSWORD: KEYCLOAK_ADMIN.password,
      PASSWORD,
    }
    const shell = (script: string) =>
      run('bash', ['-euo', 'pipefail', '-c', script], { cwd: dir, env, timeout: LIMIT_MS })
    t.teardown(() => shell(`kcadm.sh delete realms/${realm}`).catch(() => {}))

    const replacements = [
      ['server=https://id.example.org realm=mail\n', `server=${url} realm=${realm}\n`],
      ['$(mailpassd hash make)', '$(echo "$PASSWORD" | mailpassd hash make)'],
    ] as const
    let script = await linesOf('keycloak.md')
    for (const [told, ours] of replacements) {
      t.ok(script.includes(told), `the document has: ${told.trim()}`)
      script = script.replace(told, ours)
    }
    t.ok((script.match(/kcadm\.sh/g) ?? []).length >= 9, 'no step is without its line')
    await shell(script)

    const secretFile = join(dir, 'client_secret')
    t.equal((await stat(secretFile)).mode & 0o777, 0o600)
    const profile: unknown = JSON.parse((await shell(`kcadm.sh get users/profile -r ${realm}`)).stdout)
    const attributes = isRecord(profile) && Array.isArray(profile['attributes']) ? profile['attributes'] : []
    const permissions = { view: ['admin'], edit: ['admin'] }
    t.match(
      attributes.filter(isRecord).filter(({ name }) => String(name).startsWith('mailcow_')),
      [
        { name: 'mailcow_password', multivalued: true, permissions },
        { name: 'mailcow_template', permissions },
      ],
    )
    t.ok(attributes.length >= 6, 'what was declared before is still there')

    const daemon = await startDaemon({
      config: `
[directory]
kind = "keycloak"
server_url = "${url}"
realm = "${realm}"
client_id = "mailpassd"
client_secret_file = "${secretFile}"
`,
    })
    t.teardown(() => daemon.stop())
    const config = ['--config', daemon.configFile, '--data-dir', daemon.dataDir]
    await run(MAILPASSD, ['domain', 'add', 'example.org', ...config])
    const { stdout } = await run(MAILPASSD, ['check', '--live', '--json', ...config])
    const checked: unknown = JSON.parse(stdout)
    t.match(checked, { ok: true }, 'check --live finds no fault')
    const steps =
      isRecord(checked) && Array.isArray(checked['steps']) ? checked['steps'].filter(isRecord) : []
    t.same(
      steps.filter(({ result }) => result === 'failed'),
      [],
    )
    t.match(await httpLogin(daemon.url, 'jane@example.org', PASSWORD), {
      status: 200,
      body: { verdict: 'ok', provisioned: true },
    })
  },
)
