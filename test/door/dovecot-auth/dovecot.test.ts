/**
 * The same bytes to a real Dovecot 2.3 and to our session: the same lines back, the same connections dropped. Its
 * failure delay is off and its password is everybody's, as ours in this test, so that only the protocol is compared.
 */
import { chmod, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startChild } from '../../servers/child.ts'
import { makeRoot, missing } from '../../servers/roots.ts'
import { suite } from '../../servers/suite.ts'
import { outcomeOf, Rig } from './rig.ts'
import { auth, base64, cont, hello, plainLogin, plainMessage } from './client.ts'
import { SocketClient } from './socket-client.ts'

const DOVECOT = '/usr/sbin/dovecot'

function configuration(dir: string): string {
  return `base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${dir}/log
protocols =
ssl = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_chars =
disable_plaintext_auth = no
passdb {
  driver = static
  args = password=secret
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`
}

const good = plainMessage('joe@example.org', 'secret')
const name = base64('joe@example.org')
const password = base64('secret')

/** A LOGIN whose name is given in this spelling of base64. */
function named(spelling: string): string {
  return hello() + auth(1, 'LOGIN', spelling)
}

/**
 * Each is sent in one write. Not compared: what Dovecot does otherwise on purpose of ours (session.ts), `original_user`
 * for upper case, an empty user name (Dovecot names it in its FAIL), NUL in a line (its lines end there).
 */
const CASES: Readonly<Record<string, string>> = {
  PLAIN: hello() + auth(1, 'PLAIN', good),
  'mechanism in lower case': hello() + auth(1, 'plain', good),
  'PLAIN in two steps': hello() + auth(1, 'PLAIN') + cont(1, good),
  LOGIN: hello() + auth(1, 'LOGIN') + cont(1, name) + cont(1, password),
  'LOGIN with name': hello() + auth(1, 'LOGIN', name) + cont(1, password),
  'LOGIN with an empty password': hello() + auth(1, 'LOGIN', name) + cont(1, ''),
  'LOGIN with NUL in the name': hello() + auth(1, 'LOGIN', base64('joe\0x')),
  'wrong password': hello() + plainLogin(1, 'joe@example.org', 'wrong'),
  'name with TAB': hello() + plainLogin(1, 'j\toe', 'wrong'),
  'name with byte 1': hello() + plainLogin(1, 'j\u0001oe', 'wrong'),
  'name with CR and LF': hello() + plainLogin(1, 'j\r\noe', 'wrong'),
  'name in UTF-8': hello() + plainLogin(1, 'j\xc3\xbcrgen', 'wrong'),
  'same authzid': hello() + auth(1, 'PLAIN', plainMessage('joe@example.org', 'secret', 'joe@example.org')),
  'other authzid': hello() + auth(1, 'PLAIN', plainMessage('joe@example.org', 'secret', 'ann@example.org')),
  'one NUL': hello() + auth(1, 'PLAIN', base64('joe\0secret')),
  'three NULs': hello() + auth(1, 'PLAIN', base64('\0joe\0secret\0')),
  'no NUL': hello() + auth(1, 'PLAIN', base64('joe')),
  'minor 0, resp=': hello(0) + auth(1, 'PLAIN', ''),
  'minor 1, resp=': hello(1) + auth(1, 'PLAIN', ''),
  'minor 2, resp=': hello(2) + auth(1, 'PLAIN', ''),
  'minor 2, resp without value': `${hello(2)}AUTH\t1\tPLAIN\tservice=smtp\tresp\n`,
  'minor 0, resp==': hello(0) + auth(1, 'PLAIN', '='),
  'minor 2, resp==': hello(2) + auth(1, 'PLAIN', '='),
  'minor 9': hello(9) + auth(1, 'PLAIN', good),
  'LOGIN, resp==': hello() + auth(1, 'LOGIN', '='),
  'base64 without padding': named(name.replaceAll('=', '')),
  'base64 with half the padding': named('dUB4Lm9yZw='),
  'base64 with left-over bits': named('dUB4Lm9yZx=='),
  'base64 with blanks': named(' dUB4 Lm9yZw= ='),
  'base64 with more after the padding': named('dUB4Lm9yZw==AA'),
  'base64 with padding not needed': named('dUB4='),
  'base64 with a vertical tab': named('dUB4\u000bLm9yZw=='),
  'base64 for URLs': named('dU_4'),
  'base64 of one character': named('A'),
  'base64 escaped': named('dUB4Lm\u0001n9yZw=='),
  nonsense: named('!!!'),
  'nonsense in CONT': hello() + auth(1, 'LOGIN') + cont(1, '!!!') + cont(1, name),
  '= in CONT': hello() + auth(1, 'LOGIN', name) + cont(1, '='),
  'a TAB in CONT': hello() + auth(1, 'LOGIN', name) + cont(1, `${password}\tfoo`),
  'CONT without data': `${hello()}${auth(1, 'LOGIN')}CONT\t1\n`,
  'CONT without an id': `${hello()}CONT\tx\tAA==\n`,
  'CONT for nobody': hello() + cont(9, good) + cont(0, good),
  'CR at the end': `${hello()}${auth(1, 'PLAIN', good).slice(0, -1)}\r\n`,
  interleaved: hello() + auth(1, 'PLAIN') + auth(2, 'PLAIN', good) + cont(1, good),
  'an id used again': hello() + auth(1, 'PLAIN', good) + auth(1, 'PLAIN', good),
  'duplicate id': hello() + auth(1, 'PLAIN') + auth(1, 'PLAIN'),
  CANCEL: `${hello()}${auth(1, 'PLAIN')}CANCEL\t1\n${cont(1, good)}`,
  'CANCEL and again': `${hello()}${auth(1, 'PLAIN')}CANCEL\t1\n${auth(1, 'PLAIN', good)}`,
  'CANCEL of nothing': `${hello()}CANCEL\t9\n`,
  'CANCEL with more': `${hello()}CANCEL\t1\tx\n`,
  'CANCEL without id': `${hello()}CANCEL\n`,
  'id 0': hello() + auth(0, 'PLAIN', good),
  'id 4294967295': hello() + auth(4_294_967_295, 'PLAIN', good),
  'id 4294967296': hello() + auth(4_294_967_296, 'PLAIN', good),
  'id 01': `${hello()}AUTH\t01\tPLAIN\tservice=smtp\tresp=${good}\n`,
  'id +1': `${hello()}AUTH\t+1\tPLAIN\tservice=smtp\tresp=${good}\n`,
  'id empty': `${hello()}AUTH\t\tPLAIN\tservice=smtp\tresp=${good}\n`,
  'unknown mechanism': hello() + auth(1, 'NTLM', good),
  'no service': hello() + auth(1, 'PLAIN', good, []),
  'empty service': hello() + auth(1, 'PLAIN', good, ['service=']),
  'service without value': hello() + auth(1, 'PLAIN', good, ['service']),
  'service twice': hello() + auth(1, 'PLAIN', good, ['service=smtp', 'service=imap']),
  'addresses that are none': hello() + auth(1, 'PLAIN', good, ['service=smtp', 'rip=', 'lip=x']),
  'resp not last': `${hello()}AUTH\t1\tPLAIN\tresp=${good}\tservice=smtp\n`,
  'TAB after resp': `${hello()}AUTH\t1\tPLAIN\tservice=smtp\tresp=${good}\t\n`,
  'TAB at the end': `${hello()}AUTH\t1\tPLAIN\tservice=smtp\t\n`,
  'AUTH and no more': `${hello()}AUTH\n`,
  'AUTH and an id': `${hello()}AUTH\t1\n`,
  'lower case': `${hello()}auth\t1\tPLAIN\tservice=smtp\n`,
  'unknown command': `${hello()}FOO\t1\n`,
  'empty line': `${hello()}\n`,
  'AUTH first': auth(1, 'PLAIN', good),
  'CPID first': `CPID\t5\nVERSION\t1\t2\n`,
  'AUTH before CPID': `VERSION\t1\t2\n${auth(1, 'PLAIN', good)}`,
  'VERSION 2': 'VERSION\t2\t0\nCPID\t5\n',
  'VERSION without minor': 'VERSION\t1\nCPID\t5\n',
  'VERSION with more': 'VERSION\t1\t2\tx\nCPID\t5\n',
  'VERSION 01': `VERSION\t01\t02\nCPID\t5\n${auth(1, 'PLAIN', good)}`,
  'VERSION twice': hello() + hello(),
  'CPID 0': 'VERSION\t1\t2\nCPID\t0\n',
  'CPID twice': `${hello()}CPID\t6\n${auth(1, 'PLAIN', good)}`,
  'the longest line': `${hello()}${auth(1, 'PLAIN', undefined, ['service=smtp', `x=${'x'.repeat(16_354)}`])}`,
  'a line too long': `${hello()}${auth(1, 'PLAIN', undefined, ['service=smtp', `x=${'x'.repeat(16_355)}`])}`,
}

