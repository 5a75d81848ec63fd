/**
 * Protocol flags on real mail servers: Dovecot 2.3 and 2.4 over IMAP, POP3 and ManageSieve, Postfix 3.7 and 3.10 under
 * every name that `smtpd_sasl_service` is given, Exim. Main and app passwords, flags open and closed, what the mail
 * client is told, and what is recorded of it.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parseService } from '../../src/login/service.ts'
import { dovecotMissing, startDovecot, type Dovecot } from '../servers/dovecot.ts'
import { eximMissing, makeExim } from '../servers/exim.ts'
import { imapLogin, pop3Login, sieveLogin, smtpLogin } from '../servers/lines.ts'
import { makePostfix, postfixMissing } from '../servers/postfix.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'
import { hash, keycloakAndMariadb, mailUser, type FullBackend } from './backend.ts'
import { startDaemon, TOKEN } from './daemon.ts'
import { isRecord } from './json.ts'

const DOMAIN = 'services.example'
const SERVICES = ['imap', 'pop3', 'sieve', 'smtp'] as const
type Service = (typeof SERVICES)[number]

const DOVECOTS = ['2.3', '2.4'] as const
const POSTFIXES = ['3.7', '3.10'] as const
/** '' is Postfix's own default; `mua` is no name of a service. */
const NAMES = ['', 'smtp', 'smtps', 'submission', 'submissions', 'mua'] as const

interface Mailbox {
  readonly name: string
  readonly source: 'keycloak' | 'mailcow'
  /** The services whose flag is there and closed. */
  readonly closed: readonly Service[]
}

const MAILBOXES: readonly Mailbox[] = [
  ...(['keycloak', 'mailcow'] as const).flatMap((source) => [
    { name: `${source}-open`, source, closed: [] },
    { name: `${source}-closed`, source, closed: SERVICES },
    { name: `${source}-bare`, source, closed: [] },
  ]),
  ...SERVICES.map((service) => ({
    name: `not-${service}`,
    source: 'keycloak' as const,
    closed: [service],
  })),
]

/** Of the mailbox that is closed: its app passwords, by the services that they open. */
const APP_PASSWORDS: readonly (readonly Service[])[] = [SERVICES, [], ...SERVICES.map((one) => [one])]

interface Attempt {
  readonly mailbox: string
  readonly password: string
  readonly isOpen: (service: Service) => boolean
}

const ATTEMPTS: readonly Attempt[] = [
  ...MAILBOXES.map(({ name, closed }) => ({
    mailbox: name,
    password: 'main',
    isOpen: (service: Service) => !closed.includes(service),
  })),
  ...APP_PASSWORDS.map((opened) => ({
    mailbox: 'keycloak-closed',
    password: `app of ${opened.join(' ')}`,
    isOpen: (service: Service) => opened.includes(service),
  })),
]

interface Way {
  readonly name: string
  /** What the login is for; undefined: a name that nobody knows. */
  readonly service: Service | undefined
  readonly login: (user: string, password: string) => Promise<string>
  readonly ok: RegExp
  readonly refused: RegExp
}

async function insertRows(database: FullBackend['database']): Promise<void> {
  for (const { name, source, closed } of MAILBOXES) {
    const flags = Object.fromEntries(
      SERVICES.map((service) => [`${service}_access`, closed.includes(service) ? '0' : '1']),
    )
    const attributes = name.endsWith('-bare') ? {} : flags
    await database.sql.query(
      `insert into mailbox (username, password, name, quota, local_part, domain, attributes, authsource)
       values (?, ?, '', 0, ?, ?, ?, ?)`,
      [
        `${name}@${DOMAIN}`,
        source === 'mailcow' ? hash('main') : '',
        name,
        DOMAIN,
        JSON.stringify({ ...attributes, mailbox_format: 'maildir:' }),
        source,
      ],
    )
  }
  for (const opened of APP_PASSWORDS) {
    const columns = SERVICES.map((service) => (opened.includes(service) ? 1 : 0))
    await database.sql.query(
      `insert into app_passwd (name, mailbox, domain, password, imap_access, pop3_access, sieve_access, smtp_access,
       eas_access, dav_access) values ('device', ?, ?, ?, ?, ?, ?, ?, 1, 1)`,
      [`keycloak-closed@${DOMAIN}`, DOMAIN, hash(`app of ${opened.join(' ')}`), ...columns],
    )
  }
}

