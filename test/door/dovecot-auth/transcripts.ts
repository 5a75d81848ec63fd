/** Whole exchanges of clients and what the server says to them, with login answering at once and failures undelayed. */
import { auth, base64, cont, hello, plainLogin, plainMessage } from './client.ts'

const good = plainMessage('joe@example.org', 'secret')
const OK1 = 'OK\t1\tuser=joe@example.org\n'

export interface Transcript {
  readonly name: string
  readonly client: string
  readonly server: string
  /** What the client broke; absent where the session stays open. */
  readonly closed?: string
  /** Names and passwords that login was asked for. */
  readonly logins?: readonly (readonly [string, string])[]
}

const joeLogin = [['joe@example.org', 'secret']] as const

export const TRANSCRIPTS: readonly Transcript[] = [
  {
    name: 'PLAIN with initial response',
    client: hello() + auth(1, 'PLAIN', good),
    server: OK1,
    logins: joeLogin,
  },
  {
    name: 'PLAIN without initial response',
    client: hello() + auth(1, 'PLAIN') + cont(1, good),
    server: `CONT\t1\t\n${OK1}`,
    logins: joeLogin,
  },
  {
    name: 'LOGIN',
    client: hello() + auth(1, 'LOGIN') + cont(1, base64('joe@example.org')) + cont(1, base64('secret')),
    server: `CONT\t1\tVXNlcm5hbWU6\nCONT\t1\tUGFzc3dvcmQ6\n${OK1}`,
    logins: joeLogin,
  },
  {
    name: 'LOGIN with the name as initial response',
    client: hello() + auth(1, 'LOGIN', base64('joe@example.org')) + cont(1, base64('secret')),
    server: `CONT\t1\tUGFzc3dvcmQ6\n${OK1}`,
    logins: joeLogin,
  },
  {
    name: 'wrong password and unknown user look alike',
    client:
      hello() + plainLogin(1, 'joe@example.org', 'wrong') + plainLogin(2, 'nobody@example.org', 'secret'),
    server: 'FAIL\t1\tuser=joe@example.org\nFAIL\t2\tuser=nobody@example.org\n',
  },
  {
    name: 'CANCEL, after which the id is free and a CONT late',
    client: hello() + auth(1, 'LOGIN') + 'CANCEL\t1\n' + cont(1, 'AAAA') + auth(1, 'PLAIN', good),
    server: `CONT\t1\tVXNlcm5hbWU6\nFAIL\t1\treason=Authentication request timed out\n${OK1}`,
  },
  { name: 'CANCEL of an id that is not there', client: `${hello()}CANCEL\t9\n`, server: '' },
  {
    name: 'interleaved ids',
    client:
      hello() +
      auth(1, 'LOGIN') +
      auth(2, 'PLAIN') +
      auth(3, 'PLAIN', good) +
      cont(1, base64('joe@example.org')) +
      cont(2, good) +
      cont(1, base64('secret')),
    server:
      'CONT\t1\tVXNlcm5hbWU6\nCONT\t2\t\nOK\t3\tuser=joe@example.org\nCONT\t1\tUGFzc3dvcmQ6\n' +
      'OK\t2\tuser=joe@example.org\nOK\t1\tuser=joe@example.org\n',
  },
  {
    name: 'Exim 4.96: everything in one write, resp= always',
    client: `VERSION\t1\t0\nCPID\t77\nAUTH\t1\tPLAIN\tservice=smtp\tsecured\trip=192.0.2.7\tlip=192.0.2.1\tnologin\tresp=${good}\n`,
    server: OK1,
    logins: joeLogin,
  },
  {
    name: 'Exim 4.96: an empty resp= is none',
    client: `${hello(0)}AUTH\t1\tLOGIN\tservice=smtp\trip=192.0.2.7\tlip=192.0.2.1\tnologin\tresp=\n`,
    server: 'CONT\t1\tVXNlcm5hbWU6\n',
  },
  {
    name: 'Postfix: minor 0, id counting on, an unknown address',
    client: `${hello(0)}AUTH\t41\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=\tsecured\n${cont(41, good)}`,
    server: 'CONT\t41\t\nOK\t41\tuser=joe@example.org\n',
  },
  {
    name: 'minor 1 and resp=: none',
    client: hello(1) + auth(1, 'PLAIN', ''),
    server: 'CONT\t1\t\n',
  },
  {
    name: 'minor 2 and resp=: an empty response, which PLAIN cannot read',
    client: hello(2) + auth(1, 'PLAIN', ''),
    server: 'FAIL\t1\n',
    logins: [],
  },
  {
    name: 'resp== is an empty response with any minor',
    client: hello(0) + auth(1, 'PLAIN', '=') + auth(2, 'LOGIN', '='),
    server: 'FAIL\t1\nCONT\t2\tVXNlcm5hbWU6\n',
  },
  {
    name: 'bad base64 is told at once, and the id is free again',
    client: hello() + auth(1, 'PLAIN', '!!!') + auth(1, 'PLAIN') + cont(1, '=') + auth(1, 'PLAIN', good),
    server:
      'FAIL\t1\tcode=invalid_base64\treason=Invalid base64 data in initial response\nCONT\t1\t\n' +
      `FAIL\t1\tcode=invalid_base64\treason=Invalid base64 data in continued response\n${OK1}`,
  },
  {
    name: 'an authzid that is the name counts as none, another is refused without asking login',
    client:
      hello() +
      auth(1, 'PLAIN', plainMessage('joe@example.org', 'secret', 'joe@example.org')) +
      auth(2, 'PLAIN', plainMessage('joe@example.org', 'secret', 'boss@example.org')),
    server: `${OK1}FAIL\t2\tuser=joe@example.org\n`,
    logins: joeLogin,
  },
  {
    name: 'names with newline, TAB and byte 1 do not break a line',
    client: hello() + plainLogin(1, 'a\nOK\t1\tuser=b', 'x') + plainLogin(2, 'a\u0001b', 'x'),
    server: 'FAIL\t1\tuser=a\u0001nOK\u0001t1\u0001tuser=b\nFAIL\t2\tuser=a\u00011b\n',
  },
  {
    name: 'malformed messages and names that are not UTF-8 are refused without asking login',
    client:
      hello() +
      auth(1, 'PLAIN', base64('joe@example.org\0secret')) +
      auth(2, 'PLAIN', base64('\0\0secret')) +
      plainLogin(3, 'j\xfcrgen', 'x') +
      auth(4, 'LOGIN', base64('joe\0x')),
    server: 'FAIL\t1\nFAIL\t2\nFAIL\t3\nFAIL\t4\n',
    logins: [],
  },
  {
    name: 'a CONT after the end is late',
    client: hello() + auth(1, 'PLAIN', good) + cont(1, good) + cont(0, ''),
    server:
      `${OK1}FAIL\t1\treason=Authentication request timed out\n` +
      'FAIL\t0\treason=Authentication request timed out\n',
  },
  {
    name: 'duplicate id',
    client: hello() + auth(1, 'PLAIN') + auth(1, 'PLAIN', good),
    server: 'CONT\t1\t\n',
    closed: 'duplicate id',
  },
  { name: 'id 0', client: hello() + auth(0, 'PLAIN', good), server: '', closed: 'malformed AUTH' },
  {
    name: 'unknown mechanism',
    client: hello() + auth(1, 'NTLM', good),
    server: '',
    closed: 'unknown mechanism',
  },
  {
    name: 'no service',
    client: hello() + auth(1, 'PLAIN', good, []),
    server: '',
    closed: 'AUTH without service',
  },
  {
    name: 'resp not last',
    client: `${hello()}AUTH\t1\tPLAIN\tservice=smtp\tresp=${good}\trip=192.0.2.1\n`,
    server: '',
    closed: 'parameter after resp',
    logins: [],
  },
  { name: 'CPID before VERSION', client: 'CPID\t5\n', server: '', closed: 'first line is not VERSION' },
  {
    name: 'AUTH before CPID',
    client: 'VERSION\t1\t2\n' + auth(1, 'PLAIN', good),
    server: '',
    closed: 'second line is not CPID',
    logins: [],
  },
  { name: 'VERSION 2', client: 'VERSION\t2\t0\n', server: '', closed: 'another major version' },
  { name: 'a second handshake', client: hello() + hello(), server: '', closed: 'handshake repeated' },
  { name: 'an unknown command', client: `${hello()}FOO\t1\n`, server: '', closed: 'unknown command' },
  {
    name: 'nothing after the end counts',
    client: 'CPID\t5\n' + hello() + auth(1, 'PLAIN', good),
    server: '',
    closed: 'first line is not VERSION',
  },
  {
    name: 'a CR is a blank of the base64',
    client: `${hello()}${auth(1, 'PLAIN', good).slice(0, -1)}\r\n`,
    server: OK1,
  },
]
