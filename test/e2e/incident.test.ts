/**
 * An account is stolen, and Keycloak is away: `mailpassd mailbox lock` ends its session in a real Dovecot, over
 * doveadm's HTTP listener and by doveadm as a program, and nobody logs in any more, at no node.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { keycloakAndMariadb, hash, mailUser } from './backend.ts'
import { httpLogin, MAILPASSD, startDaemon, TOKEN, type RunningDaemon } from './daemon.ts'
import { openSession } from './imap-session.ts'
import { parseJsonObject } from './json.ts'
import { targetOf } from '../../src/dovecot/doveadm.ts'
import { doveadmHttp } from '../../src/dovecot/http.ts'
import { Secret } from '../../src/secret.ts'
import { dovecotMissing, startDovecot, type Dovecot } from '../servers/dovecot.ts'
import { startFaultProxy } from '../servers/fault-proxy.ts'
import { imapLogin } from '../servers/lines.ts'
import { freePorts } from '../servers/ports.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'

const DOMAIN = 'incident.example'
const PASSWORD = 'correct-horse-battery'
const APP_PASSWORD = 'app-password-of-a-phone'
const API_KEY = 'a-key-of-the-incident-suite'
const VERSIONS = ['2.3', '2.4'] as const
const REFUSED = /^a NO \[AUTHENTICATIONFAILED\]/

async function lockByCommand(daemon: RunningDaemon, ...args: string[]): Promise<Record<string, unknown>> {
  const options = ['--json', '--config', daemon.configFile, '--data-dir', daemon.dataDir]
  return await new Promise((resolve, reject) => {
    execFile(MAILPASSD, ['mailbox', ...args, ...options], (error, stdout, stderr) => {
      if (error === null) resolve(parseJsonObject(stdout))
      else reject(new Error(`${error.message}\n${stderr}`))
    })
  })
}

/** Over the admin door's UNIX socket: no token. */
async function lockByHttp(
  daemon: RunningDaemon,
  user: string,
  body: object,
): Promise<Record<string, unknown>> {
  const asked = request({
    socketPath: join(daemon.dataDir, 'admin.sock'),
    method: 'PUT',
    path: `/v1/mailboxes/${user}/lock`,
    headers: { 'content-type': 'application/json' },
  })
  asked.end(JSON.stringify(body))
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  asked.on('error', reject)
  asked.on('response', (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    response.on('end', () => resolve(text))
  })
  return parseJsonObject(await promise)
}

/** Passes connections on to a port once it is opened; until then they are refused. */
async function gate(t: Test, to: number): Promise<{ port: number; open(): Promise<void> }> {
  const [port = 0] = await freePorts(1)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    client.pipe(upstream).pipe(client)
  })
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  })
  return {
    port,
    async open() {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
  }
}

type Way = 'url' | 'command'

const user = (...parts: string[]) => `${parts.join('-')}@${DOMAIN}`

