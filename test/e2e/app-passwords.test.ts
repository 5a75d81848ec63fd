/**
 * App passwords as devices and other programs see them: a real Dovecot and two daemons on one database; doveadm and
 * PHP that verify what is made here, and rows that PHP made.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Test } from 'tap'
import { ask } from '../door/http/fixtures.ts'
import { dovecotMissing, startDovecot } from '../servers/dovecot.ts'
import { imapLogin } from '../servers/lines.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'
import { keycloakAndMariadb, mailUser, type FullBackend } from './backend.ts'
import { httpLogin, MAILPASSD, startDaemon, TOKEN, type RunningDaemon } from './daemon.ts'
import { isRecord } from './json.ts'

const JANE = 'jane@devices.example'
const MAIN = 'of jane'
const GOOD = /^a OK/
const WRONG = /^a NO \[AUTHENTICATIONFAILED\]/
const EXPIRED = /^a NO \[EXPIRED\]/

function phpMissing(): string | undefined {
  return spawnSync('php', ['-v']).status === 0 ? undefined : 'no php (npm run servers)'
}

function doveadmMissing(): string | undefined {
  return dovecotMissing('2.3')
}

/** What PHP prints; the password comes by stdin. */
function php(script: string, password: string, ...args: string[]): string {
  const ran = spawnSync('php', ['-r', script, '--', ...args], { input: password, encoding: 'utf8' })
  if (ran.status !== 0) throw new Error(ran.stderr)
  return ran.stdout
}

async function start(t: Test): Promise<{ backend: FullBackend; daemon: RunningDaemon }> {
  const backend = await keycloakAndMariadb(t, 'devices.example', [mailUser(JANE, MAIN)])
  const daemon = await startDaemon({ config: backend.config() })
  t.teardown(() => daemon.stop())
  const first = await httpLogin(daemon.url, JANE, MAIN)
  if (first.status !== 200) throw new Error(`the first login: ${JSON.stringify(first)}`)
  return { backend, daemon }
}

interface Made {
  readonly id: number
  readonly password: string
}

async function make(daemon: RunningDaemon, more: Record<string, unknown> = {}): Promise<Made> {
  const body = JSON.stringify({ name: 'phone', ...more })
  const socket = `unix:${join(daemon.dataDir, 'admin.sock')}`
  const answer = await ask(socket, 'POST', `/v1/mailboxes/${JANE}/app-passwords`, { body })
  const made: unknown = JSON.parse(answer.body)
  if (answer.status !== 201 || !isRecord(made)) throw new Error(answer.body)
  return { id: Number(made['id']), password: String(made['password']) }
}

function cli(daemon: RunningDaemon, ...words: string[]): string {
  const where = ['--config', daemon.configFile, '--data-dir', daemon.dataDir]
  const ran = spawnSync(MAILPASSD, [...words, ...where], { encoding: 'utf8' })
  if (ran.status !== 0) throw new Error(ran.stderr)
  return ran.stdout
}

