/**
 * Dovecot's auth policy against a real daemon: a Dovecot whose passwords are in a file of its own reports guesses, and is
 * told to refuse after as many as may be. Real Dovecot 2.3 and 2.4.
 */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dovecotMissing, startDovecot } from '../servers/dovecot.ts'
import { imapLogin } from '../servers/lines.ts'
import { suite } from '../servers/suite.ts'
import { realmFileAndSqlite } from './backend.ts'
import { httpLogin, startDaemon, TOKEN } from './daemon.ts'

const JANE = 'jane@example.org'
const JOE = 'joe@example.org'
const RIGHT = 'the right one'
const REFUSED = 'Too many wrong passwords'

for (const version of ['2.3', '2.4'] as const) {
  suite(`Dovecot ${version}`, [dovecotMissing(version)], async (t) => {
    const backend = await realmFileAndSqlite(t, 'example.org', [
      { email: JANE, password: RIGHT },
      { email: JOE, password: RIGHT },
    ])
    // Loopback is a client here, and no webmail.
    const policy = '[policy]\nshared_sources = []\npair_guesses = 3\n'
    const daemon = await startDaemon({ config: backend.config() + policy })
    t.teardown(() => daemon.stop())
    for (const address of [JANE, JOE]) t.equal((await httpLogin(daemon.url, address, RIGHT)).status, 200)
    const dovecot = await startDovecot({
      version,
      url: daemon.url,
      token: TOKEN,
      policy: true,
      passdb:
        version === '2.3'
          ? 'passdb {\n  driver = passwd-file\n  args = {dir}/users\n}\n'
          : 'passdb passwd-file {\n  passwd_file_path = {dir}/users\n}\n',
    })
    t.teardown(() => dovecot.stop())
    const users = join(dovecot.hostDir, 'users')
    await writeFile(users, `${JANE}:{PLAIN}${RIGHT}\n${JOE}:{PLAIN}${RIGHT}\n`)
    await chmod(users, 0o644)
    const login = (address: string, password: string) =>
      imapLogin(dovecot.ports.imap, address, password).catch((error: unknown) => String(error))

    await t.test('guesses count at mailpassd: the same one once, then nothing more is tried', async (t) => {
      for (const password of ['wrong 1', 'wrong 1', 'wrong 1', 'wrong 2', 'wrong 3']) {
        const answer = await login(JANE, password)
        t.match(answer, /AUTHENTICATIONFAILED/, password)
        t.notMatch(answer, REFUSED)
      }
      t.match(await login(JANE, 'wrong 4'), REFUSED)
      t.match(await login(JANE, RIGHT), REFUSED, 'the right one neither: nobody may find it now')
      const direct = await fetch(`${daemon.url}/v1/login`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ username: JANE, password: RIGHT, service: 'imap', remote_ip: '127.0.0.1' }),
      })
      t.equal(direct.status, 429, 'they are the counters of logins here')
    })

    await t.test('others are not touched by it', async (t) => {
      for (const password of ['wrong 1', 'wrong 2'])
        t.match(await login(JOE, password), /AUTHENTICATIONFAILED/)
      t.match(await login(JOE, RIGHT), /^a OK/)
    })
  })
}
