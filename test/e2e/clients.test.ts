/**
 * The way of a mail user: the first login over any protocol makes the mailbox, the same rows each time; a mail goes out
 * by SMTP, in by LMTP, and is read by IMAP. Real Dovecot 2.3 and 2.4, Postfix 3.7 and 3.10, Exim 4.96.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { ImapFlow } from 'imapflow'
import { createTransport } from 'nodemailer'
import type { Test } from 'tap'
import { keycloakAndMariadb, mailUser, realmFileAndSqlite, type Backend } from './backend.ts'
import { startDaemon, TOKEN } from './daemon.ts'
import { dovecotMissing, startDovecot, type Dovecot } from '../servers/dovecot.ts'
import { eximMissing, makeExim } from '../servers/exim.ts'
import { imapLogin, LineClient, plainResponse, pop3Login, sieveLogin, smtpLogin } from '../servers/lines.ts'
import { makePostfix, postfixMissing, type Postfix } from '../servers/postfix.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'

const DOMAIN = 'clients.example'
const PASSWORD = 'correct horse b\u00e4ttery'
/** The password as line clients write it: bytes. */
const PASSWORD_BYTES = Buffer.from(PASSWORD).toString('latin1')

const FIRST = ['imap', 'pop3', 'sieve'] as const
const DOVECOTS = ['2.3', '2.4'] as const
const MAILERS = ['postfix3.7', 'postfix3.10', 'exim'] as const
const SOCKETS = ['unix', 'tcp'] as const

function name(...parts: string[]): string {
  return `${parts.join('-')}@${DOMAIN}`
}

const USERS = [
  ...DOVECOTS.flatMap((version) => FIRST.map((protocol) => name(protocol, version))),
  ...MAILERS.flatMap((mailer) => SOCKETS.map((socket) => name('smtp', mailer, socket))),
  name('reader'),
]

async function imapFlow(port: number, user: string, password: string): Promise<ImapFlow> {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port,
    secure: false,
    doSTARTTLS: false,
    auth: { user, pass: password },
    logger: false,
  })
  await client.connect()
  return client
}

/** LOGOUT, and the socket too: imapflow waits for the server to close it. */
async function leave(client: ImapFlow): Promise<void> {
  await client.logout()
  client.close()
}