/** Tries for at most a minute. */
async function until(happened: () => Promise<boolean>): Promise<void> {
  const lastMs = Date.now() + 60_000
  while (!(await happened())) {
    if (Date.now() > lastMs) throw new Error('it did not happen within a minute')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const NEEDED = [keycloakMissing(), mariadbMissing()]

suite('a device logs in by IMAP, two nodes', [dovecotMissing('2.3'), ...NEEDED], async (t) => {
  const { backend, daemon } = await start(t)
  const other = await startDaemon({ config: backend.config() })
  t.teardown(() => other.stop())
  const dovecot = await startDovecot({ version: '2.3', url: daemon.url, token: TOKEN })
  t.teardown(() => dovecot.stop())
  const imap = (password: string) => imapLogin(dovecot.ports.imap, JANE, password)
  /** The reason that the daemon logged last. */
  const why = () => daemon.lines().findLast((line) => line['event'] === 'login')?.['why']

  const phone = await make(daemon, { protocols: ['imap'], allowed_networks: ['127.0.0.0/8'] })
  t.match(await imap(phone.password), GOOD)
  t.match(await imap(phone.password.toUpperCase().replaceAll('-', '')), GOOD, 'typed without dashes')
  t.match(await imap(MAIN), GOOD, 'the main password all the same')
  t.match(await imap(`${phone.password.slice(0, -1)}${phone.password.endsWith('a') ? 'b' : 'a'}`), WRONG)
  t.equal(why(), 'app_password_differs')
  t.equal((await httpLogin(other.url, JANE, phone.password)).status, 403, 'of 192.0.2.1: not its network')

  const away = await make(daemon, { allowed_networks: ['203.0.113.0/24'] })
  t.match(await imap(away.password), WRONG)
  t.equal(why(), 'app_password_network')
  const sender = await make(daemon, { protocols: ['smtp'] })
  t.match(await imap(sender.password), WRONG)
  t.equal(why(), 'service_closed')

  const soon = await make(daemon, { expires_at: new Date(Date.now() + 3000).toISOString() })
  await until(async () => EXPIRED.test(await imap(soon.password)))
  t.equal(why(), 'app_password_expired')

  await until(async () => {
    const listed: unknown = JSON.parse(cli(daemon, 'app-password', 'list', JANE, '--json'))
    const rows = isRecord(listed) && Array.isArray(listed['app_passwords']) ? listed['app_passwords'] : []
    const last = rows.filter(isRecord).find((row) => row['id'] === phone.id)?.['last_used']
    return isRecord(last) && last['service'] === 'imap' && last['network'] === '127.0.0.0/24'
  })

  const lost = await make(daemon)
  t.match(await imap(lost.password), GOOD)
  t.equal((await httpLogin(other.url, JANE, lost.password)).status, 200)
  t.match(cli(other, 'app-password', 'revoke', JANE, String(lost.id)), /is revoked/)
  for (const url of [daemon.url, other.url])
    await until(async () => (await httpLogin(url, JANE, lost.password)).status === 403)
  t.match(await imap(lost.password), WRONG)
  t.equal(why(), 'app_password_revoked')
  t.match(await imap(phone.password), GOOD, 'the others go on')
  const secrets = [phone, away, sender, soon, lost].map(({ password }) => password)
  for (const { log } of [daemon, other])
    t.notOk(
      secrets.some((secret) => log().includes(secret)),
      'no password in a log',
    )
})

suite('a row made here verifies elsewhere', [doveadmMissing(), phpMissing(), ...NEEDED], async (t) => {
  const { backend, daemon } = await start(t)
  const { id, password } = await make(daemon)
  const [rows] = await backend.database.sql.query('select password, active from app_passwd where id = ?', [
    id,
  ])
  const [row] = Array.isArray(rows) ? rows.filter((each) => isRecord(each)) : []
  const hash = String(isRecord(row) ? row['password'] : '')
  t.match(hash, /^\{SSHA512\}/)
  const doveadm = (secret: string) => spawnSync('/usr/bin/doveadm', ['pw', '-t', hash, '-p', secret])
  t.equal(doveadm(password).status, 0, 'doveadm')
  t.not(doveadm(password.slice(0, -1)).status, 0)
  // Digest of 64 bytes, then the salt.
  const script = `$raw = base64_decode(substr($argv[1], 9), true);
    $digest = hash('sha512', stream_get_contents(STDIN) . substr($raw, 64), true);
    echo hash_equals(substr($raw, 0, 64), $digest) ? 'match' : 'mismatch';`
  t.equal(php(script, password, hash), 'match', 'PHP')
  t.equal(php(script, password.slice(0, -1), hash), 'mismatch')
})

suite('rows that PHP made log in', [phpMissing(), ...NEEDED], async (t) => {
  const { backend, daemon } = await start(t)
  const makers: [string, string][] = [
    ['bcrypt', `echo '{BLF-CRYPT}' . password_hash(stream_get_contents(STDIN), PASSWORD_BCRYPT);`],
    [
      'ssha512',
      `$salt = bin2hex(random_bytes(8));
       echo '{SSHA512}' . base64_encode(hash('sha512', stream_get_contents(STDIN) . $salt, true) . $salt);`,
    ],
    ['argon2id', `echo '{ARGON2ID}' . password_hash(stream_get_contents(STDIN), PASSWORD_ARGON2ID);`],
  ]
  for (const [name, script] of makers)
    await backend.database.sql.query(
      `insert into app_passwd (name, mailbox, domain, password, pop3_access) values (?, ?, 'devices.example', ?, 0)`,
      [name, JANE, php(script, `device ${name}`)],
    )
  for (const [name] of makers) {
    await until(async () => (await httpLogin(daemon.url, JANE, `device ${name}`)).status === 200)
    t.match(
      await httpLogin(daemon.url, JANE, `device ${name}`, 'pop3'),
      { status: 403 },
      `${name}: its own flags`,
    )
  }
  t.match(await httpLogin(daemon.url, JANE, 'device none'), { status: 401 })
})
