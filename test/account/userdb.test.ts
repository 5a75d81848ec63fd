import t from 'tap'
import type { StoredAccount } from '../../src/account/stored.ts'
import { createUserDb } from '../../src/account/userdb.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { mailbox, newcomer, resident } from '../fakes/accounts.ts'

const config = { uid: '5000', gid: '5000' }
const userdb = (answer: () => Promise<StoredAccount>, more: { home?: string; mail?: string } = {}) =>
  createUserDb({ stored: answer }, { ...config, ...more }, silentLogger)

t.test('a mailbox is where its row says', async (t) => {
  const lookup = userdb(() => Promise.resolve(resident))
  t.same(await lookup('Jane@Example.org'), {
    kind: 'found',
    entry: {
      user: 'jane@example.org',
      uid: '5000',
      gid: '5000',
      home: '/var/vmail/example.org/jane',
      mail: 'maildir:/var/vmail/example.org/jane/',
      quotaBytes: 0,
    },
  })
})

t.test('home and mail by template', async (t) => {
  const lookup = userdb(() => Promise.resolve(resident), { home: '/srv/%d/%n', mail: 'sdbox:/srv/%d/%n/box' })
  t.match(await lookup('jane@example.org'), {
    entry: { home: '/srv/example.org/jane', mail: 'sdbox:/srv/example.org/jane/box' },
  })
})

t.test('receive only is found, inactive and unknown are absent, names that are none too', async (t) => {
  const active = (value: 0 | 1 | 2) =>
    userdb(() => Promise.resolve({ ...resident, mailbox: { ...mailbox, active: value } }))
  t.match(await active(2)('jane@example.org'), { kind: 'found' })
  t.same(await active(0)('jane@example.org'), { kind: 'absent' })
  t.same(await userdb(() => Promise.resolve(newcomer))('jane@example.org'), { kind: 'absent' })
  t.same(await active(1)('../../etc/passwd@example.org'), { kind: 'absent' })
})

t.test('a database that does not answer is never "absent": LMTP would bounce', async (t) => {
  const lookup = userdb(() => Promise.reject(new MailpassdError('store_unavailable', 'down')))
  t.same(await lookup('jane@example.org'), { kind: 'temp_fail', why: 'store_down' })
})