/** The text of the mail with this subject, waited for with IDLE's poor cousin, NOOP. */
async function readMail(port: number, user: string, subject: string): Promise<string> {
  const client = await imapFlow(port, user, PASSWORD)
  try {
    const until = Date.now() + 30_000
    while (Date.now() < until) {
      const lock = await client.getMailboxLock('INBOX')
      try {
        const found = await client.search({ subject })
        const [sequence] = Array.isArray(found) ? found : []
        if (sequence !== undefined) {
          const message = await client.fetchOne(String(sequence), { source: true })
          return message ? (message.source?.toString('latin1') ?? '') : ''
        }
      } finally {
        lock.release()
      }
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    throw new Error(`no mail ${subject} for ${user}`)
  } finally {
    await leave(client)
  }
}

async function send(port: number, user: string, to: string, subject: string): Promise<string> {
  const transport = createTransport({
    host: '127.0.0.1',
    port,
    ignoreTLS: true,
    auth: { user, pass: PASSWORD },
  })
  try {
    const sent: { response: string } = await transport.sendMail({ from: user, to, subject, text: `to ${to}` })
    return sent.response
  } finally {
    transport.close()
  }
}

interface Way {
  readonly dovecots: readonly Dovecot[]
  /** Mailer and socket -> port. */
  readonly submissions: ReadonlyMap<string, number>
  readonly port25: readonly number[]
}

async function startAll(
  t: Test,
  backend: Backend,
  mailers: readonly (typeof MAILERS)[number][],
): Promise<Way> {
  const mailDir = join(tmpdir(), `mailpassd-mail-${randomBytes(4).toString('hex')}`)
  const postfixes: Postfix[] = []
  if (mailers.includes('postfix3.7')) postfixes.push(await makePostfix('3.7'))
  if (mailers.includes('postfix3.10')) postfixes.push(await makePostfix('3.10'))
  const exim = mailers.includes('exim') ? await makeExim() : undefined
  const userdb = `[userdb]\nhome = "${mailDir}/%d/%n"\nmail = "maildir:${mailDir}/%d/%n/Maildir"`
  t.teardown(async () => {
    await Promise.all([...postfixes.map((postfix) => postfix.stop()), exim?.stop()])
  })
  const daemon = await startDaemon({
    config: backend.config({ userdb }),
    saslSockets: [...postfixes.map(({ saslSocket }) => saslSocket), ...(exim ? [exim.saslSocket] : [])],
    mapSockets: postfixes.map(({ mapSocket }) => mapSocket),
  })
  t.teardown(() => daemon.stop())
  const dovecots = await Promise.all(
    DOVECOTS.map((version) => startDovecot({ version, url: daemon.url, token: TOKEN, mailDir })),
  )
  t.teardown(() => Promise.all(dovecots.map((dovecot) => dovecot.stop())))
  const [old, recent] = dovecots
  if (old === undefined || recent === undefined) throw new Error('no Dovecot')

  const start = { saslPort: daemon.ports.sasl }
  const submissions = new Map<string, number>()
  for (const postfix of postfixes) {
    const lmtpPort = (postfix.version === '3.7' ? old : recent).ports.lmtp
    await postfix.start({ ...start, lmtpPort })
    submissions.set(`postfix${postfix.version} unix`, postfix.ports.unix)
    submissions.set(`postfix${postfix.version} tcp`, postfix.ports.tcp)
  }
  if (exim !== undefined) {
    await exim.start({ ...start, domains: [DOMAIN], lmtpPort: old.ports.lmtp })
    submissions.set('exim unix', exim.ports.unix)
    submissions.set('exim tcp', exim.ports.tcp)
  }
  t.teardown(() => {
    if (t.passing()) return
    t.comment(daemon.log())
    for (const server of [...dovecots, ...postfixes]) t.comment(server.log())
  })
  return { dovecots, submissions, port25: postfixes.map(({ ports }) => ports.smtp) }
}

async function firstLogins(t: Test, backend: Backend, way: Way): Promise<void> {
  const addresses: string[] = []
  for (const { version, ports } of way.dovecots) {
    const client = await imapFlow(ports.imap, name('imap', version), PASSWORD)
    t.ok(client.usable, `IMAP ${version}`)
    await leave(client)
    t.match(await pop3Login(ports.pop3, name('pop3', version), PASSWORD_BYTES), /^\+OK/, `POP3 ${version}`)
    t.match(await sieveLogin(ports.sieve, name('sieve', version), PASSWORD_BYTES), /^OK/, `SIEVE ${version}`)
    addresses.push(...FIRST.map((protocol) => name(protocol, version)))
  }
  for (const [submission, port] of way.submissions) {
    const user = name('smtp', ...submission.split(' '))
    t.match(await smtpLogin(port, user, PASSWORD_BYTES), /^235 /, `SMTP ${submission}`)
    addresses.push(user)
  }
  const [first = '', ...others] = addresses
  const rows = await backend.rowsOf(first)
  for (const table of ['mailbox', 'alias', 'quota2', 'quota2replica', 'user_acl', 'mailpassd_mailbox']) {
    t.equal(rows[table]?.length, 1, `one row in ${table}`)
  }
  for (const other of others) t.strictSame(await backend.rowsOf(other), rows, other)
}

async function refusals(t: Test, backend: Backend, way: Way): Promise<void> {
  const before = await backend.mailboxes()
  const seen = await Promise.all([
    ...way.dovecots.map(({ ports }) => imapLogin(ports.imap, name('reader'), 'wrong')),
    ...way.dovecots.map(({ ports }) => imapLogin(ports.imap, name('nobody'), 'wrong')),
  ])
  for (const line of seen) t.match(line, /^a NO \[AUTHENTICATIONFAILED\]/)
  const smtp = await Promise.all(
    [...way.submissions.values()].flatMap((port) => [
      smtpLogin(port, name('reader'), 'wrong'),
      smtpLogin(port, name('nobody'), 'wrong'),
    ]),
  )
  for (const line of smtp) t.match(line, /^535 /)
  t.equal(await backend.mailboxes(), before, 'nothing was made')
}

async function mails(t: Test, way: Way): Promise<void> {
  const [old, recent] = way.dovecots
  const reader = name('reader')
  for (const dovecot of way.dovecots) {
    await leave(await imapFlow(dovecot.ports.imap, reader, PASSWORD))
  }
  for (const [submission, port] of way.submissions) {
    const user = name('smtp', ...submission.split(' '))
    const subject = `by ${submission} ${randomBytes(4).toString('hex')}`
    t.match(await send(port, user, reader, subject), /^250 /, `sent by ${submission}`)
    const reached = submission.startsWith('postfix3.10') ? recent : old
    const text = await readMail(reached?.ports.imap ?? 0, reader, subject)
    t.match(text, `to ${reader}`, `read from Dovecot ${reached?.version}`)
  }
}

async function notOnPort25(t: Test, way: Way): Promise<void> {
  for (const port of way.port25) {
    const client = await LineClient.open(port)
    await client.line(/^220 /)
    t.match(
      await client.ask(`EHLO client.example`, /^250[ -].*AUTH|^250 /),
      /^250 (?!AUTH)/,
      'no AUTH offered',
    )
    t.match(await client.ask(`AUTH PLAIN ${plainResponse(name('reader'), PASSWORD)}`, /^\d{3} /), /^503 /)
    client.close()
  }
}

const NEEDED = [...DOVECOTS.map(dovecotMissing), postfixMissing('3.7'), postfixMissing('3.10'), eximMissing()]

suite('Keycloak and MariaDB', [...NEEDED, keycloakMissing(), mariadbMissing()], async (t) => {
  const backend = await keycloakAndMariadb(
    t,
    DOMAIN,
    USERS.map((email) => mailUser(email, PASSWORD)),
  )
  const way = await startAll(t, backend, MAILERS)
  await t.test('first logins over every protocol make equal rows', (t) => firstLogins(t, backend, way))
  await t.test('a mail goes out by SMTP, in by LMTP, and is read by IMAP', (t) => mails(t, way))
  await t.test('a wrong password and an unknown name look alike', (t) => refusals(t, backend, way))
  await t.test('nobody logs in on port 25', (t) => notOnPort25(t, way))
})

suite('realm file and SQLite', [...DOVECOTS.map(dovecotMissing), postfixMissing('3.7')], async (t) => {
  const backend = await realmFileAndSqlite(
    t,
    DOMAIN,
    USERS.map((email) => ({ email, password: PASSWORD })),
  )
  const way = await startAll(t, backend, ['postfix3.7'])
  await t.test('first logins over every protocol make equal rows', (t) => firstLogins(t, backend, way))
  await t.test('a mail goes out by SMTP, in by LMTP, and is read by IMAP', (t) => mails(t, way))
  await t.test('a wrong password and an unknown name look alike', (t) => refusals(t, backend, way))
})
