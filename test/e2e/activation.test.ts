/** Socket activation: the daemon on sockets that were bound before it, and restarts that lose no connection. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { hello, plainLogin } from '../door/dovecot-auth/client.ts'
import { SocketClient } from '../door/dovecot-auth/socket-client.ts'
import { activate, type Activation, type Wish } from '../servers/activation.ts'
import { startChild } from '../servers/child.ts'
import { freePorts } from '../servers/ports.ts'
import { suite } from '../servers/suite.ts'
import { realmFileAndSqlite } from './backend.ts'
import { MAILPASSD, TOKEN } from './daemon.ts'

const USER = 'jane@sockets.example'
const PASSWORD = 'of the passed sockets'
const ACTIVATE = '/usr/bin/systemd-socket-activate'
const SASL_OK = `OK\t1\tuser=${USER}\n`

interface House {
  readonly dir: string
  readonly configFile: string
  /** Writes the configuration with these listeners. */
  readonly listen: (http: string, sasl: readonly string[]) => Promise<void>
}

async function makeHouse(t: Test): Promise<House> {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-sockets-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const backend = await realmFileAndSqlite(t, 'sockets.example', [{ email: USER, password: PASSWORD }])
  const configFile = join(dir, 'mailpassd.toml')
  return {
    dir,
    configFile,
    listen: (http, sasl) =>
      writeFile(
        configFile,
        `${backend.config()}
[http]
listen = ["${http}"]
[admin]
listen = []
${sasl.map((listen) => `[[sasl.listeners]]\nlisten = "${listen}"\n`).join('')}
[[tokens]]
name = "suites"
scopes = ["login"]
secret = "${TOKEN}"
`,
        { mode: 0o600 },
      ),
  }
}

async function activated(t: Test, house: House, wishes: readonly Wish[]): Promise<Activation> {
  const command = [MAILPASSD, 'serve', '--config', house.configFile, '--data-dir', house.dir] as const
  const activation = await activate(wishes, command)
  t.teardown(() => activation.stop())
  return activation
}

/** A login over a connection of its own. */
async function httpLogin(port: string): Promise<unknown> {
  const body = JSON.stringify({ username: USER, password: PASSWORD, service: 'imap', remote_ip: '192.0.2.1' })
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const path = '/v1/login'
  const asked = request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false })
  asked.end(body)
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  asked.on('error', reject).on('response', (response) => {
    text(response).then((answer) => resolve(JSON.parse(answer)), reject)
  })
  return promise
}

async function saslLogin(address: string): Promise<string> {
  const client = await SocketClient.open(address)
  try {
    client.send(`${hello()}${plainLogin(1, USER, PASSWORD)}`)
    await client.until(() => client.isClosed || client.afterHandshake().endsWith('\n'))
    return client.afterHandshake()
  } finally {
    client.destroy()
  }
}

t.test('the daemon serves on the sockets that it was given', async (t) => {
  const house = await makeHouse(t)
  const path = join(house.dir, 'given.sock')
  const activation = await activated(t, house, [{ name: 'http' }, { name: 'sasl' }, { name: 'sasl', path }])
  const [http = '', sasl = ''] = activation.bound
  await house.listen(`localhost:${http}`, [`127.0.0.1:${sasl}`, `unix:${path}`])
  const before = statSync(path)

  for (const round of ['first', 'second']) {
    const pid = await activation.start()
    await activation.seen(/"msg":"ready"/)
    t.match(await httpLogin(http), { verdict: 'ok', mailbox: USER }, `${round} start: HTTP`)
    t.equal(await saslLogin(`127.0.0.1:${sasl}`), SASL_OK, `${round} start: SASL`)
    t.equal(await saslLogin(`unix:${path}`), SASL_OK, `${round} start: SASL on a UNIX socket`)
    for (const fd of [3, 4, 5]) {
      // proc_pid_fdinfo(5): open(2)'s flags, octal; O_CLOEXEC is 02000000.
      const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))?.[1]
      t.ok((Number.parseInt(flags ?? '', 8) & 0o2000000) !== 0, `no child inherits descriptor ${fd}`)
    }
    process.kill(pid, 'SIGTERM')
    t.equal(await activation.ended(), 0)
    t.match(statSync(path), { ino: before.ino, mode: before.mode }, 'the socket is as it was')
  }
})

