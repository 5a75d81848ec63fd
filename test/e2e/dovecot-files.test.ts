/** The files of conf/dovecot in real Dovecots, for every verdict and for answers that are not mailpassd's. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parseJsonObject } from './json.ts'
import { dovecotMissing, startDovecot, type Dovecot, type DovecotVersion } from '../servers/dovecot.ts'
import { FAKE_TOKEN, startFakeLogin, type FakeAnswer } from '../servers/fake-login.ts'
import { imapLogin, pop3Login, sieveLogin } from '../servers/lines.ts'
import { suite } from '../servers/suite.ts'

const MISMATCH = 'a NO [AUTHENTICATIONFAILED]'
const UNAVAILABLE = 'a NO [UNAVAILABLE]'

/** Local part of the user who gets this answer -> the answer, and what an IMAP client sees. */
const ANSWERS: Record<string, FakeAnswer & { readonly seen: string }> = {
  ok: { status: 200, body: { verdict: 'ok', mailbox: 'ok@example.org' }, seen: 'a OK' },
  'plus+tag=1': { status: 200, body: { verdict: 'ok', mailbox: 'ok@example.org' }, seen: 'a OK' },
  "o'hara": { status: 200, body: { verdict: 'ok', mailbox: 'ok@example.org' }, seen: 'a OK' },
  'ok-without-mailbox': { status: 200, body: { verdict: 'ok' }, seen: UNAVAILABLE },
  'ok-with-503': { status: 503, body: { verdict: 'ok', mailbox: 'ok@example.org' }, seen: UNAVAILABLE },
  mismatch: { status: 401, body: { verdict: 'password_mismatch' }, seen: MISMATCH },
  unknown: { status: 401, body: { verdict: 'user_unknown' }, seen: MISMATCH },
  disabled: { status: 403, body: { verdict: 'user_disabled' }, seen: MISMATCH },
  denied: { status: 403, body: { verdict: 'service_denied' }, seen: MISMATCH },
  expired: { status: 403, body: { verdict: 'pass_expired' }, seen: 'a NO [EXPIRED]' },
  throttled: { status: 429, body: { verdict: 'throttled' }, seen: UNAVAILABLE },
  'temp-fail': { status: 503, body: { verdict: 'temp_fail' }, seen: UNAVAILABLE },
  'token-refused': { status: 401, body: { error: { code: 'token_invalid' } }, seen: UNAVAILABLE },
  'scope-refused': { status: 403, body: 'forbidden', seen: UNAVAILABLE },
  html: { status: 200, body: '<html>ok</html>', seen: UNAVAILABLE },
  'new-verdict': { status: 401, body: { verdict: 'something_new' }, seen: UNAVAILABLE },
  'not-found': { status: 404, body: { error: 'not_found' }, seen: UNAVAILABLE },
}

const PASSWORD = 'marker-of-the-lua-suite'

/** ManageSieve makes the home directory it is told of. */
const MAIL_DIR = join(tmpdir(), `mailpassd-mail-${randomBytes(4).toString('hex')}`)

function answer(mailDir: string): (path: string, body: string) => FakeAnswer {
  return (path, body) => {
    if (path === '/v1/login') {
      const username = String(parseJsonObject(body)['username'])
      return ANSWERS[username.slice(0, username.indexOf('@'))] ?? { status: 500, body: 'who?' }
    }
    const name = path.slice('/v1/userdb/'.length)
    if (name.startsWith('absent@'))
      return { status: 404, body: { error: { code: 'no_mailbox', message: '' } } }
    if (name.startsWith('wrong-url@'))
      return { status: 404, body: { error: { code: 'not_found', message: '' } } }
    if (name.startsWith('proxy-404@')) return { status: 404, body: '<html>no such page</html>' }
    if (name.startsWith('down@')) return { status: 503, body: { error: 'temp_fail' } }
    const home = `${mailDir}/${name}`
    const entry = {
      user: name,
      uid: '5000',
      gid: '5000',
      home,
      mail: `maildir:${home}/Maildir`,
      quota_bytes: 1024,
    }
    return { status: 200, body: entry }
  }
}

interface Exit {
  readonly code: number
  readonly text: string
}

async function doveadm(dovecot: Dovecot, ...args: string[]): Promise<Exit> {
  const [program, argv] = dovecot.doveadm(...args)
  return await new Promise((resolve) => {
    execFile(program, argv, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, text: stdout + stderr })
    })
  })
}

