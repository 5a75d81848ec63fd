/**
 * Postfix without database access: 3.7 with Dovecot 2.3 behind it, 3.10 with Dovecot 2.4, before one daemon; and
 * what a mail server has beside plain mailboxes: aliases, alias domains, catch-alls, temporary addresses.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { DOMAIN_LIMITS, hash, type Backend } from './backend.ts'
import { MAILPASSD, startDaemon, TOKEN, type RunningDaemon } from './daemon.ts'
import { startDovecot, type Dovecot } from '../servers/dovecot.ts'
import { LineClient, plainResponse } from '../servers/lines.ts'
import { makePostfix, type Postfix, type PostfixVersion } from '../servers/postfix.ts'

export const PASSWORD = 'maps and other paper'
export const DOMAIN = 'maps.example'

/** In the directory; their mailboxes are made by their first login. */
export const PEOPLE = ['alice', 'lena', 'stranger'].map((local) => `${local}@${DOMAIN}`)

export interface MapWay {
  readonly backend: Backend
  readonly daemon: RunningDaemon
  readonly servers: readonly { readonly postfix: Postfix; readonly dovecot: Dovecot }[]
  /** Stops mailpassd, and starts it again in the same place. */
  readonly stopDaemon: () => Promise<void>
  readonly startDaemon: () => Promise<void>
}

const MAILBOXES: readonly (readonly [local: string, active: number])[] = [
  ['bob', 1],
  ['receives', 2],
  ['gone', 0],
]

/** address, goto, sender_allowed. */
const ALIASES: readonly (readonly [string, string, number])[] = [
  [`info@${DOMAIN}`, `alice@${DOMAIN}`, 1],
  [`team@${DOMAIN}`, `alice@${DOMAIN},bob@${DOMAIN}`, 1],
  [`closed@${DOMAIN}`, `alice@${DOMAIN}`, 0],
  ['@catchall.example', `bob@${DOMAIN}`, 1],
  ...MAILBOXES.map(([local]) => [`${local}@${DOMAIN}`, `${local}@${DOMAIN}`, 1] as const),
]

/** Rows as mailcow, or an operator, writes them. */
export async function addRows({ sql }: Backend): Promise<void> {
  const limits = Object.fromEntries(DOMAIN_LIMITS.split(', ').map((pair) => pair.split(' = ')))
  const columns = Object.keys(limits).join(', ')
  for (const [name, active] of [
    ['catchall.example', 1],
    ['off.example', 0],
  ] as const)
    await sql(
      `insert into domain (domain, active, ${columns}) values (?, ?, ${Object.values(limits).join(', ')})`,
      [name, active],
    )
  await sql('insert into alias_domain (alias_domain, target_domain) values (?, ?)', ['alias.example', DOMAIN])
  for (const [local, active] of MAILBOXES)
    await sql(
      `insert into mailbox (username, password, name, local_part, domain, attributes, authsource, active)
       values (?, ?, '', ?, ?, '{}', 'mailcow', ?)`,
      [`${local}@${DOMAIN}`, hash(PASSWORD), local, DOMAIN, active],
    )
  for (const [address, goto, allowed] of ALIASES)
    await sql('insert into alias (address, goto, domain, sender_allowed) values (?, ?, ?, ?)', [
      address,
      goto,
      address.slice(address.indexOf('@') + 1),
      allowed,
    ])
  const nowSeconds = Math.floor(Date.now() / 1000)
  for (const [local, validity] of [
    ['temporary', nowSeconds + 86_400],
    ['expired', nowSeconds - 60],
  ] as const)
    await sql(`insert into spamalias (address, goto, description, validity) values (?, ?, '', ?)`, [
      `${local}@${DOMAIN}`,
      `alice@${DOMAIN}`,
      validity,
    ])
  await sql('insert into sender_acl (logged_in_as, send_as) values (?, ?)', [
    `alice@${DOMAIN}`,
    'allowed@elsewhere.example',
  ])
}