/** A Dovecot, and a socket of mailpassd's as that Dovecot sees it. */
interface Prober {
  readonly dovecot: Dovecot
  readonly socket: string
}

interface Started {
  readonly ways: readonly Way[]
  readonly probers: readonly Prober[]
}

async function startAll(t: Test, backend: FullBackend): Promise<Started> {
  const postfixes = await Promise.all(POSTFIXES.map((version) => makePostfix(version, NAMES)))
  const exim = await makeExim()
  t.teardown(() => Promise.all([...postfixes.map((postfix) => postfix.stop()), exim.stop()]))
  const mailDir = join(tmpdir(), `mailpassd-mail-${randomBytes(4).toString('hex')}`)
  const userdb = `[userdb]\nhome = "${mailDir}/%d/%n"\nmail = "maildir:${mailDir}/%d/%n/Maildir"`
  const daemon = await startDaemon({
    config: backend.config({ userdb }),
    saslSockets: [...postfixes.map(({ saslSocket }) => saslSocket), exim.saslSocket],
    failureDelayMs: 0,
  })
  t.teardown(() => daemon.stop())
  t.teardown(() => {
    if (!t.passing()) t.comment(daemon.log())
  })
  const ways: Way[] = []
  const probers: Prober[] = []
  for (const version of DOVECOTS) {
    const dovecot = await startDovecot({ version, url: daemon.url, token: TOKEN, mailDir })
    t.teardown(() => dovecot.stop())
    const root = dovecot.hostDir.slice(0, -dovecot.dir.length)
    const sibling = postfixes.find((postfix) => (postfix.version === '3.10') === (version === '2.4'))
    probers.push({ dovecot, socket: (sibling?.saslSocket ?? '').slice(root.length) })
    const { ports } = dovecot
    const name = `Dovecot ${version}`
    ways.push(
      {
        name,
        service: 'imap',
        login: (user, password) => imapLogin(ports.imap, user, password),
        ok: /^a OK/,
        refused: /^a NO \[AUTHENTICATIONFAILED\]/,
      },
      {
        name,
        service: 'pop3',
        login: (user, password) => pop3Login(ports.pop3, user, password),
        ok: /^\+OK/,
        refused: /^-ERR \[AUTH\]/,
      },
      {
        name,
        service: 'sieve',
        login: (user, password) => sieveLogin(ports.sieve, user, password),
        ok: /^OK/,
        refused: /^NO /,
      },
    )
  }
  const smtp = (name: string, port: number, service: Service | undefined = 'smtp'): Way => ({
    name,
    service,
    login: (user, password) => smtpLogin(port, user, password),
    ok: /^235 /,
    refused: /^535 /,
  })
  const start = { saslPort: daemon.ports.sasl, lmtpPort: 1, domains: [DOMAIN] }
  for (const postfix of postfixes) {
    await postfix.start(start)
    for (const [name, port] of postfix.services) {
      const service = name === 'mua' ? undefined : 'smtp'
      ways.push({ ...smtp(`Postfix ${postfix.version}, ${name || 'default'}`, port), service })
    }
  }
  await exim.start(start)
  ways.push(smtp('Exim', exim.ports.unix))
  return { ways, probers }
}

/** All attempts over all ways, a few at a time: a refusal of Dovecot's takes 2 s. */
async function logIn(t: Test, ways: readonly Way[]): Promise<void> {
  const jobs = ways.flatMap((way) => ATTEMPTS.map((attempt) => ({ way, attempt })))
  const wrong: string[] = []
  let done = 0
  const work = async (): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const { way, attempt } = job
      const said = await way.login(`${attempt.mailbox}@${DOMAIN}`, attempt.password)
      const isOpen = way.service !== undefined && attempt.isOpen(way.service)
      if (!(isOpen ? way.ok : way.refused).test(said))
        wrong.push(`${way.name} ${way.service}, ${attempt.mailbox}, ${attempt.password}: ${said}`)
      done += 1
    }
  }
  await Promise.all(Array.from({ length: 12 }, work))
  t.same(wrong, [], 'each is told what its flags say')
  t.equal(done, ways.length * ATTEMPTS.length)
}

