/**
 * Whose password opens whose mailbox, on a real Keycloak and through a real IMAP server: never another user's, however
 * much the two addresses look alike, and a refused login writes nothing.
 */
import type { Test } from 'tap'
import { dovecotMissing, startDovecot, type Dovecot } from '../servers/dovecot.ts'
import { imapLogin } from '../servers/lines.ts'
import { keycloakMissing, mariadbMissing, suite } from '../servers/suite.ts'
import { hash, keycloakAndMariadb, mailUser, type FullBackend } from './backend.ts'
import { startDaemon, TOKEN, type RunningDaemon } from './daemon.ts'

const DOMAIN = 'who.example'
const GOOD = /^a OK/
const WRONG = /^a NO \[AUTHENTICATIONFAILED\]/
const LATER = /^a NO \[UNAVAILABLE\]/

const at = (local: string) => `${local}@${DOMAIN}`

interface Way {
  readonly backend: FullBackend
  readonly dovecot: Dovecot
  readonly daemon: RunningDaemon
}

/** The tagged answer to one IMAP login. */
async function login(way: Way, local: string, password: string): Promise<string> {
  return imapLogin(way.dovecot.ports.imap, at(local), password)
}

async function hasMailbox(way: Way, local: string): Promise<boolean> {
  const rows = await way.backend.rowsOf(at(local))
  const counts = Object.values(rows).map((table) => table.length)
  return counts.some((count) => count > 0)
}

/** The reason that the daemon logged last for this address. */
function whyOf(way: Way, local: string): unknown {
  return way.daemon.lines().findLast((line) => line['event'] === 'login' && line['mailbox'] === at(local))?.[
    'why'
  ]
}

async function start(t: Test, backend: FullBackend): Promise<Way> {
  // Every look-up is a new one: what is tried is the directory's answer, not the memory of it.
  const config = backend
    .config()
    .replace('[directory]', '[directory]\nfresh_seconds = 1\nunknown_seconds = 1')
  const daemon = await startDaemon({ config })
  t.teardown(() => daemon.stop())
  const dovecot = await startDovecot({ version: '2.3', url: daemon.url, token: TOKEN })
  t.teardown(() => dovecot.stop())
  return { backend, dovecot, daemon }
}

const NEEDED = [dovecotMissing('2.3'), keycloakMissing(), mariadbMissing()]

suite('addresses that look alike', NEEDED, async (t) => {
  const users = ['bjoe', 'joe', 'jane', 'ja_e2', 'janee2'].map((local) => mailUser(at(local), `of ${local}`))
  const way = await start(t, await keycloakAndMariadb(t, DOMAIN, users))

  await t.test('joe@ with bjoe@ in the realm', async (t) => {
    t.match(await login(way, 'joe', 'of bjoe'), WRONG)
    t.notOk(await hasMailbox(way, 'joe'), 'nothing is written')
    t.match(await login(way, 'joe', 'of joe'), GOOD)
    t.match(await login(way, 'oe', 'of joe'), WRONG, 'a part of an address is nobody')
    t.notOk(await hasMailbox(way, 'oe'))
  })

  await t.test('ja_e@ with jane@: no character is a wildcard', async (t) => {
    t.match(await login(way, 'ja_e', 'of jane'), WRONG)
    t.notOk(await hasMailbox(way, 'ja_e'))
    t.match(await login(way, 'jane', 'of jane'), GOOD)
    t.match(await login(way, 'ja_e2', 'of janee2'), WRONG)
    t.match(await login(way, 'ja_e2', 'of ja_e2'), GOOD, 'who has such an address logs in')
    t.match(await login(way, 'JANE', 'of jane'), GOOD, 'case does not count')
  })
})

suite('a user who is disabled', NEEDED, async (t) => {
  const users = [mailUser(at('off'), 'of off', { enabled: false }), mailUser(at('soon'), 'of soon')]
  const way = await start(t, await keycloakAndMariadb(t, DOMAIN, users))
  t.match(await login(way, 'off', 'of off'), WRONG)
  t.notOk(await hasMailbox(way, 'off'), 'nothing is written')
  t.equal(whyOf(way, 'off'), 'directory_disabled')
  t.match(await login(way, 'soon', 'of soon'), GOOD)
  const name = at('soon').replace('@', '.at.')
  await way.backend.realm.setUser(name, { enabled: false })
  await refused(way, 'soon', 'of soon', 'directory_disabled')
  await way.backend.realm.setUser(name, { enabled: true })
  await until(async () => GOOD.test(await login(way, 'soon', 'of soon')))
})

suite('two users with one e-mail', NEEDED, async (t) => {
  const twin = (username: string) => ({ ...mailUser(at('twin'), `of ${username}`), username })
  const backend = await keycloakAndMariadb(t, DOMAIN, [twin('one'), twin('two')], { duplicateEmails: true })
  const way = await start(t, backend)
  for (const password of ['of one', 'of two', 'of nobody']) {
    t.match(await login(way, 'twin', password), LATER, 'a fault of the realm, not of the user')
  }
  t.notOk(await hasMailbox(way, 'twin'), 'nothing is written')
  t.equal(whyOf(way, 'twin'), 'directory_ambiguous')
})

suite('erin is deleted, and mallory takes her address', NEEDED, async (t) => {
  const backend = await keycloakAndMariadb(t, DOMAIN, [
    mailUser(at('erin'), 'of erin'),
    mailUser(at('mallory'), 'of mallory'),
  ])
  const way = await start(t, backend)
  const { realm, database } = backend
  t.match(await login(way, 'erin', 'of erin'), GOOD)
  const before = await backend.rowsOf(at('erin'))
  await realm.deleteUser('erin.at.who.example')
  await realm.setUser('mallory.at.who.example', {
    email: at('erin'),
    emailVerified: true,
    attributes: { mailcow_password: [hash('of mallory')] },
  })
  await refused(way, 'erin', 'of mallory', 'identity_changed')
  t.match(await login(way, 'erin', 'of erin'), WRONG)
  t.strictSame(await backend.rowsOf(at('erin')), before, 'nothing is written')
  t.notOk(await hasMailbox(way, 'mallory'))

  // An operator who looked at it says that this is right.
  const mallory = await realm.userId('mallory.at.who.example')
  await database.sql.query('update mailpassd_mailbox set directory_id = ? where username = ?', [
    mallory,
    at('erin'),
  ])
  await until(async () => GOOD.test(await login(way, 'erin', 'of mallory')))
})

/** Until the change in the directory counts: then refused, for this reason. */
async function refused(way: Way, local: string, password: string, why: string): Promise<void> {
  await until(async () => WRONG.test(await login(way, local, password)) && whyOf(way, local) === why)
}

/** Tries for at most a minute. */
async function until(happened: () => Promise<boolean>): Promise<void> {
  const lastMs = Date.now() + 60_000
  while (!(await happened())) {
    if (Date.now() > lastMs) throw new Error('it did not happen within a minute')
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}