/** `mailpassd mailbox lock` and `unlock`, as an operator types them. */
export async function setLock({ daemon }: MapWay, mailbox: string, isLocked: boolean): Promise<void> {
  const options = ['--config', daemon.configFile, '--data-dir', daemon.dataDir]
  await promisify(execFile)(MAILPASSD, ['mailbox', isLocked ? 'lock' : 'unlock', mailbox, ...options])
}

const DOVECOT_OF = { '3.7': '2.3', '3.10': '2.4' } as const

/** Starts everything; the rows of addRows are there. */
export async function startMapWay(
  t: Test,
  backend: Backend,
  versions: readonly PostfixVersion[],
  config: (more: { readonly userdb: string }) => string = (more) => backend.config(more),
): Promise<MapWay> {
  const mailDir = join(tmpdir(), `mailpassd-mail-${randomBytes(4).toString('hex')}`)
  const postfixes = await Promise.all(versions.map((version) => makePostfix(version)))
  t.teardown(() => Promise.all(postfixes.map((postfix) => postfix.stop())))
  const wish = {
    config: config({
      userdb: `[userdb]\nhome = "${mailDir}/%d/%n"\nmail = "maildir:${mailDir}/%d/%n/Maildir"`,
    }),
    saslSockets: postfixes.map(({ saslSocket }) => saslSocket),
    mapSockets: postfixes.map(({ mapSocket }) => mapSocket),
    failureDelayMs: 0,
  }
  let daemon = await startDaemon(wish)
  t.teardown(() => daemon.stop())
  await addRows(backend)
  const servers = await Promise.all(
    postfixes.map(async (postfix) => {
      const version = DOVECOT_OF[postfix.version]
      const dovecot = await startDovecot({
        version,
        url: daemon.url,
        token: TOKEN,
        mailDir,
      })
      t.teardown(() => dovecot.stop())
      await postfix.start({ saslPort: daemon.ports.sasl, lmtpPort: dovecot.ports.lmtp })
      return { postfix, dovecot }
    }),
  )
  t.teardown(() => {
    if (t.passing()) return
    t.comment(daemon.log())
    for (const { postfix, dovecot } of servers) t.comment(postfix.log() + dovecot.log())
  })
  return {
    backend,
    get daemon() {
      return daemon
    },
    servers,
    stopDaemon: () => daemon.stop(),
    startDaemon: async () => {
      daemon = await startDaemon({ ...wish, ports: daemon.ports })
    },
  }
}

/** An SMTP session: each method gives the server's answer to one command. */
export class SmtpSession {
  readonly #client: LineClient

  private constructor(client: LineClient) {
    this.#client = client
  }

  static async open(port: number): Promise<SmtpSession> {
    const client = await LineClient.open(port)
    await client.line(/^220 /)
    await client.ask('EHLO client.example', /^250 /)
    return new SmtpSession(client)
  }

  auth(user: string): Promise<string> {
    return this.#ask(`AUTH PLAIN ${plainResponse(user, PASSWORD)}`)
  }

  /** Whatever mail was begun is given up. */
  async mail(from: string): Promise<string> {
    await this.#ask('RSET')
    return await this.#ask(`MAIL FROM:<${from}>`)
  }

  rcpt(to: string): Promise<string> {
    return this.#ask(`RCPT TO:<${to}>`)
  }

  /** The answer after the mail, or to DATA where that is refused. */
  async data(subject: string): Promise<string> {
    const answer = await this.#ask('DATA')
    return answer.startsWith('354 ') ? await this.#ask(`Subject: ${subject}\r\n\r\ntext\r\n.`) : answer
  }

  close(): void {
    this.#client.close()
  }

  #ask(line: string): Promise<string> {
    return this.#client.ask(line, /^\d{3} /)
  }
}

/** Somebody who is logged in. Throws with the answer where that fails. */
export async function logIn(port: number, user: string): Promise<SmtpSession> {
  const session = await SmtpSession.open(port)
  const answer = await session.auth(user)
  if (!answer.startsWith('235 ')) throw new Error(`${user} is not let in: ${answer}`)
  return session
}
