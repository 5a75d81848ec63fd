/**
 * Every name of a service x every credential x every flag x every door, on real rows: what comes out is held against
 * a table of mailcow's rules that is written down here, not taken from the source.
 */
import t from 'tap'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { AccountMemory } from '../../src/account/accounts.ts'
import { systemClock } from '../../src/clock.ts'
import type { HashVerifier } from '../../src/credential/hash-verifier.ts'
import { Memo } from '../../src/credential/memo.ts'
import { CredentialVerifier } from '../../src/credential/verify.ts'
import { parseCommand } from '../../src/door/dovecot-auth/command.ts'
import { loginRequest, mailcowRequest } from '../../src/door/http/login-body.ts'
import { inNetworks } from '../../src/door/http/networks.ts'
import { decide } from '../../src/login/decide.ts'
import type { Outcome, Why } from '../../src/login/outcome.ts'
import type { LoginRequest } from '../../src/login/request.ts'
import { createApply } from '../../src/mailbox/apply.ts'
import { openPolicy } from '../../src/policy/policy.ts'
import type { Secret } from '../../src/secret.ts'
import { openStore } from '../../src/store/database.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { sqliteOptions } from '../contract/store-subjects.ts'
import { jane, profile, settings } from '../fakes/accounts.ts'

const COLUMNS = ['imap', 'pop3', 'smtp', 'sieve', 'eas', 'dav'] as const
type Column = (typeof COLUMNS)[number]

/** What mail servers say, and the column of mailcow's that it is. */
const WORDS: readonly (readonly [word: string, column: Column | 'NONE' | undefined])[] = [
  ...(['imap', 'IMAP', 'imaps', 'imap4', 'imap-login'] as const).map((word) => [word, 'imap'] as const),
  ...(['pop3', 'POP3', 'pop3s', 'pop', 'pop3-login'] as const).map((word) => [word, 'pop3'] as const),
  ...(['smtp', 'smtps', 'submission', 'submissions', 'Submission', 'submission-login'] as const).map(
    (word) => [word, 'smtp'] as const,
  ),
  ...(['sieve', 'managesieve', 'managesieve-login'] as const).map((word) => [word, 'sieve'] as const),
  ...(['eas', 'EAS', 'activesync'] as const).map((word) => [word, 'eas'] as const),
  ...(['dav', 'DAV', 'webdav', 'caldav', 'carddav', 'radicale'] as const).map(
    (word) => [word, 'dav'] as const,
  ),
  ['NONE', 'NONE'],
  ['none', 'NONE'],
  ...['', 'lmtp', 'doveadm', 'quota-status', 'SOGO', 'sogo', 'other', 'imap ', 'x'.repeat(64)].map(
    (word) => [word, undefined] as const,
  ),
]

/** A flag as it stands in mailbox.attributes; `undefined`: the key is not there. */
type Flag = '1' | '0' | 1 | 0 | '' | undefined
interface Mailbox {
  readonly address: string
  readonly source: 'keycloak' | 'mailcow'
  readonly flags: Readonly<Record<Column, Flag>>
}

const all = (flag: Flag): Mailbox['flags'] => ({
  imap: flag,
  pop3: flag,
  smtp: flag,
  sieve: flag,
  eas: flag,
  dav: flag,
})

const FLAGS: readonly Mailbox['flags'][] = [
  ...([undefined, '1', '0', 1, 0, ''] as const).map(all),
  ...COLUMNS.map((column) => ({ ...all('1'), [column]: '0' })),
  ...COLUMNS.map((column) => ({ ...all('0'), [column]: '1' })),
]

const MAILBOXES: readonly Mailbox[] = (['keycloak', 'mailcow'] as const).flatMap((source) =>
  FLAGS.map((flags, index) => ({ address: `${source}${index}@example.org`, source, flags })),
)

interface Credential {
  readonly password: string
  /** The open columns of an app password; absent: the main password. */
  readonly columns?: readonly Column[]
}
const CREDENTIALS: readonly Credential[] = [
  { password: 'main' },
  { password: 'of all', columns: COLUMNS },
  { password: 'of none', columns: [] },
  ...COLUMNS.map((column) => ({ password: `of ${column}`, columns: [column] })),
]

const CLIENT = '192.0.2.1'
const SOGO = '172.22.1.248'
const DOORS = ['sasl', 'http', 'cli', 'mailcow', 'mailcow as SOGo'] as const
type TriedDoor = (typeof DOORS)[number]

/** mailcow's rules, with NONE for SOGo alone and unknown services open on its own route alone. */
function expected(
  door: TriedDoor,
  column: Column | 'NONE' | undefined,
  credential: Credential,
  mailbox: Mailbox,
): Why {
  if (door === 'mailcow as SOGo') return 'verified'
  if (column === 'NONE') return 'service_unknown'
  if (credential.columns !== undefined) {
    if (column === undefined) return 'service_unknown'
    return credential.columns.includes(column) ? 'verified' : 'service_closed'
  }
  if (column === undefined) return door === 'mailcow' ? 'verified' : 'service_unknown'
  const flag = mailbox.flags[column]
  return flag === undefined || flag === '1' || flag === 1 ? 'verified' : 'service_closed'
}