async function run(t: Test, version: DovecotVersion): Promise<void> {
  const fake = await startFakeLogin(answer(MAIL_DIR))
  const dovecot = await startDovecot({ version, url: fake.url, token: FAKE_TOKEN, mailDir: MAIL_DIR })
  t.teardown(async () => {
    await dovecot.stop()
    await fake.stop()
  })

  t.test('every verdict reaches the client as the contract says', async (t) => {
    await Promise.all(
      Object.entries(ANSWERS)
        .filter(([, { seen }]) => seen !== 'a OK')
        .map(async ([local, { seen }]) => {
          const line = await imapLogin(dovecot.ports.imap, `${local}@example.org`, PASSWORD)
          t.ok(line.startsWith(seen), `${local}: ${line}`)
        }),
    )
    // Over ManageSieve: it says OK before it touches the mail directory, of which there is none here.
    for (const local of ['ok', 'plus+tag=1', "o'hara"]) {
      t.match(await sieveLogin(dovecot.ports.sieve, `${local}@example.org`, PASSWORD), /^OK/, local)
    }
    t.match(await pop3Login(dovecot.ports.pop3, 'mismatch@example.org', PASSWORD), /^-ERR \[AUTH\]/)
    t.match(await pop3Login(dovecot.ports.pop3, 'temp-fail@example.org', PASSWORD), /^-ERR \[SYS\/TEMP\]/)
    t.match(await sieveLogin(dovecot.ports.sieve, 'temp-fail@example.org', PASSWORD), /^NO \(TRYLATER\)/)
  })

  t.test('a request says who, what and from where, with the token', async (t) => {
    const bytes = 'marker \xe9\xff "\\'
    await imapLogin(dovecot.ports.imap, 'Mismatch@Example.ORG', bytes)
    const request = fake.requests.findLast(({ path }) => path === '/v1/login')
    if (request === undefined) throw new Error('no request came')
    t.equal(request.authorization, `Bearer ${FAKE_TOKEN}`)
    t.match(parseJsonObject(request.body), {
      username: 'mismatch@example.org',
      password: bytes,
      service: 'imap',
      remote_ip: '127.0.0.1',
      local_ip: '127.0.0.1',
      tls: true,
      session: /^.{8,}$/,
      mechanism: 'PLAIN',
    })
  })

  t.test('connections are kept alive', async (t) => {
    const used = new Set(fake.requests.map(({ connection }) => connection))
    t.ok(
      used.size * 2 < fake.requests.length,
      `${used.size} connections for ${fake.requests.length} requests`,
    )
  })

  t.test('userdb tells absent from unknown', async (t) => {
    const found = await doveadm(dovecot, 'user', 'jane@example.org')
    t.equal(found.code, 0)
    t.match(found.text, `${MAIL_DIR}/jane@example.org/Maildir`)
    t.match(found.text, version === '2.3' ? /\*:bytes=1024/ : /quota_storage_size\s+1024B/)
    t.equal((await doveadm(dovecot, 'user', 'absent@example.org')).code, 67)
    t.equal((await doveadm(dovecot, 'user', 'down@example.org')).code, 75)
    t.equal((await doveadm(dovecot, 'user', 'proxy-404@example.org')).code, 75)
    t.equal((await doveadm(dovecot, 'user', 'wrong-url@example.org')).code, 75)
  })

  t.test('credentials are given to nobody', async (t) => {
    const { code, text } = await doveadm(dovecot, 'auth', 'lookup', 'ok@example.org')
    t.equal(code, 75)
    t.match(text, "don't support credentials lookups")
  })

  t.test('a daemon that is down is a temporary failure, and logins go on afterwards', async (t) => {
    await fake.stop()
    t.match(await imapLogin(dovecot.ports.imap, 'mismatch@example.org', PASSWORD), /^a NO \[UNAVAILABLE\]/)
    const again = await startFakeLogin(answer('/tmp'), Number(new URL(fake.url).port))
    t.teardown(() => again.stop())
    t.match(await imapLogin(dovecot.ports.imap, 'mismatch@example.org', PASSWORD), MISMATCH)
  })

  t.test('no password stands in the log', async (t) => {
    t.notMatch(dovecot.log(), /marker/)
    t.notMatch(dovecot.log(), FAKE_TOKEN)
    t.match(dovecot.log(), 'temporary failure, status 503')
  })
}

for (const version of ['2.3', '2.4'] as const) {
  suite(`Dovecot ${version}`, [dovecotMissing(version)], (t) => run(t, version))
}

suite('the Lua file', [], async (t) => {
  const lua = await readFile(new URL('../../conf/dovecot/mailpassd.lua', import.meta.url), 'utf8')
  t.notMatch(lua, /log_(debug|info|warning|error)\(/, 'logs nothing of a request')
})
