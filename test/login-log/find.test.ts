/** Finding lines of the login log: filters, pages, bounds, and the texts they are asked by. */
import t from 'tap'
import { formatCursor, parseCursor } from '../../src/login-log/cursor.ts'
import type { LoginLogEntry, LoginLogSource, LoginRange } from '../../src/login-log/event.ts'
import { findLogins, MAX_LOOKED_AT, type LoginFilter } from '../../src/login-log/find.ts'
import { isMeant, parseNetworkFilter } from '../../src/login-log/network-filter.ts'
import { loginPage } from '../../src/login-log/page.ts'
import { parsePast } from '../../src/login-log/past.ts'
import { parseLoginQuery } from '../../src/login-log/query.ts'

const HOUR_MS = 3_600_000
const NOW_MS = Date.UTC(2026, 0, 2, 3, 30)

function entry(at: number, change: Partial<LoginLogEntry> = {}): LoginLogEntry {
  const lastMs = NOW_MS - at * 1000
  return {
    mailbox: 'jane@example.org',
    network: '192.0.2.0/24',
    service: 'imap',
    credential: 'main',
    verdict: 'ok',
    why: 'verified',
    hourMs: lastMs - (lastMs % HOUR_MS),
    firstMs: lastMs - 10,
    lastMs,
    count: 1,
    ...change,
  }
}

/** Rows newest first, and what was asked of them. */
class Rows implements LoginLogSource {
  readonly ranges: LoginRange[] = []
  readonly #rows: readonly LoginLogEntry[]

  constructor(rows: readonly LoginLogEntry[]) {
    this.#rows = rows
  }

  async readLogins(range: LoginRange): Promise<readonly LoginLogEntry[]> {
    this.ranges.push(range)
    const { after, limit, sinceMs = 0, beforeMs = Infinity } = range
    const start = after === undefined ? 0 : this.#rows.findIndex(({ lastMs }) => lastMs === after.lastMs) + 1
    const behind = this.#rows.slice(start)
    return behind.filter(({ lastMs }) => lastMs >= sinceMs && lastMs < beforeMs).slice(0, limit)
  }
}

async function seconds(rows: Rows, filter: LoginFilter, limit = 100): Promise<number[]> {
  const { logins } = await findLogins(rows, filter, { limit })
  return logins.map(({ lastMs }) => (NOW_MS - lastMs) / 1000)
}

t.test('what the database has no index for is chosen here', async (t) => {
  const rows = new Rows([
    entry(1),
    entry(2, { verdict: 'password_mismatch', credential: '' }),
    entry(3, { service: 'smtp' }),
    entry(4, { network: '198.51.100.0/24', credential: 'app:7' }),
    entry(5, { network: 'unknown' }),
    entry(6, { network: '2001:db8:0:1::/64' }),
  ])
  t.same(await seconds(rows, {}), [1, 2, 3, 4, 5, 6])
  t.same(await seconds(rows, { verdict: 'password_mismatch' }), [2])
  t.same(await seconds(rows, { service: 'smtp' }), [3])
  t.same(await seconds(rows, { credential: 'app:7' }), [4])
  t.same(await seconds(rows, { network: parseNetworkFilter('192.0.0.0/14') }), [1, 2, 3])
  t.same(await seconds(rows, { network: parseNetworkFilter('2001:db8::/32') }), [6])
  t.same(await seconds(rows, { untilMs: NOW_MS - 4000 }), [4, 5, 6], 'whose first login came before')
  t.same(await seconds(rows, { sinceMs: NOW_MS - 3000 }), [1, 2, 3])
})

t.test('an index is asked for mailbox, network and time', async (t) => {
  const rows = new Rows([])
  await findLogins(rows, { mailbox: 'jane@example.org', sinceMs: 5, untilMs: 9 }, { limit: 3 })
  t.match(rows.ranges, [{ mailbox: 'jane@example.org', sinceMs: 5, beforeMs: 9 + HOUR_MS }])
  await findLogins(rows, { network: parseNetworkFilter('192.0.2.7') }, { limit: 3 })
  t.match(rows.ranges[1], { network: '192.0.2.0/24', limit: 4 }, 'one more row tells that there is more')
})

t.test('pages: each line once, until there is no more', async (t) => {
  const rows = new Rows(
    Array.from({ length: 25 }, (_, at) => entry(at, { service: at % 2 ? 'imap' : 'smtp' })),
  )
  for (const filter of [{}, { service: 'smtp' }]) {
    const found: string[] = []
    let cursor: string | undefined
    for (;;) {
      const page = await loginPage(rows, filter, { limit: 5, cursor })
      t.ok(page.logins.length <= 5)
      found.push(...page.logins.map(({ last }) => last))
      if (page.next === null) break
      cursor = page.next
    }
    t.equal(new Set(found).size, 'service' in filter ? 13 : 25)
    t.same(found, found.toSorted().toReversed())
  }
})

