/** What a row of the outbox leads to at one Dovecot. */
import t from 'tap'
import type { Doveadm } from '../../src/dovecot/doveadm.ts'
import { createEndSessions } from '../../src/dovecot/end-sessions.ts'
import { isFormerDovecot, openDovecots, sessionEnding } from '../../src/dovecot/open.ts'
import { MailpassdError } from '../../src/errors.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'

const ROW = {
  id: 1,
  consumer: 'dovecot:mx1',
  action: 'end_sessions',
  address: 'jane@example.org',
  body: { cause: 'lock' },
  createdMs: 0,
  tries: 1,
  leaseUntilMs: 1,
}
const NEVER = new AbortController().signal

function rig(options: { flushes?: boolean; isWanted?: boolean; failing?: string } = {}) {
  const ran: string[] = []
  const doveadm: Doveadm = {
    name: 'mx1',
    async run(action, target) {
      ran.push(`${action} ${target}`)
      if (action === options.failing) throw new MailpassdError('consumer_failed', `${action} failed`)
    },
  }
  const consume = createEndSessions({
    doveadm,
    flushesAuthCache: options.flushes ?? false,
    isWanted: async () => options.isWanted ?? true,
    logger: silentLogger,
  })
  return { ran, consume }
}

t.test(
  'sessions end; where there is a cache it is emptied before, or clients would come back by it',
  async (t) => {
    const plain = rig()
    t.equal(await plain.consume(ROW, NEVER), 'done')
    t.same(plain.ran, ['kick jane@example.org'])
    const cached = rig({ flushes: true })
    await cached.consume(ROW, NEVER)
    t.same(cached.ran, ['flush_auth_cache jane@example.org', 'kick jane@example.org'])
  },
)

t.test('a flush that fails keeps no session alive, and is tried again', async (t) => {
  const { ran, consume } = rig({ flushes: true, failing: 'flush_auth_cache' })
  await t.rejects(consume(ROW, NEVER), { message: 'flush_auth_cache failed' })
  t.same(ran.at(-1), 'kick jane@example.org')
})

t.test('a lock that was lifted, and rows that are none of ours, end nothing', async (t) => {
  const lifted = rig({ isWanted: false })
  t.equal(await lifted.consume(ROW, NEVER), 'moot')
  const { ran, consume } = rig()
  for (const row of [
    { ...ROW, address: '*' },
    { ...ROW, address: '' },
    { ...ROW, action: 'mailbox delete' },
    { ...ROW, body: undefined },
    { ...ROW, body: { cause: 'because' } },
  ])
    t.equal(await consume(row, NEVER), 'moot')
  t.same([...ran, ...lifted.ran], [])
})

t.test('an endpoint that another node reaches gets rows, but is not worked on here', async (t) => {
  const common = { timeout_ms: 5000, flush_auth_cache: false }
  const dovecot = {
    endpoints: [
      { ...common, name: 'here', url: 'http://127.0.0.1:1', api_key: 'k' },
      { ...common, name: 'there' },
      { ...common, name: 'program', command: ['doveadm'] },
    ],
  }
  const parts = { isWanted: async () => true, logger: silentLogger }
  t.same(
    openDovecots({ dovecot }, parts).map(({ consumer }) => consumer),
    ['dovecot:here', 'dovecot:program'],
  )
  t.notOk(isFormerDovecot('dovecot:there', { dovecot }))
  t.notOk(isFormerDovecot('redis', { dovecot }))
  t.ok(isFormerDovecot('dovecot:gone', { dovecot }))
  t.same(sessionEnding({ dovecot, store: storeOf(2) }), {
    dovecots: ['here', 'there', 'program'],
    againAfterMs: 12_000,
  })
  t.equal(sessionEnding({ dovecot, store: storeOf(60) }).againAfterMs, 70_000)
})

function storeOf(freshSeconds: number) {
  return {
    kind: 'sqlite' as const,
    schema: 'standalone' as const,
    path: 'x',
    host: 'x',
    port: 1,
    database: 'x',
    user: 'x',
    connections: 1,
    timeout_ms: 1000,
    fresh_seconds: freshSeconds,
    outage_minutes: 15,
  }
}
