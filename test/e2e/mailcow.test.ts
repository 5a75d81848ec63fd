/**
 * conf/mailcow in a real Dovecot 2.3 with mailcow's chain of passdbs: mail clients by /v1/login, SOGo by mailpassd's
 * `POST /`. And a file that asks there as mailcow's own does.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startChild } from '../servers/child.ts'
import { dovecotMissing } from '../servers/dovecot.ts'
import { makeRoot } from '../servers/roots.ts'
import { suite } from '../servers/suite.ts'
import { realmFileAndSqlite } from './backend.ts'
import { startDaemon, TOKEN } from './daemon.ts'

const CONF = join(import.meta.dirname, '../../conf')
const USER = 'jane@mailcow.example'
const PASSWORD = 'of jane'
const SOGO = '172.22.1.248'
const OF_SOGO = 'q7e8m2x4c6v8b0n1a3s5d7f9g1h3j5k7'
const CLIENT = '192.0.2.1'

/** Asks what mailcow's own file asks: these four fields by POST, 200 or 401 with `success`. */
const asking = (url: string) => `
local json = require "cjson"
local http = dovecot.http.client { request_timeout_msecs = 9000, max_attempts = 1 }
function auth_password_verify(req, password)
  local request = http:request { url = "${url}/", method = "POST" }
  request:add_header("Content-Type", "application/json")
  request:set_payload(json.encode {
    username = req.user, password = password, real_rip = req.real_rip, service = req.service
  })
  local response = request:submit()
  if response:status() == 200 and json.decode(response:payload()).success == true then
    return dovecot.auth.PASSDB_RESULT_OK, ""
  end
  return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "refused"
end
function auth_passdb_lookup(req) return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "" end
`

type Told = 'ok' | 'refused' | 'temporary'