async function select(backend: FullBackend, sql: string): Promise<string[]> {
  const [rows] = await backend.database.sql.query(sql)
  const list: unknown[] = Array.isArray(rows) ? rows : []
  return list.filter(isRecord).map((row) => Object.values(row).map(String).join(' '))
}

/** What the database says of them, once it has them all. */
async function recorded(t: Test, backend: FullBackend, ways: readonly Way[]): Promise<void> {
  const total = ways.length * ATTEMPTS.length
  const last = Date.now() + 30_000
  for (;;) {
    const [count = '0'] = await select(backend, 'select sum(count) from mailpassd_login')
    if (Number(count) >= total || Date.now() > last) break
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const login = new Map<string, number>()
  const sasl = new Set<string>()
  for (const way of ways)
    for (const { mailbox, isOpen } of ATTEMPTS) {
      const opens = way.service !== undefined && isOpen(way.service)
      const why = way.service === undefined ? 'service_unknown' : opens ? 'verified' : 'service_closed'
      const key = `${mailbox}@${DOMAIN} ${way.service ?? 'other'} ${opens ? 'ok' : 'service_denied'} ${why}`
      login.set(key, (login.get(key) ?? 0) + 1)
      if (opens) sasl.add(`${mailbox}@${DOMAIN} ${way.service} 127.0.0.1`)
    }
  t.same(
    await select(
      backend,
      `select mailbox, service, verdict, why, sum(count) from mailpassd_login
       group by mailbox, service, verdict, why order by 1, 2, 3, 4`,
    ),
    [...login].map(([key, count]) => `${key} ${count}`).sort(),
    'mailpassd_login',
  )
  t.same(
    await select(backend, 'select username, service, real_rip from sasl_log order by 1, 2'),
    [...sasl].sort(),
    'sasl_log has the good ones, under mailcow’s names',
  )
  t.same(
    await select(
      backend,
      `select distinct username from sasl_log where app_password in (select id from app_passwd)`,
    ),
    [`keycloak-closed@${DOMAIN}`],
    'with the app password, where it was one',
  )
}

/** Dovecot's own client of its protocol at our socket: 2.3 names a service, 2.4 a protocol. */
async function doveadm(t: Test, { dovecot, socket }: Prober): Promise<void> {
  const test = (...options: string[]): Promise<string> =>
    new Promise((resolve) => {
      const [program, args] = dovecot.doveadm('auth', 'test', '-a', socket, ...options)
      execFile(program, [...args, `not-pop3@${DOMAIN}`, 'main'], (_error, stdout) => resolve(stdout))
    })
  t.match(await test('-x', 'service=imap'), /auth succeeded/)
  t.match(await test('-x', 'service=pop3'), /auth failed/)
  t.match(await test('-x', 'service=submission'), /auth succeeded/)
  t.match(await test(), /auth failed/, 'its own name is no service')
}

const NEEDED = [
  ...DOVECOTS.map(dovecotMissing),
  ...POSTFIXES.map(postfixMissing),
  eximMissing(),
  keycloakMissing(),
  mariadbMissing(),
]

suite('services on real mail servers', NEEDED, async (t) => {
  const fromKeycloak = MAILBOXES.filter(({ source }) => source === 'keycloak')
  const backend = await keycloakAndMariadb(
    t,
    DOMAIN,
    fromKeycloak.map(({ name }) => mailUser(`${name}@${DOMAIN}`, 'main')),
  )
  await insertRows(backend.database)
  const { ways, probers } = await startAll(t, backend)

  await t.test('the names in conf/postfix/master.cf.inc are tried below', async (t) => {
    const shipped = readFileSync(join(import.meta.dirname, '../../conf/postfix/master.cf.inc'), 'utf8')
    const names = [...shipped.matchAll(/smtpd_sasl_service=(\S+)/g)].map(([, name = '']) => name)
    t.ok(names.length >= 2)
    for (const name of names) {
      t.ok(NAMES.some((tried) => tried === name))
      t.equal(parseService(name), 'smtp')
    }
  })
  await t.test('flags open and closed, main and app passwords', (t) => logIn(t, ways))
  await t.test('what is recorded of them', (t) => recorded(t, backend, ways))
  for (const prober of probers)
    await t.test(`doveadm auth test ${prober.dovecot.version}`, (t) => doveadm(t, prober))
})
