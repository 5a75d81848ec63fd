/**
 * No password that came in is found afterwards in the log, an error, the metrics, the process list, the database or
 * the heap of the idle daemon. Names are looked for as well: they are there, so the search would find a password.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startChild } from '../servers/child.ts'
import { plainResponse } from '../servers/lines.ts'
import { realmFileAndSqlite } from './backend.ts'
import { httpLogin, MAILPASSD, startDaemon, TOKEN, type RunningDaemon } from './daemon.ts'

const DOMAIN = 'secrets.example'
const USERS = Array.from({ length: 8 }, (_, i) => ({
  email: `person${i}@${DOMAIN}`,
  password: `Geheim-${i}-passwort-${i}`,
}))
const WRONG = 'Falsch-geraten-vierzehn'
/** Also as a client may have sent it: in base64, and percent-encoded. */
const FORMS = [...USERS.map(({ password }) => password), WRONG].flatMap((password) => [
  password,
  Buffer.from(password).toString('base64'),
  encodeURIComponent(password),
])

/** Logs in over the SASL door with PLAIN and LOGIN, one after the other; gives the last lines. */
async function saslLogin(port: number, user: string, password: string): Promise<string[]> {
  const socket = connect(port, '127.0.0.1')
  socket.setEncoding('latin1')
  let text = ''
  const until = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(text)
      if (found !== null) return found[0]
      const [chunk]: unknown[] = await once(socket, 'data')
      text += String(chunk)
    }
  }
  await until(/^DONE$/m)
  socket.write('VERSION\t1\t2\nCPID\t4711\n')
  socket.write(`AUTH\t1\tPLAIN\tservice=smtp\trip=192.0.2.7\tresp=${plainResponse(user, password)}\n`)
  const plain = await until(/^(?:OK|FAIL)\t1.*$/m)
  socket.write('AUTH\t2\tLOGIN\tservice=smtp\trip=192.0.2.7\n')
  await until(/^CONT\t2\tVXNlcm5hbWU6$/m)
  socket.write(`CONT\t2\t${Buffer.from(user).toString('base64')}\n`)
  await until(/^CONT\t2\tUGFzc3dvcmQ6$/m)
  socket.write(`CONT\t2\t${Buffer.from(password).toString('base64')}\n`)
  const login = await until(/^(?:OK|FAIL)\t2.*$/m)
  socket.destroy()
  return [plain, login]
}

async function commandLogin(daemon: RunningDaemon, user: string, password: string): Promise<string> {
  const args = [
    '-c',
    `printf '%s\\n' "$PASSWORD" | "$0" "$@"`,
    MAILPASSD,
    'login',
    user,
    '--config',
    daemon.configFile,
    '--data-dir',
    daemon.dataDir,
  ]
  const child = startChild('sh', args, { env: { PASSWORD: password } })
  await child.ended
  return child.output()
}

/** Faults that quote what they were given, where a careless program would. */
async function faultyRequests(daemon: RunningDaemon): Promise<string[]> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const bodies = [
    `{"username":"person0@${DOMAIN}","password":"${WRONG}"`,
    JSON.stringify({ username: 'x', password: WRONG, service: 'imap', extra: WRONG }),
    JSON.stringify({ username: 'x', password: [WRONG], service: 'imap' }),
    JSON.stringify({ username: WRONG, password: WRONG, service: WRONG.repeat(10) }),
    WRONG.repeat(2000),
  ]
  const answers = bodies.map((body) =>
    fetch(`${daemon.url}/v1/login`, { method: 'POST', headers, body }).then((r) => r.text()),
  )
  const socket = connect(daemon.ports.sasl, '127.0.0.1')
  socket.end(
    `VERSION\t1\t2\nCPID\t1\nAUTH\t1\tPLAIN\tservice=smtp\tresp=${plainResponse('x', WRONG)}\t${WRONG}\n`,
  )
  socket.resume()
  await once(socket, 'close')
  return Promise.all(answers)
}

function search(t: Test, where: string, text: string): void {
  const found = FORMS.filter((form) => text.includes(form))
  t.equal(found.length, 0, `${where}: ${found.length} of ${FORMS.length} forms found`)
}

async function heapOf(daemon: RunningDaemon): Promise<string> {
  process.kill(daemon.pid, 'SIGUSR2')
  for (let i = 0; i < 600; i += 1) {
    const name = (await readdir(daemon.dataDir)).find((file) => file.endsWith('.heapsnapshot'))
    const text = name === undefined ? '' : await readFile(join(daemon.dataDir, name), 'utf8')
    // It is whole when its JSON ends.
    if (text.trimEnd().endsWith(']}')) return text
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('no heap snapshot was written')
}

t.test('passwords leave no trace', async (t) => {
  const backend = await realmFileAndSqlite(t, DOMAIN, USERS)
  const dataDir = await mkdtemp(join(tmpdir(), 'mailpassd-secrets-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const daemon = await startDaemon({
    config: backend.config().replace('logins = "all"', 'logins = "all"\nlevel = "trace"'),
    failureDelayMs: 100,
    dataDir,
    nodeOptions: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${dataDir}`,
  })
  t.teardown(() => daemon.stop())
  const said: string[] = []
  for (const { email, password } of USERS) {
    const { status, body } = await httpLogin(daemon.url, email, password)
    t.equal(status, 200)
    said.push(JSON.stringify(body), ...(await saslLogin(daemon.ports.sasl, email, password)))
    said.push(JSON.stringify((await httpLogin(daemon.url, email, WRONG)).body))
  }
  said.push(...(await saslLogin(daemon.ports.sasl, `person0@${DOMAIN}`, WRONG)))
  said.push(await commandLogin(daemon, `person1@${DOMAIN}`, USERS[1]?.password ?? ''))
  said.push(await commandLogin(daemon, `person1@${DOMAIN}`, WRONG))
  said.push(...(await faultyRequests(daemon)))
  t.match(said.join('\n'), /"verdict":"ok"/)
  t.match(said.join('\n'), /OK\t2\tuser=person0@secrets.example/)
  search(t, 'answers', said.join('\n'))

  const metrics = await fetch(`${daemon.adminUrl}/metrics`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  }).then((r) => r.text())
  t.match(metrics, /mailpassd_logins_total\{verdict="ok"/)
  search(t, 'metrics', metrics)

  const processes = await Promise.all(
    ['cmdline', 'environ'].map((file) => readFile(`/proc/${daemon.pid}/${file}`, 'latin1')),
  )
  search(t, 'process list', processes.join('\n'))

  const heap = await heapOf(daemon)
  t.ok(heap.includes(`person0@${DOMAIN}`), 'names are in the heap, so the search finds what is there')
  search(t, 'heap', heap)

  // The stop writes what the login log still holds.
  await daemon.stop()
  const files = new Map<string, string>()
  const log = daemon.log()
  for (const name of await readdir(daemon.dataDir)) {
    if (!/heapsnapshot|sock$/.test(name))
      files.set(name, await readFile(join(daemon.dataDir, name), 'latin1'))
  }
  const database = /path = "(.*)"/.exec(backend.config())?.[1] ?? ''
  files.set(database, await readFile(database, 'latin1'))
  t.match(files.get(database) ?? '', /person0@secrets.example/, 'the database is searched')
  t.match(log, new RegExp(`person0@${DOMAIN}`))
  search(t, 'log', log)
  for (const [name, text] of files) search(t, name, text)
})
