/**
 * Who gets mail and who may send, asked of mailpassd by real Postfix 3.7 and 3.10 without database access, delivered to
 * real Dovecot 2.3 and 2.4: in good times, while MariaDB, Keycloak or mailpassd is away, and when somebody is locked.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImapFlow } from 'imapflow'
import type { Test } from 'tap'
import {
  keycloakAndMariadb,
  mailUser,
  realmFileAndMariadb,
  realmFileAndSqlite,
  type Backend,
} from './backend.ts'
import {
  DOMAIN,
  logIn,
  PASSWORD,
  PEOPLE,
  setLock,
  SmtpSession,
  startMapWay,
  type MapWay,
} from './maps-way.ts'
import { dovecotMissing } from '../servers/dovecot.ts'
import { startFaultProxy } from '../servers/fault-proxy.ts'
import { smtpLogin } from '../servers/lines.ts'
import { mariadbInstalled, startMariadb } from '../servers/mariadb.ts'
import { postfixMissing, type PostfixVersion } from '../servers/postfix.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'

const WAIT_MS = 60_000
const ALICE = `alice@${DOMAIN}`
const LENA = `lena@${DOMAIN}`
const OUTSIDER = 'somebody@outside.example'

/** What alice, logged in, may call herself. */
const SENDERS: Readonly<Record<string, RegExp>> = {
  [ALICE]: /^250 /,
  [ALICE.toUpperCase()]: /^250 /,
  [`alice+tag@${DOMAIN}`]: /^250 /,
  [`info@${DOMAIN}`]: /^250 /,
  [`team@${DOMAIN}`]: /^250 /,
  'alice@alias.example': /^250 /,
  'allowed@elsewhere.example': /^250 /,
  '': /^250 /,
  [`bob@${DOMAIN}`]: /^553 5\.7\.1 /,
  [`BOB@${DOMAIN}`]: /^553 5\.7\.1 /,
  [`closed@${DOMAIN}`]: /^553 5\.7\.1 /,
  [`receives@${DOMAIN}`]: /^553 5\.7\.1 /,
  [`nobody@${DOMAIN}`]: /^553 5\.7\.1 /,
  'anybody@catchall.example': /^553 5\.7\.1 /,
  'other@elsewhere.example': /^553 5\.7\.1 /,
  [`b\u00f6b@${DOMAIN}`]: /^5\d\d /,
}

/** Whom a stranger on port 25 may write to. */
const RECIPIENTS: Readonly<Record<string, RegExp>> = {
  [ALICE]: /^250 /,
  [`Alice@${DOMAIN.toUpperCase()}`]: /^250 /,
  [`alice+tag@${DOMAIN}`]: /^250 /,
  [`info@${DOMAIN}`]: /^250 /,
  [`closed@${DOMAIN}`]: /^250 /,
  [`receives@${DOMAIN}`]: /^250 /,
  [`temporary@${DOMAIN}`]: /^250 /,
  'anybody@catchall.example': /^250 /,
  'alice@alias.example': /^250 /,
  'info@alias.example': /^250 /,
  [`nobody@${DOMAIN}`]: /^550 5\.1\.1 /,
  [`gone@${DOMAIN}`]: /^550 5\.1\.1 /,
  [`expired@${DOMAIN}`]: /^550 5\.1\.1 /,
  'nobody@alias.example': /^550 5\.1\.1 /,
  // In the directory, and never logged in: no mailbox yet.
  [`stranger@${DOMAIN}`]: /^550 5\.1\.1 /,
  'alice@off.example': /^554 5\.7\.1 .*Relay access denied/,
  'alice@elsewhere.example': /^554 5\.7\.1 .*Relay access denied/,
}