async function run(t: Test, way: Way): Promise<void> {
  const names = [...VERSIONS.flatMap((version) => [user('cli', version), user('api', version)]), user('late')]
  const backend = await keycloakAndMariadb(
    t,
    DOMAIN,
    names.map((name) => mailUser(name, PASSWORD)),
  )
  const proxy = await startFaultProxy(backend.realm.url)
  t.teardown(() => proxy.stop())
  const [http = 0, sasl = 0, admin = 0, ...doveadmPorts] = await freePorts(5)
  const mailDir = join(tmpdir(), `mailpassd-mail-${randomBytes(4).toString('hex')}`)
  const dovecots: Dovecot[] = []
  for (const [index, version] of VERSIONS.entries()) {
    const doveadm = { port: doveadmPorts[index] ?? 0, apiKey: API_KEY }
    dovecots.push(
      await startDovecot({ version, url: `http://127.0.0.1:${http}`, token: TOKEN, mailDir, doveadm }),
    )
  }
  t.teardown(() => Promise.all(dovecots.map((dovecot) => dovecot.stop())))

  const late = await gate(t, doveadmPorts[0] ?? 0)
  const endpoints = dovecots.map((dovecot, index) => {
    const [program, args] = dovecot.doveadm()
    const reached =
      way === 'url'
        ? `url = "http://127.0.0.1:${index === 0 ? late.port : (doveadmPorts[index] ?? 0)}"\napi_key = "${API_KEY}"`
        : `command = ${JSON.stringify([program, ...args])}`
    return `[[dovecot.endpoints]]\nname = "d${dovecot.version}"\n${reached}\n`
  })
  const userdb = `[userdb]\nhome = "${mailDir}/%d/%n"\nmail = "maildir:${mailDir}/%d/%n/Maildir"\n`
  const config = backend.config({ serverUrl: proxy.url, userdb }) + endpoints.join('')
  const daemon = await startDaemon({ config, ports: { http, sasl, admin } })
  t.teardown(() => daemon.stop())
  const second = await startDaemon({ config })
  t.teardown(() => second.stop())
  t.teardown(() => {
    if (t.passing()) return
    t.comment(daemon.log())
    for (const dovecot of dovecots) t.comment(dovecot.log())
  })

  const [old, recent] = dovecots
  if (old === undefined || recent === undefined) throw new Error('no Dovecot')

  if (way === 'url') {
    t.test('a wrong key is told, by both versions and before the time is over', async (t) => {
      const target = targetOf(user('nobody'))
      if (target === undefined) throw new Error('no target')
      for (const [index, { version }] of dovecots.entries()) {
        const url = `http://127.0.0.1:${doveadmPorts[index] ?? 0}`
        const options = { name: version, url, caFile: undefined, timeoutMs: 8000 }
        const kick = async (key: string) =>
          await doveadmHttp({ ...options, apiKey: Secret.fromText(key) }).run(
            'kick',
            target,
            new AbortController().signal,
          )
        await t.rejects(kick('another key'), { message: /answer 401: the API key is not/ }, version)
        await t.resolves(kick(API_KEY), version)
      }
    })

    t.test('a Dovecot that is down when the account is locked ends its sessions when it is up', async (t) => {
      const session = await openSession(old.ports.imap, user('late'), PASSWORD)
      const locked = await lockByCommand(daemon, 'lock', user('late'))
      t.match(locked, {
        locked: true,
        sessions: [
          { dovecot: 'd2.3', ended: false, error: /ECONNREFUSED/ },
          { dovecot: 'd2.4', ended: true },
        ],
      })
      await late.open()
      const openedMs = Date.now()
      t.comment(`session ended ${(await session.ended) - openedMs} ms after Dovecot was up`)
      session.close()
      // Nothing is left behind: not this one, nor the second time for those that came by an older answer.
      await untilEmpty(backend.database.sql)
    })
  } else await late.open()

  for (const { version, ports } of dovecots)
    t.test(`Dovecot ${version} by ${way}`, async (t) => {
      const [cli, api] = [user('cli', version), user('api', version)]
      const sessions = {
        cli: await openSession(ports.imap, cli, PASSWORD),
        api: await openSession(ports.imap, api, PASSWORD),
      }
      for (const name of [cli, api]) {
        await backend.database.sql.query(
          'insert into app_passwd (name, mailbox, domain, password) values (?, ?, ?, ?)',
          ['phone', name, DOMAIN, hash(APP_PASSWORD)],
        )
      }
      // The second node knows the account, and the app password opens it.
      t.equal((await httpLogin(second.url, cli, PASSWORD)).status, 200)
      await untilStatus(second, cli, APP_PASSWORD, 200)
      await proxy.set('stopped')
      t.teardown(() => proxy.set(undefined))

      const startedMs = Date.now()
      const locking = lockByCommand(daemon, 'lock', cli, '--until', '8h', '--reason', 'stolen')
      const refusedMs = untilStatus(second, cli, PASSWORD, 403)
      const firstRefusedMs = untilStatus(daemon, cli, PASSWORD, 403)
      const endedMs = await sessions.cli.ended
      const locked = await locking
      t.match(locked, {
        address: cli,
        mailbox: 'present',
        locked: true,
        lock: { reason: 'stolen' },
        sessions: [
          { dovecot: 'd2.3', ended: true, error: null },
          { dovecot: 'd2.4', ended: true, error: null },
        ],
        use: { app_passwords: [{ name: 'phone', active: true }] },
      })
      const since = Date.parse(String(asRecord(locked['lock'])['since']))
      t.comment(
        `mailbox lock: lock set after ${since - startedMs} ms (start of the command), session ended ${endedMs - since} ms later`,
      )
      t.comment(`the second node refused ${(await refusedMs) - since} ms after the lock was set`)
      // The command wrote it: this node reads it, too, and its own sessions may end before that.
      t.comment(`the first node refused ${(await firstRefusedMs) - since} ms after the lock was set`)
      t.match(await imapLogin(ports.imap, cli, PASSWORD), REFUSED)
      t.match(await imapLogin(ports.imap, cli, APP_PASSWORD), REFUSED)
      t.equal((await httpLogin(second.url, cli, APP_PASSWORD)).status, 403)

      const askedMs = Date.now()
      t.match(await lockByHttp(daemon, api, { reason: 'stolen' }), {
        locked: true,
        sessions: [{ ended: true }, { ended: true }],
      })
      t.comment(`PUT lock: session ended ${(await sessions.api.ended) - askedMs} ms after it was asked`)
      t.match(await imapLogin(ports.imap, api, PASSWORD), REFUSED)

      await proxy.set(undefined)
      await lockByCommand(daemon, 'unlock', cli)
      await untilStatus(daemon, cli, PASSWORD, 200)
      const back = await openSession(ports.imap, cli, PASSWORD)
      back.close()
      for (const session of [sessions.cli, sessions.api]) session.close()
    })
}

const WAIT_MS = 60_000

/** Tries until this is the answer; gives when it was. */
async function untilStatus(
  daemon: RunningDaemon,
  name: string,
  password: string,
  status: number,
): Promise<number> {
  const last = Date.now() + WAIT_MS
  for (;;) {
    const answer = await httpLogin(daemon.url, name, password)
    if (answer.status === status) return Date.now()
    if (Date.now() > last) throw new Error(`${name}: still ${answer.status}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function untilEmpty(sql: { query(text: string): Promise<unknown> }): Promise<void> {
  const last = Date.now() + WAIT_MS
  for (;;) {
    const answer = JSON.stringify(await sql.query('select count(*) as n from mailpassd_outbox'))
    if (answer.startsWith('[[{"n":0}]')) return
    if (Date.now() > last) throw new Error(`the outbox is not empty: ${answer}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

for (const way of ['url', 'command'] as const)
  suite(
    `a stolen account, Dovecot reached by ${way}`,
    [keycloakMissing(), mariadbMissing(), dovecotMissing('2.3'), dovecotMissing('2.4')],
    (t) => run(t, way),
  )