t.test('a rare line among many costs no more than the bound', async (t) => {
  const rows = new Rows(Array.from({ length: 500 }, (_, at) => entry(at)))
  let asked = 0
  const endless: LoginLogSource = {
    readLogins: async (range) => {
      asked += 1
      return rows.readLogins({ ...range, after: undefined })
    },
  }
  const { logins, next } = await findLogins(endless, { verdict: 'pass_expired' }, { limit: 10 })
  t.same(logins, [])
  t.ok(next !== undefined, 'and the search can go on')
  t.equal(asked, MAX_LOOKED_AT / 500)
})

t.test('networks', (t) => {
  t.same(parseNetworkFilter('192.0.2.77'), { kind: 'one', network: '192.0.2.0/24' })
  t.same(parseNetworkFilter('192.0.2.64/26'), { kind: 'one', network: '192.0.2.0/24' })
  t.same(parseNetworkFilter('2001:DB8::5'), { kind: 'one', network: '2001:db8::/64' })
  t.same(parseNetworkFilter('::ffff:192.0.2.1'), { kind: 'one', network: '192.0.2.0/24' })
  t.same(parseNetworkFilter('unknown'), { kind: 'one', network: 'unknown' })
  t.match(parseNetworkFilter('0.0.0.0/0'), { kind: 'within' })
  for (const text of ['', 'here', '192.0.2', '192.0.2.0/33', '192.0.2.1/16', '1.2.3.4/']) {
    t.equal(parseNetworkFilter(text), undefined, text)
  }
  t.notOk(isMeant({ kind: 'within', cidr: '0.0.0.0/0' }, 'unknown'))
  t.notOk(isMeant({ kind: 'within', cidr: '0.0.0.0/0' }, '2001:db8::/64'))
  t.end()
})

t.test('times', (t) => {
  t.equal(parsePast('90s', NOW_MS), NOW_MS - 90_000)
  t.equal(parsePast('2h', NOW_MS), NOW_MS - 2 * HOUR_MS)
  t.equal(parsePast('7d', NOW_MS), NOW_MS - 168 * HOUR_MS)
  t.equal(parsePast('2026-01-02', NOW_MS), Date.UTC(2026, 0, 2))
  t.equal(parsePast('2026-01-02T03:04:05Z', NOW_MS), Date.UTC(2026, 0, 2, 3, 4, 5))
  t.equal(parsePast('2026-01-02T03:04+02:00', NOW_MS), Date.UTC(2026, 0, 2, 1, 4))
  for (const text of [
    '',
    'now',
    '5',
    '-5m',
    '2026-02-30',
    '2026-13-01',
    '2026-01-02T03:04',
    '2026-01-02 03:04Z',
  ]) {
    t.equal(parsePast(text, NOW_MS), undefined, text)
  }
  t.end()
})

t.test('what is asked is checked by field', (t) => {
  t.same(parseLoginQuery({ address: 'Jane@EXAMPLE.org', service: 'submission', since: '1h' }, NOW_MS), {
    mailbox: 'jane@example.org',
    network: undefined,
    credential: undefined,
    service: 'smtp',
    verdict: undefined,
    sinceMs: NOW_MS - HOUR_MS,
    untilMs: undefined,
  })
  t.match(parseLoginQuery({ service: 'other', credential: 'app:7', verdict: 'ok' }, NOW_MS), {
    service: 'other',
    credential: 'app:7',
    verdict: 'ok',
  })
  const wrong = {
    address: 'jane',
    ip: 'x',
    credential: 'app:',
    service: 'gopher',
    verdict: 'good',
    since: 'soon',
    until: '1',
  }
  for (const [field, value] of Object.entries(wrong)) {
    t.throws(() => parseLoginQuery({ [field]: value }, NOW_MS), {
      code: 'input_invalid',
      message: new RegExp(`^${field}: expected `),
    })
  }
  t.end()
})

t.test('cursors: back and forth, and nothing else', async (t) => {
  const row = entry(3, { mailbox: 'jäne@example.org' })
  t.match(parseCursor(formatCursor(row)), { ...row, firstMs: row.lastMs, count: 0 })
  const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (const text of [
    '',
    '!',
    'x'.repeat(5000),
    forged(null),
    forged([]),
    forged([1, 2, 3, 4, 5, 6, 7, 8]),
  ]) {
    t.equal(parseCursor(text), undefined)
  }
  t.equal(parseCursor(forged([1.5, 2, '', '', '', '', '', ''])), undefined)
  await t.rejects(loginPage(new Rows([]), {}, { limit: 1, cursor: 'x' }), { code: 'input_invalid' })
})
