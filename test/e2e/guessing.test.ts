/**
 * Somebody guesses at a mailbox through a real Postfix, from one address and from many (XCLIENT): refused, then put off;
 * the owner gets in from home, also after the daemon was killed; Dovecot's clients are put off, too.
 */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { dovecotMissing, startDovecot } from '../servers/dovecot.ts'
import { imapLogin, LineClient, plainResponse } from '../servers/lines.ts'
import { makePostfix, postfixMissing } from '../servers/postfix.ts'
import { suite } from '../servers/suite.ts'
import { realmFileAndSqlite } from './backend.ts'
import { startDaemon, TOKEN } from './daemon.ts'

const DOMAIN = 'guessing.example'
const OWNER = `owner@${DOMAIN}`
const OTHER = `other@${DOMAIN}`
const PASSWORD = 'correct horse'

/** The code of the answer to a login by a client of this address. */
async function smtpFrom(port: number, ip: string, user: string, password: string): Promise<string> {
  const client = await LineClient.open(port)
  try {
    await client.line(/^220 /)
    await client.ask('EHLO client.example', /^250 /)
    await client.ask(`XCLIENT ADDR=${ip}`, /^220 /)
    await client.ask('EHLO client.example', /^250 /)
    return (await client.ask(`AUTH PLAIN ${plainResponse(user, password)}`, /^\d{3} /)).slice(0, 3)
  } finally {
    client.close()
  }
}

function tally(codes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1
  return counts
}

async function guessing(t: Test): Promise<void> {
  const backend = await realmFileAndSqlite(t, DOMAIN, [
    { email: OWNER, password: PASSWORD },
    { email: OTHER, password: PASSWORD },
  ])
  const postfix = await makePostfix('3.7')
  t.teardown(() => postfix.stop())
  const mailDir = join(tmpdir(), `mailpassd-mail-${randomBytes(4).toString('hex')}`)
  const userdb = `[userdb]\nhome = "${mailDir}/%d/%n"\nmail = "maildir:${mailDir}/%d/%n/Maildir"`
  const wish = {
    config: backend.config({ userdb }),
    saslSockets: [postfix.saslSocket],
    mapSockets: [postfix.mapSocket],
    failureDelayMs: 100,
  }
  let daemon = await startDaemon(wish)
  t.teardown(() => daemon.stop())
  const dovecot = await startDovecot({ version: '2.3', url: daemon.url, token: TOKEN, mailDir })
  t.teardown(() => dovecot.stop())
  await postfix.start({ saslPort: daemon.ports.sasl, lmtpPort: dovecot.ports.lmtp })
  const port = postfix.ports.unix
  const guess = (index: number, ip: string) => smtpFrom(port, ip, OWNER, `guess ${index}`)

  t.equal(await smtpFrom(port, '198.51.100.7', OWNER, PASSWORD), '235', 'the owner, at home')
  const one = await Promise.all(Array.from({ length: 15 }, (_, index) => guess(index, '203.0.113.5')))
  t.same(tally(one), { 535: 10, 454: 5 }, 'from one address')
  t.equal(await smtpFrom(port, '203.0.113.77', OTHER, PASSWORD), '235', 'others of that network')
  const many: string[] = []
  for (let index = 15; index < 75; index += 15)
    many.push(
      ...(await Promise.all(
        Array.from({ length: 15 }, (_, at) => guess(index + at, `10.0.${index + at}.1`)),
      )),
    )
  t.same(tally(many), { 535: 40, 454: 20 }, 'from many')
  t.equal(await smtpFrom(port, '192.0.2.1', OWNER, PASSWORD), '454', 'the right one of a stranger')
  t.equal(await smtpFrom(port, '198.51.100.99', OWNER, PASSWORD), '235', 'the owner, at home')
  t.match(await imapLogin(dovecot.ports.imap, OWNER, PASSWORD), /^a NO \[UNAVAILABLE\]/)
  t.match(await imapLogin(dovecot.ports.imap, OTHER, PASSWORD), /^a OK/)

  const scope = [`a:${OWNER}`]
  const written = async () =>
    Number(
      (await backend.sql('select sum(count) as n from mailpassd_guess where scope = ?', scope))[0]?.['n'],
    )
  while ((await written()) < 50) await new Promise((resolve) => setTimeout(resolve, 100))
  await daemon.kill()
  const { ports, dataDir } = daemon
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  daemon = await startDaemon({ ...wish, ports, dataDir })
  t.equal(await guess(100, '192.0.2.1'), '454', 'as before it was killed')
  t.equal(await smtpFrom(port, '198.51.100.7', OWNER, PASSWORD), '235', 'and so is the owner')
}

suite('guessing through Postfix and Dovecot', [postfixMissing('3.7'), dovecotMissing('2.3')], guessing)
