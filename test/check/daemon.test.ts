/** The connection test inside a daemon: the same steps as the command's, and nothing of the daemon is disturbed. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { check } from '../../src/cli/check.ts'
import { loadConfig } from '../../src/config/load.ts'
import { startDaemon } from '../../src/daemon.ts'
import { openHouse } from '../../src/house.ts'
import { createLogger } from '../../src/telemetry/log.ts'
import { recordedIo } from '../cli/recorded-io.ts'
import { CLIENT_SECRET, FakeKeycloak, HASH, json, type Misbehave } from '../directory/fake-keycloak.ts'
import { ask } from '../door/http/fixtures.ts'
import { stepOf, stepsOf } from './live.ts'

/** A configuration with Keycloak there and SQLite here. */
async function place(t: Test, url: string) {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-conntest-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const config = join(dir, 'mailpassd.toml')
  await writeFile(
    config,
    `[directory]\nkind = "keycloak"\nserver_url = "${url}"\nrealm = "test"\nclient_id = "c"\nclient_secret = "${CLIENT_SECRET}"
[http]\nlisten = ["127.0.0.1:0"]\n[admin]\nlisten = ["unix:admin.sock"]\n[sasl]\nlisteners = []\n`,
    { mode: 0o600 },
  )
  return { config, dataDir: join(dir, 'data') }
}

async function startFake(t: Test): Promise<FakeKeycloak> {
  const fake = await FakeKeycloak.start()
  t.teardown(() => fake.stop())
  return fake
}

t.test('over HTTP the same steps as of the command', async (t) => {
  const fake = await startFake(t)
  fake.misbehave = ({ path }, response) => {
    if (path.includes('mailpassd-check')) json(response, 200, [])
    else if (path.endsWith('/events/config')) json(response, 403, {})
    else return false
    return true
  }
  const { config, dataDir } = await place(t, fake.url)
  const loaded = await loadConfig({ path: config, dataDir, env: {} })
  const logged: string[] = []
  const logger = createLogger('trace', { destination: { write: (line) => void logged.push(line) } })
  const house = await openHouse(loaded, logger, '0.0.0')
  const daemon = await startDaemon(house, loaded, logger, '0.0.0')
  t.teardown(() => daemon.close())
  await house.store.domains.add('x.example', { autojoin: true })
  const socket = `unix:${join(dataDir, 'admin.sock')}`

  const before = await house.metrics.text()
  const answer = await ask(socket, 'POST', '/v1/connection-test', { body: '{"address":"joe@x.example"}' })
  t.equal(answer.status, 200)
  const steps = stepsOf(JSON.parse(answer.body))
  t.match(stepOf({ steps }, 'roles'), { result: 'warning', detail: /does not show its roles/ })
  t.match(stepOf({ steps }, 'address'), { result: 'ok', detail: /joe@x\.example: found, .*\(PLAIN\)/ })
  t.match(stepOf({ steps }, 'tables'), { result: 'ok' })
  // The reader of events asks at its own times.
  const calls = (text: string) =>
    text
      .split('\n')
      .filter((line) => line.startsWith('mailpassd_directory_request') && !line.includes('request="event'))
  t.same(calls(await house.metrics.text()), calls(before), "the test is not counted with the logins' calls")
  t.equal(house.accounts.size, 0, 'and nothing of it is remembered')
  t.ok(fake.asked.length <= 40, `${fake.asked.length} requests`)

  const io = recordedIo('', { PATH: process.env['PATH'] })
  await check.run(
    ['--live', '--config', config, '--data-dir', dataDir, '--json', '--address', 'joe@x.example'],
    io,
  )
  const byCommand: unknown = JSON.parse(io.seen.out)
  const shape = (some: typeof steps) => some.map(({ name, result, hint }) => ({ name, result, hint }))
  t.same(shape(steps), shape(stepsOf(byCommand)))
  for (const secret of [CLIENT_SECRET, HASH, 'of-this-test'])
    t.notOk((answer.body + io.seen.out + logged.join('')).includes(secret), `does not show ${secret}`)
})

t.test('answers that no Keycloak gives', async (t) => {
  const spoiled = `{"error":"x","error_description":"${CLIENT_SECRET} ${HASH}"}`
  const answering =
    (status: number, headers: Record<string, string>, body: string): Misbehave =>
    ({ endpoint }, response) => {
      if (endpoint !== 'token') return false
      response.writeHead(status, headers).end(body)
      return true
    }
  const type = { 'content-type': 'application/json' }
  const cases: [string, Misbehave, RegExp][] = [
    ['redirect', answering(302, { location: `https://x/${CLIENT_SECRET}` }, ''), /answer 302, a redirect/],
    ['refused in words of its own', answering(400, type, spoiled), /refused the client "c" \(answer 400\)/],
    [
      'a description that is no text',
      answering(400, type, '{"error":"unauthorized_client","error_description":{"toString":1}}'),
      /the client secret is wrong for the client "c"/,
    ],
    [
      'a description without end',
      answering(400, type, `{"error":"x","error_description":${'['.repeat(200_000)}${']'.repeat(200_000)}}`),
      /refused the client "c"/,
    ],
    ['no token', answering(200, type, '{}'), /no usable token/],
    ['another 404', answering(404, { 'content-type': 'text/html' }, '<p>not here'), /is no Keycloak/],
    [
      'realm without TLS',
      answering(403, type, '{"error":"x","error_description":"HTTPS required"}'),
      /without TLS/,
    ],
    ['too long', answering(200, type, `"${'x'.repeat(1_100_000)}"`), /longer than/],
  ]
  for (const [what, misbehave, detail] of cases) {
    const fake = await startFake(t)
    fake.misbehave = misbehave
    const { config, dataDir } = await place(t, fake.url)
    const io = recordedIo('', { PATH: '/nonexistent' })
    await check.run(['--live', '--config', config, '--data-dir', dataDir, '--json'], io)
    const steps = stepsOf(JSON.parse(io.seen.out))
    t.match(stepOf({ steps }, 'token'), { result: 'failed', detail, hint: /.+/ }, what)
    t.equal(stepOf({ steps }, 'look-up').result, 'skipped')
    t.notMatch(io.seen.out, /of-this-test/)
  }
})