t.test('a restart loses no connection', async (t) => {
  const house = await makeHouse(t)
  const activation = await activated(t, house, [{ name: 'http' }, { name: 'sasl' }])
  const [http = '', sasl = ''] = activation.bound
  const saslAddress = `127.0.0.1:${sasl}`
  await house.listen(`127.0.0.1:${http}`, [saslAddress])

  t.comment('nobody has been started yet')
  const early = [httpLogin(http), saslLogin(saslAddress)]
  let pid = await activation.start()
  const [earlyHttp, earlySasl] = await Promise.all(early)
  t.match(earlyHttp, { verdict: 'ok' })
  t.equal(earlySasl, SASL_OK)

  const answers: unknown[] = []
  const over = new AbortController()
  const ask = async (login: () => Promise<unknown>): Promise<void> => {
    while (!over.signal.aborted) answers.push(await login())
  }
  const asking = [
    ask(() => httpLogin(http)),
    ask(() => httpLogin(http)),
    ask(() => saslLogin(saslAddress)),
    ask(() => saslLogin(saslAddress)),
  ]
  for (let restart = 0; restart < 3; restart += 1) {
    await activation.seen(/"msg":"ready"/)
    const count = answers.length
    while (answers.length < count + 40) await Promise.race([...asking, new Promise((r) => setTimeout(r, 5))])
    process.kill(pid, 'SIGTERM')
    t.equal(await activation.ended(), 0)
    pid = await activation.start()
  }
  await activation.seen(/"msg":"ready"/)
  over.abort()
  await Promise.all(asking)
  const bad = answers.filter((answer) => answer !== SASL_OK && Object(answer).verdict !== 'ok')
  t.same(bad, [], `${answers.length} logins over three restarts`)
})

t.test('sockets that nothing is configured for are named', async (t) => {
  const house = await makeHouse(t)
  const path = join(house.dir, 'extra.sock')
  const activation = await activated(t, house, [{ name: 'http' }, { name: 'extra', path }])
  await house.listen(`127.0.0.1:${activation.bound[0]}`, [])
  await activation.start()
  t.equal(await activation.ended(), 78)
  const said = await activation.seen(/# ended/)
  t.match(said, `no listener of the configuration has: unix:${path} (extra);`)
  t.notMatch(said, 'ready')
  t.ok(existsSync(path))
})

t.test('a UNIX socket that is open to more users than configured is not served', async (t) => {
  const house = await makeHouse(t)
  const path = join(house.dir, 'wide.sock')
  const activation = await activated(t, house, [{ name: 'sasl', path, mode: '0666' }])
  await house.listen('127.0.0.1:0', [`unix:${path}`])
  await activation.start()
  t.equal(await activation.ended(), 73)
  t.match(await activation.seen(/# ended/), 'has mode 0666, wider than 0660; set SocketMode= in its unit')
})

suite(
  "systemd's own sockets",
  [existsSync(ACTIVATE) ? undefined : 'systemd-socket-activate is not installed (npm run servers)'],
  async (t) => {
    const house = await makeHouse(t)
    const [http = 0, sasl = 0] = await freePorts(2)
    await house.listen(`127.0.0.1:${http}`, [`127.0.0.1:${sasl}`])
    const sockets = ['-l', `127.0.0.1:${http}`, '-l', `127.0.0.1:${sasl}`, '--fdname=http:sasl']
    const serve = [MAILPASSD, 'serve', '--config', house.configFile, '--data-dir', house.dir]
    const child = startChild(ACTIVATE, [...sockets, '-E', `PATH=${process.env['PATH']}`, ...serve])
    t.teardown(() => child.stop())
    await child.until(() => child.output().includes(`127.0.0.1:${sasl}`))
    t.equal(await saslLogin(`127.0.0.1:${sasl}`), SASL_OK, 'the connection that starts it')
    t.match(await httpLogin(String(http)), { verdict: 'ok' })
  },
)