/** Ours: the lines, and whether the session closed. */
function ours(client: string): string {
  const rig = new Rig({
    login: (request) =>
      request.secret.reveal().toString('latin1') === 'secret'
        ? outcomeOf('verified', { mailbox: request.username })
        : outcomeOf('hash_differs'),
  })
  rig.send(client)
  // The session's text is sent as UTF-8.
  return Buffer.from(rig.output, 'utf8').toString('latin1') + (rig.closed === undefined ? '' : 'closed')
}

/**
 * Dovecot's: everything up to what ours says it should be, then what more comes until a PING of our own is answered
 * (a CONT for an id that nobody uses), so that silence needs no waiting for.
 */
async function dovecots(address: string, client: string, expected: string): Promise<string> {
  const connection = await SocketClient.open(address)
  try {
    await connection.seen('DONE\n')
    connection.send(client)
    const wantsClose = expected.endsWith('closed')
    const lines = expected.replace(/closed$/, '')
    await connection.until(
      () => connection.isClosed || (!wantsClose && connection.afterHandshake().length >= lines.length),
    )
    if (!connection.isClosed) {
      connection.send(cont(4_000_000_000, ''))
      await connection.until(() => connection.isClosed || connection.text.includes('\t4000000000\t'))
    }
    return (
      connection.afterHandshake().replace(/FAIL\t4000000000\t[^\n]*\n/, '') +
      (connection.isClosed ? 'closed' : '')
    )
  } finally {
    connection.destroy()
  }
}

suite('answers as Dovecot 2.3 does', [missing('host', DOVECOT)], async (t) => {
  const root = await makeRoot('host')
  const path = join(root.dir, 'run/auth-client')
  await writeFile(join(root.hostDir, 'dovecot.conf'), configuration(root.dir))
  await chmod(root.hostDir, 0o755)
  const child = startChild(...root.command(DOVECOT, '-F', '-c', join(root.dir, 'dovecot.conf')))
  t.teardown(async () => {
    await child.stop()
    await root.remove()
  })
  await child.until(() =>
    stat(path).then(
      () => true,
      () => false,
    ),
  )
  const found = Object.entries(CASES).map(async ([title, client]) => {
    const expected = ours(client)
    return { title, expected, dovecots: await dovecots(`unix:${path}`, client, expected) }
  })
  for (const { title, expected, dovecots } of await Promise.all(found)) t.equal(expected, dovecots, title)
})