/** Asks until `isSo`; throws with the last answer when it is not so within a minute. */
async function until<T>(ask: () => Promise<T> | T, isSo: (answer: T) => boolean): Promise<T> {
  const last = Date.now() + WAIT_MS
  for (;;) {
    const answer = await ask()
    if (isSo(answer)) return answer
    if (Date.now() > last) throw new Error(`never came: last ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** First logins make their mailboxes. */
async function firstLogins(t: Test, { servers }: MapWay): Promise<void> {
  const [first] = servers
  for (const person of [ALICE, LENA])
    t.match(await smtpLogin(first?.postfix.ports.unix ?? 0, person, PASSWORD), /^235 /, person)
}

async function senders(t: Test, { servers }: MapWay): Promise<void> {
  for (const { postfix } of servers) {
    const session = await logIn(postfix.ports.unix, ALICE.toUpperCase())
    for (const [from, answer] of Object.entries(SENDERS))
      t.match(await session.mail(from), answer, `${postfix.version}: alice as <${from}>`)
    session.close()
    const stranger = await SmtpSession.open(postfix.ports.unix)
    t.match(await stranger.mail(ALICE), /^553 /, `${postfix.version}: not logged in, as alice`)
    t.match(await stranger.mail(OUTSIDER), /^554 /, `${postfix.version}: not logged in`)
    stranger.close()
    for (const local of ['receives', 'gone'])
      t.match(
        await smtpLogin(postfix.ports.unix, `${local}@${DOMAIN}`, PASSWORD),
        /^535 /,
        `${postfix.version}: ${local} does not log in`,
      )
  }
}

async function recipients(t: Test, { servers }: MapWay): Promise<void> {
  for (const { postfix } of servers) {
    const session = await SmtpSession.open(postfix.ports.smtp)
    t.match(await session.mail(OUTSIDER), /^250 /)
    for (const [to, answer] of Object.entries(RECIPIENTS))
      t.match(await session.rcpt(to), answer, `${postfix.version}: to ${to}`)
    session.close()
  }
}

/** What address mail is written to -> whose mailbox it has to come to. */
const DELIVERIES: Readonly<Record<string, readonly string[]>> = {
  [`ALICE+tag@${DOMAIN}`]: [ALICE],
  'info@alias.example': [ALICE],
  [`team@${DOMAIN}`]: [ALICE, `bob@${DOMAIN}`],
  'anybody@catchall.example': [`bob@${DOMAIN}`],
  [`temporary@${DOMAIN}`]: [ALICE],
}

async function subjectsOf(port: number, user: string): Promise<string[]> {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port,
    secure: false,
    doSTARTTLS: false,
    auth: { user, pass: PASSWORD },
    logger: false,
  })
  await client.connect()
  try {
    const lock = await client.getMailboxLock('INBOX')
    try {
      const subjects: string[] = []
      // Dovecot 2.4 takes `1:*` of an empty folder for an error.
      if (client.mailbox === false || client.mailbox.exists === 0) return subjects
      for await (const message of client.fetch('1:*', { envelope: true }))
        subjects.push(message.envelope?.subject ?? '')
      return subjects
    } finally {
      lock.release()
    }
  } finally {
    await client.logout()
    client.close()
  }
}

async function deliveries(t: Test, { servers }: MapWay): Promise<void> {
  for (const { postfix, dovecot } of servers) {
    const expected = new Map<string, string[]>()
    const session = await logIn(postfix.ports.unix, ALICE)
    for (const [to, mailboxes] of Object.entries(DELIVERIES)) {
      const subject = `${postfix.version} to ${to}`
      await session.mail(`info@${DOMAIN}`)
      t.match(await session.rcpt(to), /^250 /)
      t.match(await session.data(subject), /^250 /, subject)
      for (const mailbox of mailboxes) expected.set(mailbox, [...(expected.get(mailbox) ?? []), subject])
    }
    await session.mail(ALICE)
    await session.rcpt(`receives@${DOMAIN}`)
    t.match(await session.data('to who may not log in'), /^250 /)
    session.close()
    for (const [mailbox, subjects] of expected) {
      const found = await until(
        async () =>
          (await subjectsOf(dovecot.ports.imap, mailbox)).filter((subject) =>
            subject.startsWith(postfix.version),
          ),
        (found) => found.length >= subjects.length,
      )
      t.same([...found].sort(), [...subjects].sort(), mailbox)
    }
    await until(
      () => postfix.log(),
      (log) => new RegExp(`to=<receives@${DOMAIN}>.*status=sent`).test(log),
    )
    t.notMatch(postfix.log(), /warning: .*(?:socketmap|look-?up)/, 'Postfix complains of nothing')
  }
}

async function locking(t: Test, way: MapWay): Promise<void> {
  const { servers } = way
  const sessions = await Promise.all(servers.map(({ postfix }) => logIn(postfix.ports.unix, LENA)))
  const open = await Promise.all(servers.map(({ postfix }) => logIn(postfix.ports.unix, LENA)))
  for (const session of [...sessions, ...open]) t.match(await session.mail(LENA), /^250 /, 'before')
  for (const session of open) t.match(await session.rcpt(ALICE), /^250 /)
  await setLock(way, LENA, true)
  for (const session of sessions) {
    const answers: string[] = []
    await until(
      async () => {
        answers.push(await session.mail(LENA))
        return answers.at(-1) ?? ''
      },
      (answer) => answer.startsWith('554 '),
    )
    t.match(answers.at(-1), /^554 5\.7\.1 .*may not send mail now/, 'locked while the session is open')
  }
  for (const session of open) t.match(await session.data('begun before the lock'), /^554 5\.7\.1 /)
  for (const { postfix } of servers) {
    t.match(await smtpLogin(postfix.ports.unix, LENA, PASSWORD), /^535 /, 'nor anew')
    const other = await logIn(postfix.ports.unix, ALICE)
    t.match(await other.mail(ALICE), /^250 /, 'others go on')
    t.match(await other.rcpt(LENA), /^250 /, 'mail goes on coming in')
    other.close()
  }
  await setLock(way, LENA, false)
  for (const session of sessions) {
    await until(
      () => session.mail(LENA),
      (answer) => answer.startsWith('250 '),
    )
    t.pass('unlocked, in the same session')
  }
  for (const session of [...sessions, ...open]) session.close()
}

/** A session that is open and one that is not, asked for everything while something is away. */
async function whileAway(
  t: Test,
  { servers }: MapWay,
  turn: { readonly off: () => Promise<void> | void; readonly on: () => Promise<void> | void },
  expected: { readonly mail: RegExp; readonly rcpt: RegExp; readonly auth: RegExp | undefined },
): Promise<void> {
  const sessions = await Promise.all(
    servers.map(async ({ postfix }) => ({
      postfix,
      sender: await logIn(postfix.ports.unix, ALICE),
      outsider: await SmtpSession.open(postfix.ports.smtp),
    })),
  )
  for (const { sender, outsider } of sessions) {
    t.match(await sender.mail(ALICE), /^250 /, 'before')
    t.match(await outsider.mail(OUTSIDER), /^250 /, 'before')
  }
  await turn.off()
  await Promise.all(
    sessions.map(async ({ postfix, sender, outsider }) => {
      t.match(await sender.mail(ALICE), expected.mail, `${postfix.version}: MAIL`)
      t.match(await sender.mail(`bob@${DOMAIN}`), /^(?:451|553) /, `${postfix.version}: MAIL as bob`)
      for (const to of [ALICE, `info@${DOMAIN}`, `nobody@${DOMAIN}`, 'anybody@catchall.example'])
        t.match(
          await outsider.rcpt(to),
          to.startsWith('nobody') && expected.rcpt.test('250 ') ? /^550 / : expected.rcpt,
          `${postfix.version}: RCPT ${to}`,
        )
      if (expected.auth !== undefined)
        t.match(
          await smtpLogin(postfix.ports.unix, `stranger@${DOMAIN}`, PASSWORD),
          expected.auth,
          `${postfix.version}: AUTH`,
        )
    }),
  )
  await turn.on()
  for (const { postfix, sender, outsider } of sessions) {
    await until(
      () => sender.mail(ALICE),
      (answer) => answer.startsWith('250 '),
    )
    await until(
      async () => {
        await outsider.mail(OUTSIDER)
        return await outsider.rcpt(ALICE)
      },
      (answer) => answer.startsWith('250 '),
    )
    t.match(
      await outsider.rcpt(`nobody@${DOMAIN}`),
      /^550 /,
      `${postfix.version}: all as before, in the same sessions`,
    )
    sender.close()
    outsider.close()
  }
}

async function mailpassdAway(t: Test, way: MapWay): Promise<void> {
  await whileAway(
    t,
    way,
    { off: way.stopDaemon, on: way.startDaemon },
    { mail: /^451 /, rcpt: /^451 /, auth: undefined },
  )
}

async function goodTimes(t: Test, way: MapWay): Promise<void> {
  await t.test('first logins', (t) => firstLogins(t, way))
  await t.test('who may send as whom', (t) => senders(t, way))
  await t.test('who gets mail', (t) => recipients(t, way))
  await t.test('mail arrives where the maps lead', (t) => deliveries(t, way))
  await t.test('locked in the middle of a session', (t) => locking(t, way))
}

const NEEDED = [dovecotMissing('2.3'), postfixMissing('3.7')]
const ALL_NEEDED = [...NEEDED, dovecotMissing('2.4'), postfixMissing('3.10')]
const VERSIONS: readonly PostfixVersion[] = ['3.7', '3.10']
const realmUsers = PEOPLE.map((email) => ({ email, password: PASSWORD }))

suite(
  "Keycloak and MariaDB with mailcow's schema",
  [...ALL_NEEDED, keycloakMissing(), mariadbInstalled() ? undefined : 'no MariaDB (npm run servers)'],
  async (t) => {
    const workDir = await mkdtemp(join(tmpdir(), 'mailpassd-maps-'))
    t.teardown(() => rm(workDir, { recursive: true, force: true }))
    let mariadb = await startMariadb(workDir)
    t.teardown(async () => {
      // A stopped process gets SIGTERM only when it goes on.
      mariadb.resume()
      await mariadb.stop()
    })
    const users = PEOPLE.map((email) => mailUser(email, PASSWORD))
    const backend = await keycloakAndMariadb(t, DOMAIN, users, { socket: mariadb.socket })
    // It is lost when the server is killed.
    backend.database.sql.on('error', () => {})
    const proxy = await startFaultProxy(backend.realm.url)
    t.teardown(() => proxy.stop())
    const way = await startMapWay(t, backend, VERSIONS, (more) =>
      backend
        .config({ ...more, serverUrl: proxy.url })
        .replace('[directory]', '[directory]\nfresh_seconds = 1'),
    )
    await goodTimes(t, way)
    await t.test('mailpassd stopped', (t) => mailpassdAway(t, way))
    await t.test('Keycloak stopped: known senders go on, nobody is refused', (t) =>
      whileAway(
        t,
        way,
        { off: () => proxy.set('stopped'), on: () => proxy.set(undefined) },
        { mail: /^250 /, rcpt: /^250 /, auth: /^454 / },
      ),
    )
    await t.test('MariaDB hangs', (t) =>
      whileAway(
        t,
        way,
        { off: () => mariadb.pause(), on: () => mariadb.resume() },
        { mail: /^451 /, rcpt: /^451 /, auth: /^454 / },
      ),
    )
    await t.test('MariaDB killed, and started again', (t) =>
      whileAway(
        t,
        way,
        {
          off: () => mariadb.kill(),
          on: async () => {
            mariadb = await startMariadb(workDir, mariadb.port)
          },
        },
        { mail: /^451 /, rcpt: /^451 /, auth: /^454 / },
      ),
    )
  },
)

async function realmFileSuite(t: Test, backend: Backend): Promise<void> {
  const way = await startMapWay(t, backend, ['3.7'])
  await goodTimes(t, way)
  await t.test('mailpassd stopped', (t) => mailpassdAway(t, way))
}

suite('realm file and SQLite', NEEDED, async (t) =>
  realmFileSuite(t, await realmFileAndSqlite(t, DOMAIN, realmUsers)),
)

suite('realm file and MariaDB', [...NEEDED, mariadbMissing()], async (t) =>
  realmFileSuite(t, await realmFileAndMariadb(t, DOMAIN, realmUsers)),
)
