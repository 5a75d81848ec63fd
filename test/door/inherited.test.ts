/** Which passed socket is whose: the variables, the kernel's tables, the addresses. */
import t from 'tap'
import { takeInherited, type InheritedSockets, type SocketTables } from '../../src/door/inherited.ts'
import { parseListen } from '../../src/door/sockets.ts'

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1FCF 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 00000000 100 0 0 10 0
   1: 00000000:1FD0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 00000000 100 0 0 10 0
   2: 0100007F:1FCF 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 103 1 00000000 20 4 30 10 -1
`
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1FD1 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 104 1 00000000 100 0 0 10 0
   1: B80D0120000000000000000001000000:1FD2 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 105 1 00000000 100 0 0 10 0
`
const UNIX = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 106 /nowhere/with a blank/auth
0000000000000000: 00000003 00000000 00000000 0001 03 107 /nowhere/connected
0000000000000000: 00000002 00000000 00000000 0002 01 108 /nowhere/datagrams
`
const ODD_UNIX = Buffer.from('0: 00000002 00000000 00010000 0001 01 109 /nowhere/pösten/auth\n').toString(
  'latin1',
)
const INODES: Readonly<Record<number, number>> = { 3: 101, 4: 102, 5: 104, 6: 105, 7: 106 }

/** Descriptors 3 and up with these inodes. */
function tables(inodes: Readonly<Record<number, number>>): SocketTables {
  return {
    link: (fd) => (fd in inodes ? `socket:[${inodes[fd]}]` : undefined),
    table: (name) => ({ tcp: TCP, tcp6: TCP6, unix: UNIX })[name],
  }
}

const inherit = (
  env: Record<string, string | undefined>,
  inodes: Readonly<Record<number, number>> = INODES,
): InheritedSockets => takeInherited(env, 42, tables(inodes))
const take = (sockets: InheritedSockets, listen: string) => sockets.take(parseListen(listen, '/var/lib'))

t.test('each listener gets the socket with its address, once', async (t) => {
  const env = { LISTEN_PID: '42', LISTEN_FDS: '5', LISTEN_FDNAMES: 'http:sasl', PATH: '/bin' }
  const sockets = inherit(env)
  t.same(env, { PATH: '/bin' }, 'children do not see the variables')
  t.equal(await take(sockets, 'unix:/nowhere/with a blank/auth'), 7)
  t.equal(await take(sockets, '127.0.0.1:8143'), 3)
  t.equal(await take(sockets, '127.0.0.1:8143'), undefined, 'it is taken')
  t.equal(await take(sockets, '127.0.0.1:8144'), undefined, 'all addresses are another address')
  t.equal(await take(sockets, '0.0.0.0:8144'), 4)
  t.equal(await take(sockets, '[::1]:8145'), 5)
  t.equal(await take(sockets, '[2001:db8::2]:8146'), undefined)
  t.equal(await take(sockets, '[2001:DB8:0::0:1]:8146'), 6)
  t.equal(await take(sockets, '127.0.0.1:0'), undefined)
  sockets.checkAllTaken()
})

t.test('a name is every address that it stands for', async (t) => {
  t.equal(await take(inherit({ LISTEN_PID: '42', LISTEN_FDS: '1' }), 'localhost:8143'), 3)
  t.equal(await take(inherit({ LISTEN_PID: '42', LISTEN_FDS: '1' }), 'nobody.invalid:8143'), undefined)
})

t.test('an address with a zone, and a path that is not ASCII', async (t) => {
  t.equal(await take(inherit({ LISTEN_PID: '42', LISTEN_FDS: '1' }), '[fe80::1%eth0]:8143'), undefined)
  const odd = { link: () => 'socket:[109]', table: (name: string) => (name === 'unix' ? ODD_UNIX : '') }
  const sockets = takeInherited({ LISTEN_PID: '42', LISTEN_FDS: '1' }, 42, odd)
  t.equal(await take(sockets, 'unix:/nowhere/pösten/auth'), 3)
})

t.test('what no listener has is an error that names it', async (t) => {
  const sockets = inherit({ LISTEN_PID: '42', LISTEN_FDS: '3', LISTEN_FDNAMES: 'http::maps' })
  t.equal(await take(sockets, '0.0.0.0:8144'), 4)
  t.throws(() => sockets.checkAllTaken(), {
    code: 'config_invalid',
    message: /has: 127\.0\.0\.1:8143 \(http\), \[::1\]:8145 \(maps\); write the same address/,
  })
})

t.test('variables that are for another process mean nothing', async (t) => {
  for (const env of [{}, { LISTEN_PID: '41', LISTEN_FDS: '5' }, { LISTEN_FDS: '5' }, { LISTEN_PID: '42' }]) {
    const sockets = inherit({ ...env })
    t.equal(await take(sockets, '127.0.0.1:8143'), undefined)
    sockets.checkAllTaken()
  }
})

t.test('malformed variables and descriptors that are no listening stream sockets', async (t) => {
  for (const count of ['', '-1', '1e1', '65', 'many', '03x'])
    t.throws(
      () => inherit({ LISTEN_PID: '42', LISTEN_FDS: count }),
      { code: 'config_invalid', message: /LISTEN_FDS: expected a number up to 64/ },
      count,
    )
  const bad: readonly (readonly [string, Readonly<Record<number, number>>])[] = [
    ['closed', {}],
    ['a connection', { 3: 103 }],
    ['a connection on a UNIX socket', { 3: 107 }],
    ['datagrams', { 3: 108 }],
    ['of another network', { 3: 999 }],
  ]
  for (const [what, inodes] of bad)
    t.throws(
      () => inherit({ LISTEN_PID: '42', LISTEN_FDS: '1', LISTEN_FDNAMES: 'maps' }, inodes),
      { code: 'config_invalid', message: /descriptor 3 \(maps\) is no listening stream socket/ },
      what,
    )
  t.throws(
    () =>
      takeInherited({ LISTEN_PID: '42', LISTEN_FDS: '1' }, 42, { ...tables({}), link: () => '/dev/null' }),
    { code: 'config_invalid' },
    'a file',
  )
})
