/**
 * Mirror mode, the snapshot and the guard against a mass change on a real Keycloak with 500 users: a daemon that is
 * killed and starts while Keycloak is away lets in users who never logged in before.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Compile } from 'typebox/compile'
import type { Test } from 'tap'
import { DirectoryState } from '../../src/telemetry/directory-state.ts'
import { startFaultProxy } from '../servers/fault-proxy.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'
import { hash, keycloakAndMariadb, mailUser } from './backend.ts'
import { httpLogin, MAILPASSD, startDaemon, TOKEN, type RunningDaemon } from './daemon.ts'

const DOMAIN = 'mirror.example'
const MANY = 500
const WITHIN_MS = 120_000
const run = promisify(execFile)
const state = Compile(DirectoryState)

async function directoryOf(daemon: RunningDaemon): Promise<DirectoryState> {
  const response = await fetch(`${daemon.adminUrl}/v1/directory`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  const told: unknown = await response.json()
  if (state.Check(told)) return told
  throw new Error('not as the schema says')
}

async function until(
  daemon: RunningDaemon,
  happened: (told: DirectoryState) => boolean,
): Promise<DirectoryState> {
  const lastMs = Date.now() + WITHIN_MS
  for (;;) {
    const told = await directoryOf(daemon)
    if (happened(told)) return told
    if (Date.now() > lastMs)
      throw new Error(`it did not happen: ${JSON.stringify(told)}\n${daemon.log().slice(-3000)}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function cli(daemon: RunningDaemon, ...words: string[]): Promise<{ code: unknown; out: string }> {
  const where = ['--config', daemon.configFile, '--data-dir', daemon.dataDir]
  return run(MAILPASSD, [...words, ...where]).then(
    ({ stdout }) => ({ code: 0, out: stdout }),
    (error: unknown) => ({
      code: Reflect.get(Object(error), 'code'),
      out: String(Reflect.get(Object(error), 'stdout')),
    }),
  )
}

const name = (number: number) => `user${String(number).padStart(4, '0')}`
const email = (number: number) => `${name(number)}@${DOMAIN}`

async function journey(t: Test): Promise<void> {
  const backend = await keycloakAndMariadb(t, DOMAIN, [mailUser(`first@${DOMAIN}`, 'right')])
  const right = hash('right')
  await backend.realm.admin('POST', '/partialImport', {
    ifResourceExists: 'FAIL',
    users: Array.from({ length: MANY }, (_, number) => ({
      username: name(number),
      email: email(number),
      enabled: true,
      emailVerified: true,
      attributes: { mailcow_password: [right] },
    })),
  })
  const proxy = await startFaultProxy(backend.realm.url)
  t.teardown(() => proxy.stop())
  const dataDir = await mkdtemp(join(tmpdir(), 'mailpassd-mirror-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const config = (key: string) =>
    backend
      .config({ serverUrl: proxy.url })
      .replace(
        '[directory]\n',
        `[directory]\nmode = "mirror"\nevents = "off"\nsnapshot_key = "${key.repeat(32)}"\n`,
      )
  const login = async (daemon: RunningDaemon, number: number, password = 'right') =>
    (await httpLogin(daemon.url, email(number), password)).status

  let daemon = await startDaemon({ config: config('a1'), dataDir })
  t.teardown(() => daemon.stop())
  await t.test('a pass reads them all, and logins cost no look-up', async (t) => {
    const told = await until(daemon, ({ pass }) => pass.on_time)
    t.match(told, {
      mode: 'mirror',
      records: { count: MANY + 1 },
      pass: { last: { result: 'complete', users: MANY + 1, kept: MANY + 1, faults: 0 } },
      mass_change: { state: 'watching' },
    })
    await proxy.set(undefined)
    t.equal(await login(daemon, 1), 200)
    t.equal(await login(daemon, MANY), 401, 'a name that nobody has')
    t.equal(proxy.requests(), 0)
  })

  await t.test('killed, and started while Keycloak is away', async (t) => {
    await until(
      daemon,
      ({ snapshot }) => snapshot !== null && snapshot.pending === 0 && snapshot.written > MANY,
    )
    await daemon.kill()
    await proxy.set('stopped')
    daemon = await startDaemon({ config: config('a1'), dataDir })
    await until(daemon, ({ snapshot }) => snapshot !== null && snapshot.loaded > MANY && !snapshot.loading)
    t.equal(await login(daemon, 2), 200, 'never seen by this process, nor by the one before')
    t.equal(await login(daemon, MANY), 503, 'nobody knows')
    await daemon.kill()
    daemon = await startDaemon({ config: config('b2'), dataDir })
    await until(daemon, ({ snapshot }) => snapshot?.loading === false)
    t.equal(await login(daemon, 3), 503, 'with another key')
    t.match(daemon.log(), /sealed with another key/)
    await daemon.kill()
    await proxy.set(undefined)
  })

  await t.test('rule 14: many are disabled at once', async (t) => {
    daemon = await startDaemon({ config: config('a1'), dataDir })
    await until(daemon, ({ pass }) => pass.on_time)
    for (let number = 0; number < 30; number++) await backend.realm.setUser(name(number), { enabled: false })
    t.match(await cli(daemon, 'directory', 'pass', '--json'), { code: 0 })
    t.match(await cli(daemon, 'directory', 'status'), { code: 1, out: /HELD since/ })
    t.equal(await login(daemon, 5), 200)
    const ready = await fetch(`${daemon.adminUrl}/readyz`, { headers: { authorization: `Bearer ${TOKEN}` } })
    t.match(await ready.json(), { degraded: ['directory_mass_change'] })
    t.match(await cli(daemon, 'directory', 'accept', '--dry-run'), { code: 0, out: /disabled: +user0005@/ })
    t.equal(await login(daemon, 5), 200, 'nothing was done')
    t.match(await cli(daemon, 'explain', email(5)), { out: /has this user disabled, as it says of too many/ })
    t.match(await cli(daemon, 'directory', 'accept'), { code: 0, out: /^30 users: /m })
    t.equal(await login(daemon, 5), 403)
    t.match(await cli(daemon, 'directory', 'status', '--json'), { code: 0, out: /"state": "open"/ })
  })
}

suite('mirror mode on Keycloak and MariaDB', [keycloakMissing(), mariadbMissing()], journey)