/** The request as its door makes it of what came. */
function requestOf(door: TriedDoor, service: string, username: string, password: string): LoginRequest {
  const receivedAtMs = systemClock.monotonicMs()
  const arrival = { receivedAtMs, isEscaped: false }
  switch (door) {
    case 'sasl': {
      const line = Buffer.from(`AUTH\t1\tPLAIN\tservice=${service}\trip=${CLIENT}\tsecured`)
      const command = parseCommand(line, 0, line.length)
      if (command.kind !== 'auth') throw new Error(`no AUTH: ${command.kind}`)
      const body = { username, password, service: 'overwritten', remote_ip: CLIENT }
      return { ...loginRequest(body, { ...arrival, door: 'sasl' }), service: command.service }
    }
    case 'http':
    case 'cli':
      return loginRequest({ username, password, service, remote_ip: CLIENT }, { ...arrival, door })
    case 'mailcow':
    case 'mailcow as SOGo': {
      const body = { username, password, service, real_rip: door === 'mailcow' ? CLIENT : SOGO }
      return mailcowRequest(body, { ...arrival, door: 'mailcow' }, inNetworks([`${SOGO}/32`]))
    }
  }
}

t.test('services x credentials x flags x doors', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'mailpassd-services-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const store = await openStore(sqliteOptions(dir), { clock: systemClock, logger: silentLogger })
  t.teardown(() => store.close())
  await store.domains.add('example.org', { autojoin: true })
  insert(join(dir, 'store.sqlite'))

  const accounts = new AccountMemory({
    source: store.accounts,
    directory: {
      findByEmail: async (email) => {
        const user = { ...jane, id: `id of ${email}`, email, hashes: ['{PLAIN}main'] }
        return { kind: 'found', user }
      },
      profile: async () => profile,
      downBy: () => undefined,
    },
    settings: () => settings,
    clock: systemClock,
    logger: silentLogger,
    limits: {
      maxAccounts: 1000,
      storeFreshMs: 60_000,
      freshMs: 60_000,
      unknownMs: 30_000,
      waitMs: 2000,
      staleMs: 300_000,
      outageMs: 86_400_000,
      storeOutageMs: 900_000,
    },
  })
  const pool: HashVerifier = {
    verify: (hash, secret) => (hash === `{PLAIN}${secret.reveal().toString('utf8')}` ? 'match' : 'mismatch'),
  }
  const rooms = {
    policy: openPolicy,
    accounts,
    verifier: new CredentialVerifier(new Memo(100_000, systemClock), pool),
    apply: createApply(store.mailboxes),
    settings: () => settings,
    clock: systemClock,
    sogoPassword: { matches: (secret: Secret) => Promise.resolve(secret.byteLength === 99) },
  }

  let tried = 0
  const seen = new Map<Why, number>()
  const wrong: string[] = []
  for (const mailbox of MAILBOXES)
    for (const credential of CREDENTIALS)
      for (const door of DOORS)
        for (const [word, column] of WORDS) {
          const outcome: Outcome = await decide(
            requestOf(door, word, mailbox.address, credential.password),
            rooms,
          )
          const why = expected(door, column, credential, mailbox)
          const verdict = why === 'verified' ? 'ok' : 'service_denied'
          tried += 1
          seen.set(outcome.why, (seen.get(outcome.why) ?? 0) + 1)
          if (outcome.why === why && outcome.verdict === verdict) continue
          const what = `${JSON.stringify(word)} at ${door}, ${credential.password}, ${mailbox.source}`
          wrong.push(`${what}, ${JSON.stringify(mailbox.flags)}: ${outcome.why}, not ${why}`)
        }
  t.same(wrong.slice(0, 20), [])
  t.equal(tried, MAILBOXES.length * CREDENTIALS.length * DOORS.length * WORDS.length)
  t.same([...seen.keys()].sort(), ['service_closed', 'service_unknown', 'verified'])
  t.comment(`${tried} logins: ${[...seen].map(([why, count]) => `${why} ${count}`).join(', ')}`)
})

/** Mailboxes and app passwords, written as other programs write them. */
function insert(path: string): void {
  const database = new DatabaseSync(path)
  const mailbox = database.prepare(
    `insert into mailbox (username, password, name, quota, local_part, domain, attributes, authsource)
     values (?, ?, '', 0, ?, 'example.org', ?, ?)`,
  )
  const app = database.prepare(
    `insert into app_passwd (name, mailbox, domain, password, imap_access, pop3_access, smtp_access, sieve_access,
     eas_access, dav_access) values (?, ?, 'example.org', ?, ?, ?, ?, ?, ?, ?)`,
  )
  for (const { address, source, flags } of MAILBOXES) {
    const attributes = Object.fromEntries(COLUMNS.map((column) => [`${column}_access`, flags[column]]))
    mailbox.run(
      address,
      source === 'mailcow' ? '{PLAIN}main' : '',
      address.slice(0, address.indexOf('@')),
      JSON.stringify({ ...attributes, mailbox_format: 'maildir:' }),
      source,
    )
    for (const { password, columns } of CREDENTIALS)
      if (columns !== undefined)
        app.run(
          password,
          address,
          `{PLAIN}${password}`,
          ...COLUMNS.map((column) => (columns.includes(column) ? 1 : 0)),
        )
  }
  database.close()
}