t.test('where a token shows no roles, a look-up that fails says nothing of them', async (t) => {
  const fake = await startFake(t)
  const { config, dataDir } = await place(t, fake.url)
  for (const [status, roles] of [
    [500, { result: 'skipped', detail: /not known/ }],
    [403, { result: 'failed', detail: /no role over users/ }],
  ] as const) {
    fake.misbehave = ({ endpoint }, response) => {
      if (endpoint === 'users') json(response, status, {})
      return endpoint === 'users'
    }
    const io = recordedIo('', { PATH: '/nonexistent' })
    await check.run(['--live', '--config', config, '--data-dir', dataDir, '--json'], io)
    const steps = stepsOf(JSON.parse(io.seen.out))
    t.match(stepOf({ steps }, 'roles'), roles)
    t.match(stepOf({ steps }, 'look-up'), { result: 'failed', detail: new RegExp(`answer ${status}`) })
  }
})

t.test("a proxy's clock counts where no token does; a token that shows no time does not", async (t) => {
  const fake = await startFake(t)
  const { config, dataDir } = await place(t, fake.url)
  const clockStep = async () => {
    const io = recordedIo('', { PATH: '/nonexistent' })
    await check.run(['--live', '--config', config, '--data-dir', dataDir, '--json'], io)
    return stepOf({ steps: stepsOf(JSON.parse(io.seen.out)) }, 'clock')
  }
  fake.misbehave = ({ endpoint }, response) => {
    if (endpoint === 'token')
      response
        .writeHead(401, {
          'content-type': 'application/json',
          date: new Date(Date.now() - 7_200_000).toUTCString(),
        })
        .end('{"error":"unauthorized_client"}')
    return endpoint === 'token'
  }
  t.match(await clockStep(), { result: 'failed', detail: /our clock is 2 hours ahead/ })
  fake.misbehave = ({ endpoint }, response) => {
    response.sendDate = false
    if (endpoint === 'token')
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"unauthorized_client"}')
    return endpoint === 'token'
  }
  t.match(await clockStep(), { result: 'skipped', detail: /tells its time in a token/ })
})

t.test('a realm file that does not parse, and one that lets users choose', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-file-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const run = async (text: string | undefined) => {
    if (text !== undefined) await writeFile(join(dir, 'realm.json'), text)
    const io = recordedIo('', { PATH: '/nonexistent' })
    const code = await check.run(['--live', '--data-dir', dir, '--json'], io)
    return { code, steps: stepsOf(JSON.parse(io.seen.out)) }
  }
  const absent = await run(undefined)
  t.match(stepOf(absent, 'realm file'), { result: 'failed', detail: /realm\.json: ENOENT/ })
  t.equal(absent.code, 69)
  const broken = await run('{"realm":')
  t.match(stepOf(broken, 'realm file'), { result: 'failed', detail: /no JSON/ })
  t.match(stepOf(broken, 'look-up'), { result: 'skipped' })
  t.equal(broken.code, 78)
  const open = await run('{"realm":"x","registrationAllowed":true,"users":[]}')
  t.match(stepOf(open, 'e-mail'), { result: 'ok', detail: /an address that is not verified opens nothing/ })
})

t.test('docs/connection-test.md has each step', async (t) => {
  const page = await readFile(join(import.meta.dirname, '../../docs/connection-test.md'), 'utf8')
  for (const file of ['connection-test', 'directory-steps', 'store-steps']) {
    const source = await readFile(join(import.meta.dirname, `../../src/check/${file}.ts`), 'utf8')
    for (const [, name = ''] of source.matchAll(/\bname: '([^']+)'/g))
      if (name !== 'directory') t.ok(page.includes(`\n| \`${name}\` |`), name)
  }
})

t.test('the address is checked before anything is asked', async (t) => {
  for (const [args, code] of [
    [['--address', 'jane@example.org'], 'usage'],
    [['--live', '--address', 'jane'], 'input_invalid'],
    [['--live', '--address', '*@example.org '], 'input_invalid'],
  ] as const)
    await t.rejects(check.run(args, recordedIo()), { code })
})