/** Log lines come a moment after the answers that they tell of. */
async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const last = Date.now() + 20_000
  while (!(await isSo())) {
    if (Date.now() > last) throw new Error(`not seen: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

interface Auth {
  /** What `doveadm auth test` is told: let in, refused, or "not found out" (temporary). */
  readonly login: (user: string, password: string, rip: string, service?: string) => Promise<Told>
  readonly log: () => string
}

/** Dovecot's auth with mailcow's two Lua passdbs, of which the first leaves everything but success to the second. */
async function startAuth(t: Test, files: Readonly<Record<string, string>>): Promise<Auth> {
  const root = await makeRoot('host')
  const { dir } = root
  await mkdir(join(dir, 'conf'))
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(dir, 'conf', name), text.replaceAll('/etc/mailpassd/', `${dir}/conf/`))
  }
  const lua = `driver = lua\n  args = file=${dir}/conf/passwd-verify.lua blocking=yes`
  const config = join(dir, 'dovecot.conf')
  await writeFile(
    config,
    `base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = /dev/stderr
protocols =
ssl = no
default_internal_user = dovecot
default_login_user = dovenull
auth_mechanisms = plain login
disable_plaintext_auth = no
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
passdb {
  ${lua} cache_key=%s:%u:%w
  result_success = return-ok
  result_failure = continue
  result_internalfail = continue
}
passdb {
  ${lua}
}
userdb {
  driver = static
  args = uid=5000 gid=5000 home=/nowhere
}
auth_cache_ttl = 300s
auth_cache_size = 10M
!include_try ${dir}/conf/extra.conf
`,
  )
  const child = startChild('/usr/sbin/dovecot', ['-F', '-c', config])
  t.teardown(async () => {
    await child.stop()
    await root.remove()
  })
  const test = (args: readonly string[]): Promise<Told | undefined> =>
    new Promise((resolve) => {
      execFile('doveadm', ['-c', config, 'auth', 'test', ...args], (error, stdout) => {
        if (error === null) resolve('ok')
        else if (!stdout.includes('auth failed')) resolve(undefined)
        else resolve(stdout.includes('temp_fail') ? 'temporary' : 'refused')
      })
    })
  const login: Auth['login'] = async (user, password, rip, service = 'imap') => {
    const told = await test(['-x', `service=${service}`, '-x', `rip=${rip}`, user, password])
    if (told === undefined) throw new Error(`no answer of Dovecot:\n${child.output()}`)
    return told
  }
  await child.until(async () => (await test(['-x', 'service=none', 'nobody', 'x'])) !== undefined)
  return { login, log: child.output }
}

suite('conf/mailcow', [dovecotMissing('2.3')], async (t) => {
  const backend = await realmFileAndSqlite(t, 'mailcow.example', [{ email: USER, password: PASSWORD }])
  const files = await mkdtemp(join(tmpdir(), 'mailpassd-sogo-'))
  t.teardown(() => rm(files, { recursive: true, force: true }))
  const sogoFile = join(files, 'sogo-sso.pass')
  await writeFile(sogoFile, OF_SOGO, { mode: 0o600 })
  const compat = `[compat]
networks = ["127.0.0.0/8"]
sogo_networks = ["${SOGO}/32"]
sogo_password_file = "${sogoFile}"
`
  const daemon = await startDaemon({ config: `${backend.config()}${compat}`, failureDelayMs: 0 })
  t.teardown(() => daemon.stop())

  const logins = (door: string): number =>
    daemon.lines().filter((line) => line['door'] === door && line['verdict'] === 'ok').length

  await t.test('mail clients, and SOGo with its own password and with theirs', async (t) => {
    const auth = await startAuth(t, {
      'passwd-verify.lua': await readFile(join(CONF, 'mailcow/passwd-verify.lua'), 'utf8'),
      'mailpassd.lua': (await readFile(join(CONF, 'dovecot/mailpassd.lua'), 'utf8'))
        // A name, as on mailcow, where the address is not known beforehand.
        .replace('http://127.0.0.1:8143', daemon.url.replace('127.0.0.1', 'localhost'))
        .replace('/etc/dovecot/mailpassd.token', '/etc/mailpassd/token'),
      token: TOKEN,
      'extra.conf': await readFile(join(CONF, 'mailcow/dovecot-extra.conf'), 'utf8'),
    })
    t.equal(await auth.login(USER, OF_SOGO, SOGO), 'refused', 'SOGo makes no mailbox')
    t.equal(await auth.login(USER, PASSWORD, CLIENT), 'ok', 'a mail client')
    t.equal(await auth.login(USER, 'wrong', CLIENT), 'refused')
    t.equal(await auth.login(USER, OF_SOGO, CLIENT), 'refused', "SOGo's password from elsewhere")
    t.equal(await auth.login(USER, PASSWORD, CLIENT, 'doveadm'), 'refused', 'an unknown service')
    t.equal(logins('mailcow'), 0, 'no mail client came by that route')

    for (const service of ['imap', 'sieve', 'smtp'])
      t.equal(await auth.login(USER, OF_SOGO, SOGO, service), 'ok', `SOGo, ${service}`)
    t.equal(await auth.login(USER.toUpperCase(), PASSWORD, SOGO), 'ok', 'SOGo with a user’s password')
    t.equal(await auth.login(USER, 'wrong', SOGO), 'refused')
    t.equal(await auth.login('nobody@mailcow.example', OF_SOGO, SOGO), 'refused')
    await until(() => logins('mailcow') === 4, 'SOGo’s logins came by mailcow’s route')
    t.match(
      daemon.lines().filter((line) => line['door'] === 'mailcow' && line['verdict'] === 'ok'),
      ['sogo_password', 'sogo_password', 'sogo_password', 'verified'].map((why) => ({
        service: 'sogo',
        why,
      })),
    )

    // As mailcow does at each start of its Dovecot.
    await writeFile(sogoFile, OF_SOGO.toUpperCase())
    await until(
      async () => (await auth.login(USER, OF_SOGO.toUpperCase(), SOGO)) === 'ok',
      'the new password',
    )
    t.equal(await auth.login(USER, OF_SOGO, SOGO), 'refused', 'the one before')

    // A wrong password has emptied the cache that Dovecot would have: two right ones fill and use it.
    const before = logins('http')
    for (const _ of [1, 2]) t.equal(await auth.login(USER, PASSWORD, CLIENT), 'ok')
    await until(() => logins('http') === before + 2, 'no cache of Dovecot answers in place of mailpassd')
    t.notMatch(auth.log(), /of jane|Fatal|Panic/)
    t.notMatch(auth.log() + daemon.log(), new RegExp(OF_SOGO, 'i'))
  })

  await t.test('POST / takes what mailcow’s own file sends', async (t) => {
    const auth = await startAuth(t, { 'passwd-verify.lua': asking(daemon.url) })
    t.equal(await auth.login(USER, PASSWORD, CLIENT), 'ok')
    t.equal(await auth.login(USER.toUpperCase(), PASSWORD, CLIENT, 'pop3'), 'ok')
    t.equal(await auth.login(USER, 'wrong', CLIENT), 'refused')
    t.equal(await auth.login('nobody@mailcow.example', PASSWORD, CLIENT), 'refused')
    await until(() => logins('mailcow') > 0, 'they came by that route')
  })

  await t.test('mailpassd away: not found out, for SOGo too', async (t) => {
    const auth = await startAuth(t, {
      'passwd-verify.lua': await readFile(join(CONF, 'mailcow/passwd-verify.lua'), 'utf8'),
      'mailpassd.lua': (await readFile(join(CONF, 'dovecot/mailpassd.lua'), 'utf8'))
        .replace('http://127.0.0.1:8143', 'http://127.0.0.1:1')
        .replace('/etc/dovecot/mailpassd.token', '/etc/mailpassd/token'),
      token: TOKEN,
    })
    t.equal(await auth.login(USER, PASSWORD, CLIENT), 'temporary')
    t.equal(await auth.login(USER, OF_SOGO, SOGO), 'temporary')
  })

  await t.test('a token that is none: a fault of the set-up, not of SOGo', async (t) => {
    const strict = await startDaemon({
      config: `${backend.config()}${compat.replace(/^networks.*$/m, '')}`,
      failureDelayMs: 0,
    })
    t.teardown(() => strict.stop())
    const auth = await startAuth(t, {
      'passwd-verify.lua': await readFile(join(CONF, 'mailcow/passwd-verify.lua'), 'utf8'),
      'mailpassd.lua': (await readFile(join(CONF, 'dovecot/mailpassd.lua'), 'utf8'))
        .replace('http://127.0.0.1:8143', strict.url)
        .replace('/etc/dovecot/mailpassd.token', '/etc/mailpassd/token'),
      token: `${TOKEN}-of-somebody-else`,
    })
    t.equal(await auth.login(USER, OF_SOGO.toUpperCase(), SOGO), 'temporary')
    t.equal(await auth.login(USER, PASSWORD, CLIENT), 'temporary')
  })
})
